"""Figures with their units, as an operator reads them. Knows no night."""

from __future__ import annotations

from datetime import datetime

from profiles.events import Progressed

UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
BAR_CELLS = 10


def size(count: float | None) -> str:
    """A number of bytes in decimal units: ``1.2 MB``; ``–`` where there is no figure."""
    if count is None:
        return "–"
    value = float(count)
    for unit in UNITS:
        if abs(value) < 999.5 or unit == UNITS[-1]:
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 99.5 else f"{value:.1f} {unit}"


def round_size(count: float) -> str:
    """A round number of bytes, as on a scale: ``20 MB``."""
    return size(count).replace(".0 ", " ")


def rate(bytes_per_s: float | None) -> str:
    """Bytes a second: ``3.1 MB/s``."""
    return "–" if bytes_per_s is None else f"{size(bytes_per_s)}/s"


def seconds(value: float | None) -> str:
    """A duration in the unit that fits: ``0.41 s``, ``12 min``, ``2 h 05 min``."""
    if value is None:
        return "–"
    if value < 9.995:
        return f"{value:.2f} s"
    if value < 119.5:
        return f"{value:.0f} s"
    minutes = round(value / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def about(value: float) -> str:
    """An estimate, no finer than a second."""
    return seconds(value) if value >= 9.995 else f"{max(round(value), 1)} s"


def many(number: int, what: str) -> str:
    """A number of things: ``1 loose end``, ``3 loose ends``."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def milliseconds(value: float) -> str:
    """How long something took, from milliseconds: ``12 ms``, else as `seconds` says it."""
    return f"{value:.0f} ms" if value < 999.5 else seconds(value / 1000)


def count(number: int) -> str:
    """A whole number with thin groups: ``1 204 511``."""
    return f"{number:,}".replace(",", " ")


def share(done: int, total: int | None) -> float | None:
    """How much of the whole is done, 0 to 1; None where the whole is not known."""
    return None if not total else min(max(done / total, 0.0), 1.0)


def progress(told: Progressed) -> str:
    """How far something has come, in figures and its own words: ``41 of 63 tables · copying``."""
    of = f" of {count(told.total)}" if told.total else ""
    figure = f"{count(told.done)}{of} {told.unit}" if told.done or told.total else ""
    return " · ".join(piece for piece in (figure, told.detail) if piece)


def bar(part: float, cells: int = BAR_CELLS) -> str:
    """A bar with its figure: ``▓▓▓▓░░░░░░ 41 %``."""
    full = int(part * cells)
    return f"{'▓' * full}{'░' * (cells - full)} {part * 100:3.0f} %"


def left(part: float | None, began: datetime | None, now: datetime) -> str:
    """An estimate of what is left: ``12 min left``; none before one per cent is done."""
    if part is None or began is None or part < 0.01 or part >= 1.0:
        return ""
    elapsed = (now - began).total_seconds()
    return f"{about(elapsed * (1 - part) / part)} left" if elapsed > 0 else ""


def ago(at: datetime, now: datetime) -> str:
    """How old something is: ``just now``, ``41 min ago``."""
    elapsed = (now - at).total_seconds()
    if elapsed < 2:
        return "just now"
    hours = int(elapsed // 3600)
    if hours < 2:
        return f"{about(elapsed)} ago"
    return f"{hours} h ago" if hours < 48 else f"{hours // 24} d ago"


def clock(at: datetime) -> str:
    """The time of day in UTC, with its zone."""
    return f"{at:%H:%M:%S} UTC"
