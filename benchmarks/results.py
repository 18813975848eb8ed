"""A measurement as it is kept: a JSON file and a Markdown table below ``results/``, and printed.

Knows nothing of what was measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.surroundings import machine, versions

FOLDER = Path(__file__).with_name("results")


class Aim(msgspec.Struct, frozen=True):
    """What was hoped for, what was measured, and whether that is enough."""

    wanted: str
    measured: str
    met: bool


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One benchmark's outcome; a failure fails the benchmark, a missed aim does not."""

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    aims: Sequence[Aim] = ()
    failures: Sequence[str] = ()
    runs: Sequence[Any] = ()
    """Every single run, as it was."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A result with when and where it was measured."""

    measured: datetime
    versions: Mapping[str, str]
    machine: Mapping[str, str]
    result: Result


def keep(result: Result, folder: Path = FOLDER) -> str:
    """Write both files of a result; returns the Markdown."""
    now = datetime.now(UTC).replace(microsecond=0)
    kept = Kept(measured=now, versions=versions(), machine=machine(), result=result)
    text = markdown(kept)
    folder.mkdir(exist_ok=True)
    encoded = msgspec.json.format(msgspec.json.encode(kept), indent=2)
    (folder / f"{result.name}.json").write_bytes(encoded + b"\n")
    (folder / f"{result.name}.md").write_text(text, encoding="utf-8")
    return text


def markdown(kept: Kept) -> str:
    """The result as a page: table, aims, notes, and where it was measured."""
    result = kept.result
    parts = [f"# {result.title}", "\n".join(_table(result.columns, result.rows))]
    if result.aims:
        aims = [
            (aim.wanted, aim.measured, "met" if aim.met else "**missed**") for aim in result.aims
        ]
        parts.append("\n".join(_table(("aim", "measured", ""), aims)))
    parts += result.notes
    parts += [f"**Failed:** {failure}" for failure in result.failures]
    where = "; ".join([_listed(kept.machine), _listed(kept.versions)])
    parts.append(f"Measured {kept.measured:%Y-%m-%d %H:%M} UTC. {where}.")
    return "\n\n".join(parts) + "\n"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [columns, ["---"] * len(columns), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def _listed(words: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in words.items())
