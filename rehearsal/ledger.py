"""The ledger: what the application sent and what it was told, outside the databases.

Knows the ledger's file and how it compares with what a server holds; not how writes are made. A
write that was sent and has no end yet is in doubt, like one whose connection was lost on the way:
present or absent are both right for it, as long as it is whole and not there twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from rehearsal.writes import READ_LOG, READS, Change

if TYPE_CHECKING:
    from asyncpg import Connection  # type: ignore[import-untyped]

BEFORE_PAUSE_S = 0.2
AFTER_PAUSE_S = 3.0
EXAMPLES = 20

Ending = Literal["acknowledged", "failed", "in_doubt"]
"""``failed``: the server said no, so it is certainly not done."""


class Sent(msgspec.Struct, frozen=True, kw_only=True, tag_field="line", tag="sent"):
    """A write is about to be sent; times are seconds since 1970, UTC."""

    id: str
    kind: str
    changes: tuple[Change, ...]
    due: float
    sent: float


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag_field="line", tag="ended"):
    """What became of a write, and the TCP port of the server that answered."""

    id: str
    ending: Ending
    at: float
    server: int | None = None
    says: str = ""


class Entry(msgspec.Struct, frozen=True):
    """One write as the ledger knows it; ``ended`` is None while it has no end."""

    sent: Sent
    ended: Ended | None = None

    @property
    def ending(self) -> Ending:
        """A write without an end is in doubt."""
        return self.ended.ending if self.ended else "in_doubt"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger against a server: how many writes of each fate."""

    acknowledged: int
    failed: int
    in_doubt: int
    lost: int
    """Acknowledged and not there, or a row that is not what the ledger says."""
    duplicated: int
    """There more than once, or there although nobody wrote it or the server said no."""
    wrong: int
    """How many of ``lost`` are there, but with another value."""
    examples: tuple[str, ...] = ()
    """The first of what is wrong, in words."""

    @property
    def clean(self) -> bool:
        """Nothing lost, nothing duplicated."""
        return self.lost == 0 and self.duplicated == 0


Row = tuple[str, str]
"""Table and key."""


@dataclass(frozen=True)
class Held:
    """What a server holds of the application's writes."""

    log: Mapping[str, int]
    """Write id to how often it stands in the log."""
    rows: Mapping[Row, list[tuple[str | None, str]]]
    """Each row's value and the write that left it so; a list, for there may be two of a key."""


def read(path: Path) -> list[Entry]:
    """Every write of a ledger, in the order they were sent; a torn last line is left out."""
    decoder = msgspec.json.Decoder(Sent | Ended)
    whole = path.read_bytes().rpartition(b"\n")[0]
    entries: dict[str, Entry] = {}
    for line in whole.splitlines():
        match decoder.decode(line):
            case Sent() as sent:
                entries[sent.id] = Entry(sent)
            case Ended() as ended:
                entries[ended.id] = Entry(entries[ended.id].sent, ended)
    return list(entries.values())


async def hold(connection: Connection) -> Held:
    """Read back what the server holds; asyncpg's own errors."""
    found = await connection.fetch(f"{READ_LOG} WHERE write_id IS NOT NULL")
    rows: dict[Row, list[tuple[str | None, str]]] = {}
    for table, query in READS.items():
        for key, value, write in await connection.fetch(f"{query} WHERE write_id IS NOT NULL"):
            rows.setdefault((table, key), []).append((value, write))
    return Held(Counter(record[0] for record in found), rows)


async def compare(entries: Iterable[Entry], connection: Connection) -> Verdict:
    """The ledger against a server, id by id and value by value."""
    return judge(entries, await hold(connection))


def judge(entries: Iterable[Entry], held: Held) -> Verdict:
    """The ledger against what a server was found to hold."""
    entries = list(entries)
    endings = Counter(entry.ending for entry in entries)
    in_log, in_rows = _log_trouble(entries, held), _row_trouble(_expected(entries, held), held)
    lost = {trouble.id for trouble in in_log if trouble.fate == "lost"}
    wrong = {trouble.id for trouble in in_rows if trouble.fate == "lost"} - lost
    twice = {trouble.id for trouble in [*in_log, *in_rows] if trouble.fate == "twice"}
    return Verdict(
        acknowledged=endings["acknowledged"],
        failed=endings["failed"],
        in_doubt=endings["in_doubt"],
        lost=len(lost | wrong),
        duplicated=len(twice),
        wrong=len(wrong),
        examples=tuple(trouble.says for trouble in [*in_log, *in_rows])[:EXAMPLES],
    )


def write_pause_ms(
    entries: Iterable[Entry], paused_at: datetime, resumed_at: datetime
) -> float | None:
    """The longest a client waited around the pause, in milliseconds: acknowledged minus due.

    Over the writes due from 0.2 s before PAUSE to 3 s after it, or to RESUME where that came later;
    None when none of those was acknowledged.
    """
    begin = paused_at.timestamp() - BEFORE_PAUSE_S
    end = max(paused_at.timestamp() + AFTER_PAUSE_S, resumed_at.timestamp())
    waits = [
        (entry.ended.at - entry.sent.due) * 1000.0
        for entry in entries
        if entry.ended and entry.ending == "acknowledged" and begin <= entry.sent.due <= end
    ]
    return max(waits, default=None)


class _Trouble(NamedTuple):
    """One thing that is not as the ledger says, charged to a write."""

    fate: Literal["lost", "twice"]
    id: str
    says: str


def _log_trouble(entries: list[Entry], held: Held) -> list[_Trouble]:
    """What the log has too little or too much."""
    ending = {entry.sent.id: entry.ending for entry in entries}
    trouble = []
    for id, count in held.log.items():
        if id not in ending:
            trouble.append(_Trouble("twice", id, f"{id} is in the log, and was never sent"))
        elif ending[id] == "failed":
            trouble.append(_Trouble("twice", id, f"{id} is in the log, though the server said no"))
        elif count > 1:
            trouble.append(_Trouble("twice", id, f"{id} is in the log {count} times"))
    gone = [id for id in ending if ending[id] == "acknowledged" and id not in held.log]
    said = "was acknowledged and is not in the log"
    return trouble + [_Trouble("lost", id, f"{id} {said}") for id in gone]


Expected = dict[Row, tuple[str | None, str]]


def _expected(entries: list[Entry], held: Held) -> Expected:
    """What each row must be now: its value, or None when it is gone, and the last write done."""
    expected: Expected = {}
    for entry in entries:
        in_log = entry.sent.id in held.log
        if entry.ending == "acknowledged" or (entry.ending == "in_doubt" and in_log):
            for change in entry.sent.changes:
                expected[change.table, change.key] = (change.value, entry.sent.id)
    return expected


def _row_trouble(expected: Expected, held: Held) -> list[_Trouble]:
    """Which rows are not as they must be."""
    trouble = []
    for row, found in held.rows.items():
        if row not in expected:
            trouble.append(_Trouble("twice", found[0][1], f"{row} is there, and nobody wrote it"))
        elif len(found) > 1:
            trouble.append(_Trouble("twice", found[0][1], f"{row} is there {len(found)} times"))
    for row, (value, id) in expected.items():
        found = held.rows.get(row, [])
        if value is None and found:
            trouble.append(_Trouble("lost", id, f"{row} was deleted by {id} and is there"))
        elif value is not None and (value, id) not in found:
            trouble.append(_Trouble("lost", id, f"{row} must be {value!r} by {id}: {found}"))
    return trouble
