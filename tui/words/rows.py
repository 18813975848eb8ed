"""Rows of a list: headings, findings and steps, laid out in columns. Knows no widget."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, NamedTuple

from rich.cells import cell_len

from profiles.events import LogSaid, Progressed
from profiles.findings import WORST_FIRST, Finding
from profiles.fold import Night
from profiles.steps import Step, shown
from tui.words import figures
from tui.words.marks import VERDICTS, severity_tone, step_mark, step_word
from tui.words.text import Line, Span, cell, clip, cut, line, plain, width

MARK_CELLS = 6
"""Mark and number of a step."""
WHO_CELLS = 9
MOST_UNDER_WAY = 6

RowKind = Literal["heading", "finding", "step", "plain"]


class Row(NamedTuple):
    """One row: its key is a finding's or step's own, so that the cursor stays where it was."""

    key: str
    line: Line
    kind: RowKind = "plain"

    @property
    def selectable(self) -> bool:
        """Headings are passed over by the cursor."""
        return self.kind != "heading"


def heading(text: str, aside: str = "", cells: int = 0, marked: Sequence[Span] = ()) -> Row:
    """A heading within a list, with a dim remark behind it, before which stands what is marked."""
    gap = "   " if aside or marked else ""
    parts = line(Span(text, "heading"), gap, *marked, Span(aside, "dim"))
    return Row(f"heading:{text}", clip(parts, cells) if cells else parts, "heading")


NOTHING_KEPT = "No row holds that; esc shows all of them."


def narrowed(rows: Sequence[Row], keeps: Callable[[str], bool]) -> list[Row]:
    """The rows whose text or key is kept, each under its heading, and no heading of none."""
    if keeps(""):
        return list(rows)
    kept: list[Row] = []
    above: list[Row] = []
    for row in rows:
        if not row.selectable:
            above = [row]
        elif keeps(f"{plain(row.line)} {row.key}"):
            kept += [*above, row]
            above = []
    return kept or [heading(NOTHING_KEPT)]


def finding_key(finding: Finding) -> str:
    """The row key of a finding."""
    return "finding:" + "|".join(part or "" for part in finding.key)


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """The findings, worst verdict first, else as they came."""
    return sorted(findings, key=lambda found: WORST_FIRST.index(found.verdict))


def finding_row(finding: Finding, cells: int) -> Row:
    """Mark and word, the figure, and where it was seen."""
    where = " ".join(part for part in (finding.server, finding.database) if part)
    wide = min(max(len(where), 6), cells // 4)
    mark = Span(cell(f"{VERDICTS[finding.verdict]} {finding.verdict}", 10), finding.verdict)
    figure = cut(finding.figure.replace("\n", " "), max(cells - wide - 12, 8))
    return Row(
        finding_key(finding),
        line(mark, figure, "  ", Span(cell(where, wide), "dim")),
        "finding",
    )


def title_cells(steps: Iterable[Step], cells: int) -> int:
    """How wide the column of titles is: as the longest, and no more than evidence can spare."""
    longest = max((cell_len(step.title) for step in steps), default=0)
    return min(longest, (cells - MARK_CELLS - WHO_CELLS) * 60 // 100)


def step_row(night: Night, step: Step, number: int, cells: int, titles: int) -> Row:
    """Mark, number and title, who does it, and the evidence or what became of it."""
    state = night.state_of(step.id)
    who = "by hand" if step.by_hand else "wizard"
    spare = max(cells - MARK_CELLS - WHO_CELLS - titles - 2, 8)
    heard = [] if step.paused else logged_span(state.log)
    said = cut(_said(night, step), max(spare - width(tuple(heard)), 1))
    told = clip(line(*heard, Span(said, "stop" if state.error else "dim")), spare)
    return Row(
        step.id,
        line(
            step_mark(state),
            f" {number:>2}  ",
            cut(step.title, titles),
            "  ",
            Span(cell(who, WHO_CELLS), "dim"),
            *told,
        ),
        "step",
    )


def logged(night: Night, step: Step) -> list[LogSaid]:
    """What the servers' logs said meanwhile; the steps of a pause last too short to tell apart."""
    if not step.paused:
        return night.state_of(step.id).log
    return night.stretch.log if night.stretch is not None else []


def logged_span(log: Sequence[LogSaid]) -> list[Span]:
    """How much the servers' logs said, by mark and word; nothing where they said nothing."""
    if not log:
        return []
    tone = severity_tone(said.severity for said in log)
    return [Span(f"{VERDICTS[tone]} {len(log)} in the logs", tone), Span(" · ", "dim")]


def _said(night: Night, step: Step) -> str:
    state = night.state_of(step.id)
    progress = night.progress.get(step.id)
    if progress is not None:
        part = figures.share(progress.done, progress.total)
        return figures.bar(part) if part is not None else figures.progress(progress)
    text = (state.error or state.evidence).replace("\n", " ")
    word = step_word(state)
    if not word:
        return _beforehand(step)
    return f"{word}: {text}" if text and word != "done" else text or word


def _beforehand(step: Step) -> str:
    """What is worth knowing of a step that has not begun: in the stretch, what it will run."""
    if step.paused and step.commands:
        return "; ".join(shown(command).splitlines()[0] for command in step.commands)
    if step.danger:
        return f"! {step.danger}"
    return "optional" if step.optional else ""


def numbered(
    night: Night, steps: Iterable[Step], cells: int, titles: int, first: int = 1
) -> list[Row]:
    """The steps as rows, numbered from ``first``, their titles in so many cells."""
    return [
        step_row(night, step, number, cells, titles) for number, step in enumerate(steps, first)
    ]


def phase_rows(night: Night, phase: str, cells: int) -> list[Row]:
    """What most phases show: the findings, worst first, then the steps."""
    rows = [finding_row(found, cells) for found in worst_first(night.findings_of(phase))]
    steps = night.plan(phase)
    if steps:
        settled = sum(night.state_of(step.id).settled for step in steps)
        rows.append(heading("Steps", f"{settled} of {len(steps)} settled", cells))
        rows += numbered(night, steps, cells, title_cells(steps, cells))
    return rows


def progress_rows(night: Night, cells: int) -> list[Row]:
    """What is under way beside the steps' own bars: the tables of a copy that are not there yet."""
    under_way = [told for told in night.progress.values() if not told.step and not _through(told)]
    rows = [_progress_row(told, cells) for told in under_way[:MOST_UNDER_WAY]]
    if not rows:
        return []
    more = len(under_way) - len(rows)
    return [heading("Under way", f"and {more} more" if more else "", cells), *rows]


def _through(told: Progressed) -> bool:
    return told.detail in ("copied", "following")


def _progress_row(told: Progressed, cells: int) -> Row:
    part = figures.share(told.done, told.total)
    meter = figures.bar(part) if part is not None else ""
    said = " · ".join(piece for piece in (meter, figures.progress(told)) if piece)
    named = cell(told.what, max(cells // 3, 12))
    return Row(f"progress:{told.what}", clip(line(named, f" {said}"), cells))
