"""One reading of the replication: how far behind, in bytes and in seconds, and what is wrong.

Bytes are from the source's log to what our slot's own WAL sender says has been applied. Seconds
are by a row that really travels: the source writes its clock into ``nightferry.heartbeat`` (an
action does), and what has arrived of it is held against the source's clock again, so no
difference between two clocks is in it.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

import msgspec

from checks import lsn
from checks.check import Asks, Row
from checks.queries import ask
from profiles.errors import AnswerError
from profiles.names import SLOT, SUBSCRIPTION

ARRIVAL_S = 0.4
"""How long a reading waits for the newest heartbeat to arrive, before it takes an older one."""
LOOK_S = 0.03
UNDEFINED_TABLE = "42P01"


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """Which replication is read."""

    night: str
    direction: str = "forward"
    slot: str = SLOT
    subscription: str = SUBSCRIPTION


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One reading. Figures that could not be had are None, and ``trouble`` says why."""

    at: datetime
    """By the source's clock."""
    current_lsn: str
    replay_lsn: str | None = None
    behind_bytes: int | None = None
    behind_s: float | None = None
    """At most so far behind; None until the first heartbeat has arrived."""
    write_rate: float | None = None
    """Bytes of log a second, since the reading before."""
    apply_rate: float | None = None
    retained_bytes: int | None = None
    """Log that the slot holds back on the source."""
    wal_status: str | None = None
    safe_wal_bytes: int | None = None
    """How much more may be written until the slot is in danger; None without a limit."""
    trouble: str = ""


async def read_sample(
    source: Asks, destination: Asks, previous: Sample | None, watched: Watched
) -> Sample:
    """Read once; write the heartbeat just before, so that it can be awaited here.

    Takes up to 0.4 s when replication is slow. Raises ServerLostError, DeadlineError, AnswerError.
    """
    slot = (await ask(source, "slot", watched.slot)).first
    trouble = _slot_trouble(slot, watched) or await _apply_trouble(destination, watched)
    behind_s = await _behind_s(source, destination, watched)
    replay = slot["replay_lsn"]
    sample = Sample(
        at=slot["at"],
        current_lsn=slot["current_lsn"],
        replay_lsn=replay,
        behind_bytes=max(lsn.bytes_between(replay, slot["current_lsn"]), 0) if replay else None,
        behind_s=behind_s,
        retained_bytes=slot["retained_bytes"],
        wal_status=slot["wal_status"],
        safe_wal_bytes=slot["safe_wal_size"],
        trouble=trouble,
    )
    return sample if previous is None else with_rates(sample, previous)


def with_rates(sample: Sample, previous: Sample) -> Sample:
    """The sample with the rates since the one before; without, when no time has passed."""
    passed_s = (sample.at - previous.at).total_seconds()
    if passed_s <= 0:
        return sample
    wrote = lsn.bytes_between(previous.current_lsn, sample.current_lsn)
    applied = None
    if sample.replay_lsn and previous.replay_lsn:
        applied = lsn.bytes_between(previous.replay_lsn, sample.replay_lsn)
    return msgspec.structs.replace(
        sample,
        write_rate=max(wrote, 0) / passed_s,
        apply_rate=None if applied is None else max(applied, 0) / passed_s,
    )


def _slot_trouble(slot: Row, watched: Watched) -> str:
    if not slot["slot_exists"]:
        return f"there is no replication slot {watched.slot} on the source"
    if slot["wal_status"] == "lost":
        return f"slot {watched.slot} is lost (wal_status = lost): the copy has to begin again"
    if slot["sender_state"] is None:
        return f"nobody reads from slot {watched.slot}: no WAL sender runs for it"
    if slot["wal_status"] == "unreserved":
        return f"slot {watched.slot} is about to be lost (wal_status = unreserved)"
    return ""


async def _apply_trouble(destination: Asks, watched: Watched) -> str:
    answer = await ask(destination, "subscription", watched.subscription)
    if not answer.rows:
        return f"there is no subscription {watched.subscription} on the destination"
    problems = await ask(destination, "replication_problems", watched.subscription)
    counted = _counted(problems.rows[0]) if problems.rows else ""
    row = answer.first
    if not row["enabled"]:
        after = f" after {counted}; the destination's log says which" if counted else ""
        return f"subscription {watched.subscription} is disabled{after}"
    if not row["working"]:
        after = f" ({counted})" if counted else ""
        return f"subscription {watched.subscription} has no apply worker{after}"
    # An error that it works on after was tried again: a road that was cut, mostly.
    conflicts = problems.rows[0]["conflicts"] if problems.rows else 0
    return f"subscription {watched.subscription}: {conflicts} conflicts" if conflicts else ""


def _counted(row: Row) -> str:
    kinds = ("apply_errors", "sync_errors", "conflicts")
    return ", ".join(f"{row[kind]} {kind.replace('_', ' ')}" for kind in kinds if row[kind])


async def _behind_s(source: Asks, destination: Asks, watched: Watched) -> float | None:
    """Seconds since the newest heartbeat that has arrived was written, by the source's clock."""
    written = await _heartbeat(source, watched)
    if written is None:
        return None
    loop = asyncio.get_running_loop()
    until_s = loop.time() + ARRIVAL_S
    arrived = await _heartbeat(destination, watched)
    while (arrived is None or arrived < written) and loop.time() < until_s:
        await asyncio.sleep(LOOK_S)
        arrived = await _heartbeat(destination, watched)
    if arrived is None:
        return None
    now: datetime = (await ask(source, "clock")).first["at"]
    return max((now - arrived).total_seconds(), 0.0)


async def _heartbeat(session: Asks, watched: Watched) -> datetime | None:
    try:
        answer = await ask(session, "heartbeat_received", watched.night, watched.direction)
    except AnswerError as error:
        if error.code == UNDEFINED_TABLE:
            return None
        raise
    at: datetime | None = answer.first["at"] if answer.rows else None
    return at
