"""Phase Preflight: who else is at the servers: transactions, replication, other databases."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from checks.check import Look, Row, Said
from checks.figures import duration, number, several
from checks.lists import clean, found, lists
from checks.queries import Answer, ask

prepared_transactions = lists(
    "prepared_transactions",
    what="prepared transaction",
    verdict="stop",
    says="The slot waits for it, its writes are not fenced, and it may commit at any time.",
    todo="COMMIT PREPARED or ROLLBACK PREPARED it, in its database, as its owner decides.",
)

foreign_subscriptions = lists(
    "foreign_subscriptions",
    what="other subscription",
    verdict="stop",
    says="Something else replicates into the database that is to become the copy.",
    todo="Drop it, or name another destination.",
)


async def long_transactions(look: Look, side: str) -> Said:
    """Is a transaction open for so long that the slot and the pause would wait for it?"""
    allowed_s = look.profile.thresholds.long_transaction_s
    answer = await ask(look.on(side), "long_transactions", allowed_s)
    what = f"transaction open for more than {allowed_s:g} s"
    if not answer.rows:
        return Said(verdict="pass", figure=f"no {what}", evidence=answer.evidence)
    shown = [
        f"{row['name']} ({row['who']}, {duration(row['age_s'])}, {row['state']})"
        for row in answer.rows
    ]
    writes = any(row["writes"] for row in answer.rows)
    says = "Making the slot waits until it ends." if writes else "It has written nothing so far."
    return Said(
        verdict="warn",
        figure=f"{len(shown)} open for more than {allowed_s:g} s: {several(shown)}",
        says=f"{says} While it is open, PAUSE waits for it too.",
        evidence=answer.evidence,
        todo="Let it end, or ask its owner; SELECT pg_terminate_backend(pid) ends it by force.",
    )


async def other_consumers(look: Look, side: str) -> Said:
    """Who else follows the old server's changes?"""
    answer = await ask(look.on(side), "other_consumers")
    what = "other consumer of the source's changes"
    if not answer.rows:
        return clean(answer, "other slot, publication or subscription")
    slots = any(row["kind"] != "publication" for row in answer.rows)
    return found(
        answer,
        what,
        "warn" if slots else "note",
        "They stay behind: after the turn the old server has nothing new for them.",
        "Make them again on the new server before it is opened, or tell their owners.",
    )


async def foreign_writers(look: Look, side: str) -> Said:
    """Could anybody but replication write on the destination?"""
    sessions = await ask(look.on(side), "foreign_sessions")
    if not sessions.rows:
        return clean(sessions, "session of others on the destination")
    who = sorted({f"{row['who']} ({row['application'] or 'no name'})" for row in sessions.rows})
    return Said(
        verdict="warn",
        figure=f"{number(len(sessions.rows), 'session')} of {several(who)}",
        says="Whatever writes here now stops replication by a conflict, or is wrong later.",
        evidence=sessions.evidence,
        todo="End them, and find out what connects here already.",
    )


async def other_databases(look: Look, side: str) -> Said:
    """Is another database of the old server in use?"""
    before = await ask(look.on(side), "other_databases")
    await asyncio.sleep(look.profile.thresholds.write_rate_window_s)
    after = await ask(look.on(side), "other_databases")
    return judged_databases(before, after)


def judged_databases(before: Answer, after: Answer) -> Said:
    """In use is a database with a session of others, or one that had some in between."""
    earlier = {row["name"]: row["sessions_ever"] for row in before.rows}
    used = [str(row["name"]) for row in after.rows if _in_use(row, earlier)]
    evidence = f"{before.evidence}\nand a little later:\n{after.evidence}"
    if not used:
        return Said(verdict="pass", figure="no other database in use", evidence=evidence)
    return Said(
        verdict="stop",
        figure=f"in use: {several(used)}",
        says="The fence closes roles for the whole server: that database would be closed as well.",
        evidence=evidence,
        todo="Move or stop what uses it; its sessions are in pg_stat_activity.",
    )


def _in_use(row: Row, earlier: Mapping[str, int]) -> bool:
    if row["sessions_now"]:
        return True
    # Our own sessions count among those a maintenance database ever had.
    return not row["maintenance"] and row["sessions_ever"] > earlier.get(row["name"], 0)
