"""What a line of a server's log says, where it is a warning or worse.

Knows the formats that PostgreSQL and PgBouncer write, in English; never looks at the statements
that stand in a log, which may hold secrets.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from typing import NamedTuple

SEVERITIES = ("WARNING", "ERROR", "FATAL", "PANIC")
"""From the least on (PostgreSQL manual, table 19.2)."""

TEXT_CHARACTERS = 500

_BAD = "|".join(SEVERITIES)
SIEVE = f'({_BAD}):  |,({_BAD}),[0-9A-Z]{{5}},|"error_severity":"({_BAD})"|\\[[0-9]+\\] ({_BAD}) '
"""An extended regular expression for the lines that may matter, and some that do not."""

_ANY = rf"DEBUG[1-5]?|LOG|INFO|NOTICE|{_BAD}|DETAIL|HINT|QUERY|CONTEXT|LOCATION|BACKTRACE|STATEMENT"
_STDERR = re.compile(rf"(?:^|.*?\W)(?P<word>{_ANY}):  (?P<text>.*)")
_POOLER = re.compile(
    rf"\d{{4}}-\d\d-\d\d [^\[]*\[\d+\] (?P<word>{_BAD}|LOG|DEBUG|NOISE) (?P<text>.*)"
)
_CSV_SEVERITY, _CSV_MESSAGE = 11, 13


class Entry(NamedTuple):
    """A warning, or worse, that stands in a log."""

    severity: str
    text: str
    """The message; detail and hint behind it."""
    at: int
    """Where it stands, as the line was handed in."""


class LogReader:
    """Reads one log, line by line; what belongs to a message may come in the lines behind it."""

    def __init__(self, path: str) -> None:
        """The format shows in the name: the collector ends it so (manual, 19.8.1)."""
        self._whole = _WHOLE.get(path.rpartition(".")[2])
        self._open: Entry | None = None

    def take(self, line: str, at: int) -> list[Entry]:
        """The entries that are whole now."""
        if self._whole is not None:
            entry = self._whole(line, at)
            return [entry] if entry is not None else []
        if line.startswith("\t"):
            return []  # a further line of a message, a detail or a statement
        word, text = _worded(line)
        if self._open is not None and word in ("DETAIL", "HINT"):
            self._open = self._open._replace(text=_short(f"{self._open.text} · {text}"))
            return []
        ended = self.rest()
        if word in SEVERITIES:
            self._open = Entry(word, _short(text), at)
        return ended

    def rest(self) -> list[Entry]:
        """The entry that more lines might have belonged to."""
        ended, self._open = self._open, None
        return [] if ended is None else [ended]


def worst(one: str, other: str) -> str:
    """The more severe of the two."""
    return max(one, other, key=SEVERITIES.index)


def _worded(line: str) -> tuple[str, str]:
    found = _POOLER.match(line) or _STDERR.match(line)
    return (found["word"], found["text"]) if found else ("", "")


def _from_csv(line: str, at: int) -> Entry | None:
    """A record's first line; message and detail may end with it (manual, 19.8.4)."""
    try:
        fields = next(csv.reader([line]), [])
    except csv.Error:
        return None
    if len(fields) <= _CSV_MESSAGE or fields[_CSV_SEVERITY] not in SEVERITIES:
        return None
    return _whole(fields[_CSV_SEVERITY], fields[_CSV_MESSAGE : _CSV_MESSAGE + 3], at)


def _from_json(line: str, at: int) -> Entry | None:
    """A record is one line (manual, 19.8.5)."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict) or record.get("error_severity") not in SEVERITIES:
        return None
    said = [str(record.get(name) or "") for name in ("message", "detail", "hint")]
    return _whole(record["error_severity"], said, at)


def _whole(severity: str, said: list[str], at: int) -> Entry:
    text = " · ".join(" ".join(each.split()) for each in said if each.strip())
    return Entry(severity, _short(text), at)


def _short(text: str) -> str:
    return text if len(text) <= TEXT_CHARACTERS else f"{text[: TEXT_CHARACTERS - 1]}…"


_WHOLE: dict[str, Callable[[str, int], Entry | None]] = {"csv": _from_csv, "json": _from_json}
"""Where a record is all in one, by the end of the file's name."""
