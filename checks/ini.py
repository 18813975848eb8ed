"""What pgbouncer.ini says of one pool, literally: what an edit of it has to begin with.

Knows the form of the file and of its connection strings (PgBouncer manual, pgbouncer.ini); must
not know what the edit is for.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_KEY_VALUE = re.compile(r"(\w+)\s*=\s*('(?:[^']|'')*'|\S+)")
_POOL = re.compile(r'\s*("(?:[^"]|"")*"|[^\s=]+)\s*=\s*')


class PoolLine(NamedTuple):
    """The line of one pool in ``[databases]``."""

    text: str
    starts: str
    """The line up to its connection string, as it is written: ``app = ``."""
    host: str | None
    port: str | None
    database: str


def pool_line(ini: str, pool: str) -> PoolLine | None:
    """The pool's line; None when the file has none. The last one wins, as in PgBouncer."""
    found: PoolLine | None = None
    section = ""
    for line in ini.splitlines():
        stripped = line.strip()
        if stripped.startswith("["):
            section = stripped.strip("[]").strip()
        elif section == "databases" and not stripped.startswith((";", "#")):
            found = _read(stripped, pool) or found
    return found


def includes(ini: str) -> list[str]:
    """The files that the ini takes in by ``%include``."""
    lines = (line.split(maxsplit=1) for line in ini.splitlines())
    return [words[1].strip() for words in lines if len(words) == 2 and words[0] == "%include"]


def _read(line: str, pool: str) -> PoolLine | None:
    named = _POOL.match(line)
    if named is None or _unquoted(named[1], '"') != pool:
        return None
    parts = {key: _unquoted(value, "'") for key, value in _KEY_VALUE.findall(line[named.end() :])}
    return PoolLine(line, named[0], parts.get("host"), parts.get("port"), parts.get("dbname", pool))


def _unquoted(text: str, quote: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] == quote:
        return text[1:-1].replace(quote * 2, quote)
    return text
