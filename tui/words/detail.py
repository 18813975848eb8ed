"""The panel below a list: all there is to know of the focused row. Knows no widget."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from profiles.events import LogSaid
from profiles.findings import Finding
from profiles.fold import Night, StepState
from profiles.steps import Command, FileEdit, Step, diff, shown, where
from tui.words import figures
from tui.words.marks import severity, step_word, verdict
from tui.words.rows import finding_key, logged
from tui.words.text import Line, Span, labelled, line, wrap


def finding_of(night: Night, key: str) -> Finding | None:
    """The finding behind a row key."""
    return next((found for found in night.findings.values() if finding_key(found) == key), None)


def finding_lines(night: Night, finding: Finding, cells: int) -> list[Line]:
    """The figure, then the verdict, then what to do, then what it rests on."""
    lines = wrap(finding.figure, cells, "strong")
    word = verdict(finding.verdict).text
    says = f"{word}: {finding.says}" if finding.says else word
    lines += labelled("verdict", says, cells)
    lines += labelled("to do", finding.todo, cells)
    remedy = night.steps.get(finding.remedy or "")
    if remedy is not None:
        lines += labelled(
            "remedy", f"{remedy.title} (a step of this phase: enter goes to it)", cells
        )
    lines += labelled("evidence", finding.evidence, cells, "dim")
    return [*lines, *labelled("check", finding.check, cells, "dim")]


def step_lines(night: Night, step: Step, cells: int) -> list[Line]:
    """What became of it, what it risks, every command as it will run, how it is proven."""
    state = night.state_of(step.id)
    lines = [*_outcome(state, cells), *log_lines(logged(night, step), cells)]
    lines += labelled("why", step.why, cells)
    if step.danger:
        names = ", ".join(step.servers)
        typed = f" (confirmed by typing {names})" if names else ""
        lines += labelled("danger", f"! {step.danger}{typed}", cells, "warn")
    for command in step.commands:
        lines += command_lines(command, cells)
    for evidence in step.holds:
        lines += labelled("holds", f"{evidence.says}: {shown(evidence.ask)}", cells, "dim")
    if step.leaves is not None:
        lines += labelled("leaves", f"{step.leaves.what}, until it is settled", cells, "dim")
    for command in step.undo:
        lines += labelled("undo", f"{where(command)}: {shown(command)}", cells, "dim")
    return lines


def _outcome(state: StepState, cells: int) -> list[Line]:
    word = step_word(state)
    if not word:
        return []
    lines = labelled("error", state.error, cells, "stop")
    if state.running or state.error:
        return lines
    told = f"{word} in {figures.milliseconds(state.duration_ms)}"
    return labelled("now", f"{told}: {state.evidence}" if state.evidence else told, cells, "pass")


def log_lines(said: Sequence[LogSaid], cells: int) -> list[Line]:
    """What came into the servers' logs meanwhile, under the name of each server."""
    lines: list[Line] = []
    for server in dict.fromkeys(each.server or "" for each in said):
        lines.append(line(Span(f"in the log of {server} meanwhile", "heading")))
        for each in said:
            if (each.server or "") == server:
                lines += _log_entry(each, cells)
    return lines


def _log_entry(said: LogSaid, cells: int) -> list[Line]:
    mark = severity(said.severity)
    head = f"  {mark.text}  "
    body = wrap(said.text, cells - cell_len(head)) or [line()]
    blank = " " * cell_len(head)
    return [
        line(Span(head, mark.tone) if at == 0 else blank, *rest) for at, rest in enumerate(body)
    ]


def command_lines(command: Command, cells: int) -> list[Line]:
    """One command under the name of where it runs; an edit as its diff."""
    lines = [line(Span(where(command), "heading"))]
    if not isinstance(command, FileEdit):
        return [*lines, *wrap(shown(command), cells, "strong", indent="  ")]
    lines += wrap(command.path, cells, "strong", indent="  ")
    for changed in diff(command):
        tone = {"+": "add", "-": "remove"}.get(changed[:1], "dim")
        lines += wrap(changed, cells, tone, indent="  ")  # type: ignore[arg-type]
    return lines


def copied(night: Night, key: str) -> str:
    """What the copy key takes from a row: a step's commands, or a finding's evidence."""
    step = night.steps.get(key)
    if step is not None:
        return "\n".join(shown(command) for command in step.commands)
    finding = finding_of(night, key)
    return "" if finding is None else finding.evidence or finding.figure
