"""Both hosts side by side, and what their settings are and should be. Knows no widget."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

from profiles.fold import Night
from profiles.machine import HostSeen, Proposal
from tui.words import figures, rows
from tui.words.marks import step_mark
from tui.words.rows import Row
from tui.words.text import Line, Span, cell, clip, cut, labelled, line
from tui.words.view import profile_of

MARKED = "◆"
UNREAD = "?"
NAME_CELLS = 30
MOST_VALUE_CELLS = 22
KIND_CELLS = 11
FACT_CELLS = 16


class Fact(NamedTuple):
    """One line of the comparison."""

    name: str
    said: Callable[[HostSeen], str | None]
    """In words; None: it could not be read."""
    amount: Callable[[HostSeen], float | None] | None = None
    """Where less of it on the new host is worth a mark."""


def _percent(value: float | None) -> str | None:
    return None if value is None else f"{value:.1f} %"


def _bytes(value: int | None) -> str | None:
    return None if value is None else figures.size(value)


def _data(seen: HostSeen) -> str | None:
    place = seen.place("data")
    if place is None:
        return None
    disk = seen.disk(place.disk)
    turns = {True: "turns", False: "no parts turn", None: ""}[disk.rotational if disk else None]
    return " · ".join(part for part in (place.kind, place.disk, turns) if part) or None


def _free(seen: HostSeen) -> int | None:
    place = seen.place("data")
    return place.free if place else None


def _await(seen: HostSeen) -> str | None:
    place = seen.place("data")
    disk = seen.disk(place.disk) if place else None
    if disk is None:
        return None
    return "idle" if disk.write_await_ms is None else f"{disk.write_await_ms:.1f} ms"


def _swapped(seen: HostSeen) -> str | None:
    total, free = seen.memory.swap_total, seen.memory.swap_free
    if total == 0:
        return "no swap"
    return None if total is None or free is None else figures.size(total - free)


def _clock(seen: HostSeen) -> str | None:
    kept = seen.clock.synchronised
    return None if kept is None else seen.clock.by or "kept" if kept else "kept by nobody"


def _files(seen: HostSeen) -> int | None:
    return seen.limits.get("open files")


def _open_files(seen: HostSeen) -> str | None:
    limit = _files(seen)
    return None if limit is None else "no limit" if limit < 0 else str(limit)


FACTS = (
    Fact("cores", lambda seen: str(seen.cpu.cores), lambda seen: seen.cpu.cores),
    Fact("memory", lambda seen: figures.size(seen.memory.total), lambda seen: seen.memory.total),
    Fact("swapped out", _swapped),
    Fact("CPU stolen", lambda seen: _percent(seen.cpu.steal_percent)),
    Fact("waits for disk", lambda seen: _percent(seen.cpu.iowait_percent)),
    Fact("data on", _data),
    Fact("data free", lambda seen: _bytes(_free(seen)), _free),
    Fact("a write takes", _await),
    Fact("open files", _open_files, lambda seen: _unlimited(_files(seen))),
    Fact("huge pages", lambda seen: seen.memory.transparent),
    Fact("clock", _clock),
    Fact("system", lambda seen: seen.system),
    Fact("kernel", lambda seen: seen.kernel),
)


def _unlimited(limit: int | None) -> float | None:
    return float("inf") if limit is not None and limit < 0 else limit


def listed(night: Night, marked: Collection[str], cells: int) -> list[Row]:
    """What is worth a look, the settings, the two hosts side by side, and what is in order."""
    findings = rows.worst_first(night.findings_of("tuning"))
    found = [rows.finding_row(each, cells) for each in findings if each.verdict != "pass"]
    fine = [rows.finding_row(each, cells) for each in findings if each.verdict == "pass"]
    plan = night.plan("tuning")
    proposed = [step for step in plan if step.id in night.proposals]
    others = [step for step in plan if step.id not in night.proposals]
    made = [*found]
    made += _settings(night, [night.proposals[step.id] for step in proposed], marked, cells)
    if others:
        made.append(rows.heading("On demand", "", cells))
        made += rows.numbered(night, others, cells, rows.title_cells(others, cells))
    made += _side_by_side(night, cells)
    return [*made, *([rows.heading("In order", f"{len(fine)}", cells), *fine] if fine else [])]


def _settings(
    night: Night, proposals: list[Proposal], marked: Collection[str], cells: int
) -> list[Row]:
    """Those of one server after those of the other, under its name."""
    made: list[Row] = []
    marks = f"{len(marked)} marked" if marked else "space marks"
    for server in dict.fromkeys(proposal.server for proposal in proposals):
        made.append(rows.heading(f"Settings of {server}", f"now → proposed · {marks}", cells))
        made += [
            _proposal_row(night, each, each.id in marked, _widths(proposals, cells), cells)
            for each in proposals
            if each.server == server
        ]
    return made


class _Widths(NamedTuple):
    name: int
    now: int
    proposed: int


def _widths(proposals: Collection[Proposal], cells: int) -> _Widths:
    """The columns as wide as their longest, as far as the kind keeps some cells."""
    name = min(max(len(each.name) for each in proposals), NAME_CELLS)
    spare = cells - name - KIND_CELLS - 9
    most = min(max(spare // 2, 6), MOST_VALUE_CELLS)
    now = min(max(len(each.now or UNREAD) for each in proposals), most)
    wanted = min(max(len(each.proposed) for each in proposals), most)
    return _Widths(name, now, wanted)


def _proposal_row(
    night: Night, proposal: Proposal, marked: bool, widths: _Widths, cells: int
) -> Row:
    state = night.state_of(proposal.id)
    mark = Span(MARKED, "strong") if marked and not state.settled else step_mark(state)
    return Row(
        proposal.id,
        clip(
            line(
                mark,
                " ",
                cell(proposal.name, widths.name),
                "  ",
                Span(cut(proposal.now or UNREAD, widths.now), "dim"),
                " → ",
                Span(cut(proposal.proposed, widths.proposed), "strong"),
                "  ",
                Span(cell(kind(proposal), KIND_CELLS), "warn" if _minds(proposal) else "plain"),
            ),
            cells,
        ),
        "step",
    )


def _minds(proposal: Proposal) -> bool:
    return proposal.import_only or bool(proposal.conflict)


def kind(proposal: Proposal) -> str:
    """What kind of change it is, in a few words."""
    if proposal.conflict:
        return "overridden"
    if proposal.import_only:
        return "import only"
    return {"restart": "restart", "reload": "by reload"}.get(proposal.takes_effect, "live")


def proposal_lines(night: Night, proposal: Proposal, cells: int) -> list[Line]:
    """Why, and how the value was arrived at."""
    lines = labelled("why", proposal.why, cells)
    lines += labelled("conflict", proposal.conflict, cells, "warn")
    if proposal.import_only:
        until = "a loose end until it is undone; the cutover is not armed while it is open"
        lines += labelled("import", until, cells, "warn")
    if proposal.id in night.chosen:
        lines += labelled("value", "your own, in the place of the proposed one", cells, "warn")
    else:
        lines += labelled("value", proposal.arithmetic, cells)
    return [*lines, *labelled("rule", proposal.rule, cells, "dim")]


def _side_by_side(night: Night, cells: int) -> list[Row]:
    profile = profile_of(night)
    if profile is None or not night.hosts:
        return []
    names = (profile.source.name, profile.destination.name)
    old, new = (night.hosts.get(name) for name in names)
    wide = max((cells - FACT_CELLS - 6) // 2, 8)
    made = [
        rows.heading("Hosts", f"{names[0]} | {names[1]}", cells),
        *[_fact_row(fact, old, new, wide) for fact in FACTS],
    ]
    made += [_unread_row(seen, cells) for seen in (old, new) if seen and seen.unread]
    made += [
        Row(f"skipped:{at}", clip(line(Span(f"· not proposed: {said}", "dim")), cells))
        for at, said in enumerate(night.not_proposed)
    ]
    return made


def _unread_row(seen: HostSeen, cells: int) -> Row:
    said = f"? not read on {seen.host}: {'; '.join(seen.unread)}"
    return Row(f"unread:{seen.host}", clip(line(Span(said, "unknown")), cells))


def _fact_row(fact: Fact, old: HostSeen | None, new: HostSeen | None, wide: int) -> Row:
    said = [UNREAD if seen is None else fact.said(seen) or UNREAD for seen in (old, new)]
    less = old is not None and new is not None and _less(fact, old, new)
    return Row(
        f"fact:{fact.name}",
        line(
            Span("! " if less else "  ", "warn"),
            Span(cell(fact.name, FACT_CELLS), "dim"),
            cut(said[0], wide),
            "  ",
            Span(cut(said[1], wide), "warn" if less else "plain"),
        ),
    )


def _less(fact: Fact, old: HostSeen, new: HostSeen) -> bool:
    if fact.amount is None:
        return False
    before, after = fact.amount(old), fact.amount(new)
    return before is not None and after is not None and after < before
