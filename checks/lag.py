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
AGAIN = (
    "the copy has to begin again. Settle the subscription and the slot (Aftercare), drop the new"
    " database, and run the steps of Replication setup again"
)
OFTEN = "a column or table that only the source has, or a road that was cut"
"""Why an apply worker ends and begins again."""


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
    trouble = await _trouble(slot, destination, watched)
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


async def _trouble(slot: Row, destination: Asks, watched: Watched) -> str:
    """The cause first: a subscription that is disabled or blocked ends its WAL sender too."""
    if gone := _slot_gone(slot, watched):
        return gone
    answer = await ask(destination, "subscription", watched.subscription)
    if not answer.rows:
        return f"there is no subscription {watched.subscription} on the destination"
    problems = await ask(destination, "replication_problems", watched.subscription)
    row, problem = answer.first, problems.rows[0] if problems.rows else None
    return (
        ("" if row["enabled"] else _disabled(problem, watched))
        or await _blocked(destination, watched)
        or _unread(slot, problem, watched)
        or _not_applied(row, problem, watched)
    )


def _slot_gone(slot: Row, watched: Watched) -> str:
    if not slot["slot_exists"]:
        return f"there is no replication slot {watched.slot} on the source: {AGAIN}"
    if slot["wal_status"] == "lost":
        return f"slot {watched.slot} is lost (wal_status = lost): {AGAIN}"
    return ""


def _disabled(problem: Row | None, watched: Watched) -> str:
    name, counted = watched.subscription, _counted(problem) if problem else ""
    enable = f"ALTER SUBSCRIPTION {name} ENABLE, on the destination"
    if not counted:
        return f"subscription {name} is disabled: {enable}"
    why = "the destination's log says why. Mend that, then"
    return f"subscription {name} is disabled after {counted}: {why} {enable}"


async def _blocked(destination: Asks, watched: Watched) -> str:
    """Nothing else shows this: subscription, worker and slot are all well meanwhile."""
    answer = await ask(destination, "apply_blocked", watched.subscription)
    if not answer.rows:
        return ""
    row = answer.first
    who = ", ".join(filter(None, (row["who"], row["application"])))
    return (
        f"nothing is applied: for {row['waits_s']} s it has waited for a lock that pid"
        f" {row['pid']} holds on the destination ({who}). Let that end, or there:"
        f" SELECT pg_terminate_backend({row['pid']})"
    )


def _unread(slot: Row, problem: Row | None, watched: Watched) -> str:
    if slot["sender_state"] is None:
        counted = _counted(problem) if problem else ""
        why = f" ({counted}). The destination's log says why: {OFTEN}" if counted else ""
        return f"nobody reads from slot {watched.slot}: no WAL sender runs for it{why}"
    if slot["wal_status"] == "unreserved":
        return f"slot {watched.slot} is about to be lost (wal_status = unreserved)"
    return ""


def _not_applied(row: Row, problem: Row | None, watched: Watched) -> str:
    if not row["working"]:
        counted = _counted(problem) if problem else ""
        after = f" ({counted})" if counted else ""
        return f"subscription {watched.subscription} has no apply worker{after}"
    # An error that it works on after was tried again: a road that was cut, mostly.
    conflicts = problem["conflicts"] if problem else 0
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
