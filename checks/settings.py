"""Phase Preflight: settings that decide whether the night works, or that differ between the two."""

from __future__ import annotations

import asyncio

from checks.check import Look, Said, remedy_id
from checks.figures import several
from checks.queries import Answer, ask

MUST_NOT_SHRINK = ("max_connections", "max_locks_per_transaction", "max_prepared_transactions")
"""Less of these on the destination can refuse what the source allowed."""

GENEROUS_BYTES = 1 << 30
"""A slot that may keep so much, and more than the database, outlives the copy."""


async def wal_level(look: Look, side: str) -> Said:
    """Is the log written with what logical decoding needs?"""
    answer = await ask(look.on(side), "setting", "wal_level")
    row = answer.first
    figure = f"wal_level = {row['setting']}"
    if row["setting"] == "logical":
        return Said(verdict="pass", figure=figure, evidence=answer.evidence)
    waits = bool(row["pending_restart"])
    return Said(
        verdict="stop",
        figure=f"{figure}, changed in the file already" if waits else figure,
        says="Logical decoding needs wal_level = logical; changing it takes a restart.",
        evidence=answer.evidence,
        todo="Restart the source at a moment that suits." if waits else "Set it, then restart.",
        remedy=remedy_id("wal_level@{source}", look),
        wants="logical",
    )


async def synchronous_standbys(look: Look, side: str) -> Said:
    """Would commits wait for a standby?"""
    answer = await ask(look.on(side), "setting", "synchronous_standby_names")
    named = answer.first["setting"]
    if not named:
        figure = "no synchronous standby"
        return Said(verdict="pass", figure=figure, evidence=answer.evidence)
    return Said(
        verdict="stop",
        figure=f"synchronous_standby_names = {named}",
        says="Ending WAL senders would hang commits, those of the turn too. Not supported yet.",
        evidence=answer.evidence,
        todo="Empty it for the night (ALTER SYSTEM, reload), if that risk is yours to take.",
    )


async def slot_retention(look: Look, side: str) -> Said:
    """Could the server throw away log that the destination still needs?"""
    answer = await ask(look.on(side), "slot_retention")
    keep = answer.first["max_slot_wal_keep_size"]
    idle = answer.first["idle_replication_slot_timeout"]
    figure = f"max_slot_wal_keep_size = {keep}, idle_replication_slot_timeout = {idle}"
    if keep == "-1" and idle == "0":
        says = "The slot keeps all log it needs: watch the source's disk."
        return Said(verdict="pass", figure=figure, says=says, evidence=answer.evidence)
    generous = answer.first["keep_bytes"] >= max(answer.first["database_bytes"], GENEROUS_BYTES)
    if generous and idle == "0":
        says = "More than the whole database; and the slot is lost before the disk is full."
        return Said(verdict="pass", figure=figure, says=says, evidence=answer.evidence)
    step, wants = ("max_slot_wal_keep_size@{source}", "-1")
    if keep == "-1" or generous:
        step, wants = ("idle_replication_slot_timeout@{source}", "0")
    return Said(
        verdict="warn",
        figure=figure,
        says="A slot that falls behind further than that is lost, and the copy begins again.",
        evidence=answer.evidence,
        todo="Raise it above what the source writes during the copy, or set -1 and 0 (reload).",
        remedy=remedy_id(step, look),
        wants=wants,
    )


async def checksums(look: Look, name: str) -> Said:
    """Do both servers protect their pages alike?"""
    old, new = await asyncio.gather(
        ask(look.on("source"), "setting", "data_checksums"),
        ask(look.on("destination"), "setting", "data_checksums"),
    )
    was, will = old.first["setting"], new.first["setting"]
    figure = f"data_checksums {was} to {will}"
    evidence = _both(old, new)
    if will == "on" or was == will:
        return Said(verdict="pass", figure=figure, evidence=evidence)
    says = "The new server would not notice a page that its disk has spoilt, the old one would."
    todo = "Make the destination with initdb --data-checksums, if that was not meant."
    return Said(verdict="note", figure=figure, says=says, evidence=evidence, todo=todo)


async def compared(look: Look, name: str) -> Said:
    """Which settings differ that an application could notice?"""
    old, new = await asyncio.gather(
        ask(look.on("source"), "compared_settings"),
        ask(look.on("destination"), "compared_settings"),
    )
    was = {row["name"]: row["setting"] for row in old.rows}
    will = {row["name"]: row["setting"] for row in new.rows}
    differing = [one for one in was if one in will and was[one] != will[one]]
    evidence = _both(old, new)
    if not differing:
        return Said(verdict="pass", figure=f"{len(was)} settings are alike", evidence=evidence)
    shown = [f"{one}: {was[one] or 'empty'} to {will[one] or 'empty'}" for one in differing]
    grave = any(_grave(one, was[one], will[one]) for one in differing)
    return Said(
        verdict="warn" if grave else "note",
        figure=f"{len(differing)} of {len(was)} differ: {several(shown)}",
        says="Applications may meet other limits or other defaults on the new server.",
        evidence=evidence,
        todo="Set what matters on the destination before it is opened.",
    )


def _grave(name: str, was: str, will: str) -> bool:
    if name in MUST_NOT_SHRINK:
        return int(will) < int(was)
    if name.endswith("preload_libraries"):
        return bool(set(_listed(was)) - set(_listed(will)))
    return name in ("TimeZone", "DateStyle", "default_transaction_read_only", "row_security")


def _listed(setting: str) -> list[str]:
    return [one.strip() for one in setting.split(",") if one.strip()]


def _both(old: Answer, new: Answer) -> str:
    return f"on the source: {old.evidence}\non the destination: {new.evidence}"
