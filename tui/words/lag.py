"""The lag meter: figures, the graph of how far behind, gates and the forecast, as lines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

from checks.host.cause import cause
from profiles.events import GateRead, Sampled
from profiles.fold import Night
from tui.words import figures
from tui.words.graph import area, ceiling
from tui.words.text import Line, Span, cell, clip, line, wrap
from tui.words.view import View

Unit = Literal["bytes", "seconds"]
AXIS_CELLS = 9
STALE = timedelta(seconds=15)
"""A reading older than this is no figure of now: they come each second, or a little slower."""
TIME_LABEL_EVERY = 20
"""Cells between two times on the axis; 40 readings at two a cell."""


def meter(night: Night, unit: Unit, cells: int, graph_rows: int) -> list[Line]:
    """The whole panel; says so in words where there is no reading yet."""
    if not night.samples:
        return [*wrap("No reading yet: the sampler starts when replication runs.", cells, "dim")]
    newest = night.samples[-1]
    lines = [clip(each, cells) for each in _figures(night, newest)]
    if newest.trouble:
        lines += wrap(f"✗ {newest.trouble}", cells, "stop")
    if why := cause(list(night.samples), night.pulses):
        lines += wrap(f"! slowed by {why}", cells, "warn")
    lines += graph(list(night.samples), unit, cells, graph_rows)
    return [*lines, *gate_lines(night, cells)]


def stale(view: View, cells: int) -> list[Line]:
    """How old the newest reading is where it is no longer of now; nothing while readings come."""
    newest = view.night.samples[-1] if view.night.samples else None
    if newest is None or (not view.lost and view.now - newest.at < STALE):
        return []
    age = figures.ago(newest.at, view.now)
    return wrap(f"! nothing has been read since {newest.at:%H:%M:%S}, {age}", cells, "warn")


def _figures(night: Night, newest: Sampled) -> list[Line]:
    held = f" ({newest.wal_status})" if newest.wal_status else ""
    drift = [found for found in night.findings_of("lag") if "drift" in found.check]
    drifted = drift[0].figure if drift else "not looked at"
    behind = f"{figures.size(newest.behind_bytes):<12}{figures.seconds(newest.behind_s)}"
    retained = f"{figures.size(newest.retained_bytes)}{held}"
    return [
        _pair("behind", behind, "retained WAL", retained),
        _pair("writes", figures.rate(newest.write_rate), "schema drift", drifted),
        _pair("applied", figures.rate(newest.apply_rate), "caught up", forecast(newest)),
    ]


def _pair(name: str, figure: str, other: str, other_figure: str) -> Line:
    return line(
        Span(f" {name:<9}", "dim"),
        Span(cell(figure, 23), "strong"),
        Span(f"{other:<14}", "dim"),
        Span(other_figure, "strong"),
    )


def forecast(newest: Sampled) -> str:
    """When it catches up, or that it does not."""
    if newest.caught_up_in_s is not None:
        soon = newest.caught_up_in_s < 1
        return "now" if soon else f"in {figures.seconds(newest.caught_up_in_s)}"
    if newest.behind_s is None and newest.behind_bytes is None:
        return "–"
    if newest.write_rate is not None and newest.apply_rate is not None:
        slower = newest.apply_rate < newest.write_rate
        return "never at this rate" if slower else "not known yet"
    return "not known yet"


def _values(samples: Sequence[Sampled], unit: Unit) -> list[float | None]:
    if unit == "seconds":
        return [each.behind_s for each in samples]
    return [each.behind_bytes for each in samples]


def graph(samples: Sequence[Sampled], unit: Unit, cells: int, rows: int) -> list[Line]:
    """The area with its scale at the left and the time below it."""
    wide = max(cells - AXIS_CELLS - 1, 10)
    recent = samples[-wide * 2 :]
    values = _values(recent, unit)
    top = ceiling(values)
    scale = (lambda at: f"{at:g} s") if unit == "seconds" else figures.round_size
    labels = {0: scale(top), rows - 1: "0"}
    if rows % 2 == 0:
        labels[rows // 2] = scale(top * (rows - rows // 2) / rows)
    lines = [
        line(Span(f"{labels.get(at, ''):>{AXIS_CELLS - 1}} ┤", "dim"), *_dots(drawn))
        for at, drawn in enumerate(area(values, wide, rows, top))
    ]
    return [*lines, line(Span(_times(recent, wide), "dim"))]


def _dots(drawn: str) -> Line:
    """Blanks around the dots apart from them, and those between as dots without a dot.

    So every run of text has one width of glyph, whatever font the braille comes from.
    """
    dots = drawn.strip()
    before = drawn[: len(drawn) - len(drawn.lstrip())] if dots else ""
    return line(before, Span(dots.replace(" ", "\u2800"), "note"))


def _times(samples: Sequence[Sampled], wide: int) -> str:
    """Times under the newest reading and, to its left, under every so many cells."""
    axis = [" "] * (AXIS_CELLS + 1 + wide)
    for back in range(0, wide, TIME_LABEL_EVERY):
        at = len(samples) - 1 - back * 2
        label = f"{samples[at].at:%H:%M:%S}" if at >= 0 else ""
        end = len(axis) - back
        axis[end - len(label) : end] = label
    return "".join(axis)


def gate_lines(night: Night, cells: int) -> list[Line]:
    """Every gate with its figure and for how long it has held."""
    return [clip(gate_line(gate), cells) for gate in night.gates.values()]


def gate_line(gate: GateRead) -> Line:
    """``Gate: behind < 1 s for 60 s   ✓ holds   0.4 s, held 94 s``"""
    wanted, figure = gate_parts(gate)
    mark = Span("✓ holds", "pass") if gate.holds else Span("· waiting", "note")
    return line(" Gate: ", Span(wanted, "strong"), "   ", mark, f"   {figure}")


def gate_parts(gate: GateRead) -> tuple[str, str]:
    """What the gate waits for, and the figure it has: both stand in its figure."""
    wanted, _, figure = gate.figure.partition(": ")
    return wanted, figure
