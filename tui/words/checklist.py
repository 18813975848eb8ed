"""The cutover checklist: before the pause, while writes are paused, after. Knows no widget."""

from __future__ import annotations

from typing import NamedTuple

from profiles.events import GateRead
from profiles.fold import Night
from profiles.steps import Step
from tui.words import figures
from tui.words.lag import gate_parts
from tui.words.rows import (
    MARK_CELLS,
    WHO_CELLS,
    Row,
    finding_row,
    heading,
    logged_span,
    numbered,
    title_cells,
    worst_first,
)
from tui.words.text import Span, cell, cut, line
from tui.words.view import profile_of

SHORTEST_TITLES = 24
"""Gates are named in the column of titles too."""


class Parts(NamedTuple):
    """The steps of the cutover, in the plan's order."""

    before: list[Step]
    paused: list[Step]
    after: list[Step]


def parts(night: Night) -> Parts:
    """The plan in three: what is not paused is before or after by where it stands."""
    steps = night.plan("cutover")
    paused = [step for step in steps if step.paused]
    if not paused:
        after = [step for step in steps if step.after_turn]
        return Parts([step for step in steps if not step.after_turn], [], after)
    first = steps.index(paused[0])
    rest = [step for step in steps[first:] if not step.paused]
    return Parts(steps[:first], paused, rest)


def rows(night: Night, cells: int) -> list[Row]:
    """Findings, then the three parts under their headings, gates first of what is before."""
    found = [finding_row(each, cells) for each in worst_first(night.findings_of("cutover"))]
    before, paused, after = parts(night)
    titles = max(title_cells(night.plan("cutover"), cells), SHORTEST_TITLES)
    listed = [*found, heading("Before the pause", "", cells)]
    listed += [_gate_row(gate, cells, titles) for gate in night.gates.values()]
    listed += numbered(night, before, cells, titles)
    heard = logged_span(night.stretch.log if night.stretch is not None else [])
    listed.append(heading("While writes are paused", _terms(night), cells, heard))
    listed += numbered(night, paused, cells, titles, len(before) + 1)
    listed.append(heading("After", "", cells))
    return [*listed, *numbered(night, after, cells, titles, len(before) + len(paused) + 1)]


def _gate_row(gate: GateRead, cells: int, titles: int) -> Row:
    mark = Span("✓", "pass") if gate.holds else Span("·", "note")
    wanted, said = gate_parts(gate)
    spare = max(cells - MARK_CELLS - WHO_CELLS - titles - 2, 8)
    columns = line(
        mark,
        "     ",
        cut(wanted, titles),
        "  ",
        Span(cell("gate", WHO_CELLS), "dim"),
        Span(cut(said, spare), "dim"),
    )
    return Row(f"gate:{gate.gate}", columns, "plain")


def _terms(night: Night) -> str:
    profile = profile_of(night)
    if night.stretch is not None and night.armed:
        return f"armed, deadline {figures.seconds(night.stretch.armed.deadline_s)}"
    if profile is None:
        return ""
    deadline = figures.seconds(profile.thresholds.pause_deadline_s)
    return f"t arms · g goes · G one key a step · {deadline}"


def unsettled_before(night: Night) -> list[Step]:
    """What is still to be done before the pause; optional steps are not waited for."""
    return [
        step
        for step in parts(night).before
        if not night.state_of(step.id).settled and not step.optional
    ]


def closed_gates(night: Night) -> list[str]:
    """What the cutover still waits for, with its figure."""
    return [gate.figure for gate in night.gates.values() if not gate.holds]


def arm_terms(night: Night, by_hand: bool) -> list[str]:
    """What the operator agrees to by typing the source's name."""
    profile = profile_of(night)
    if profile is None:
        return []
    limits = profile.thresholds
    deadline = limits.by_hand_deadline_s if by_hand else limits.pause_deadline_s
    how = "one key a step" if by_hand else "one key for the whole stretch"
    said = [
        f"Arming makes ready what can be made ready; nothing is paused by it. Then {how}.",
        f"Writes are paused for {figures.seconds(deadline)} at most, all in all; "
        f"after that it is undone by itself and they resume on {profile.source.name}.",
    ]
    if profile.source.may_still_write:
        named = ", ".join(profile.source.may_still_write)
        said.append(f"! may still write, by your own decision: {named}")
    asked = [each.name for each in (profile.source, profile.destination) if each.password.ask]
    if asked:
        named = ", ".join(asked)
        said.append(f"! typed passwords ({named}) are asked again if this machine is lost.")
    return said
