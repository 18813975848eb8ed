"""Phase Preflight: what in the database logical replication leaves out, or carries otherwise."""

from __future__ import annotations

from checks.check import Look, Said, remedy_id
from checks.figures import number, several, size
from checks.lists import clean, found, lists
from checks.queries import Answer, ask

foreign_tables = lists(
    "foreign_tables",
    what="foreign table",
    verdict="note",
    says="Their definitions travel with the schema; the destination must reach what they point at.",
)

partitions = lists(
    "partitioned_tables",
    what="partitioned table",
    verdict="note",
    says="They are carried leaf by leaf: a partition made during the night is a new table.",
)

generated_columns = lists(
    "generated_columns",
    what="generated column",
    verdict="note",
    says="The destination computes them itself, by the same expression; Verify compares both.",
)

always_triggers = lists(
    "always_triggers",
    what="trigger enabled ALWAYS or REPLICA",
    verdict="stop",
    says="It would fire again on the destination for every row that replication brings.",
    todo="Make it an ordinary one for the night: ALTER TABLE … ENABLE TRIGGER …, or drop it.",
)

extension_tables = lists(
    "extension_tables",
    what="extension table with configuration",
    verdict="warn",
    says="Rows in tables of an extension are neither in the schema nor published.",
    todo="Carry them over by hand before the cutover, where they are the user's own.",
)


async def replica_identities(look: Look, side: str) -> Said:
    """Can every table still be updated once it is published?"""
    answer = await ask(look.on(side), "no_replica_identity")
    if not answer.rows:
        return clean(answer, "table without a replica identity")
    return found(
        answer,
        "table without a replica identity",
        "stop",
        "Once published, every UPDATE and DELETE on it fails on the old server.",
        _identity_todo(answer),
    )


def _identity_todo(answer: Answer) -> str:
    usable = [
        f"ALTER TABLE {row['name']} REPLICA IDENTITY USING INDEX {row['could_use']}"
        for row in answer.rows
        if row["could_use"]
    ]
    others = "a primary key, or ALTER TABLE … REPLICA IDENTITY FULL."
    if not usable:
        return f"Give it {others}"
    more = f" The others need {others}" if len(usable) < len(answer.rows) else ""
    return f"{several(usable)}.{more}"


async def full_identities(look: Look, side: str) -> Said:
    """Which tables send whole rows, and can those be found on the destination?"""
    answer = await ask(look.on(side), "full_replica_identity")
    what = "table with REPLICA IDENTITY FULL"
    if not answer.rows:
        return clean(answer, what)
    blind = [
        f"{row['name']} ({row['cannot_compare']})" for row in answer.rows if row["cannot_compare"]
    ]
    if blind:
        return Said(
            verdict="stop",
            figure=f"columns without an equality: {several(blind)}",
            says="An UPDATE or DELETE of such a row cannot be applied: the subscription stops.",
            evidence=answer.evidence,
            todo="Give the table a primary key, or a unique index to be its replica identity.",
        )
    largest = max(int(row["bytes"]) for row in answer.rows)
    says = f"Each change searches the table on the destination; the largest holds {size(largest)}."
    todo = "A primary key, or a unique index as replica identity, makes large ones fast."
    return found(answer, what, "note", says, todo)


async def unlogged(look: Look, side: str) -> Said:
    """Would rows of unlogged tables be lost?"""
    answer = await ask(look.on(side), "unlogged_tables")
    if not answer.rows:
        return clean(answer, "unlogged table")
    filled = any(row["bytes"] for row in answer.rows)
    return found(
        answer,
        "unlogged table",
        "stop" if filled else "warn",
        "Their rows are not in the log, so they would be empty on the new server.",
        "ALTER TABLE … SET LOGGED (it rewrites the table), or empty it before the night.",
    )


async def materialized_views(look: Look, side: str) -> Said:
    """Which materialised views have to be filled again?"""
    answer = await ask(look.on(side), "materialized_views")
    what = "materialised view"
    if not answer.rows:
        return clean(answer, what)
    return found(answer, what, "note", "They are refreshed on the destination after the copy.")


async def large_objects(look: Look, side: str) -> Said:
    """Would large objects be lost?"""
    answer = await ask(look.on(side), "large_objects")
    count = answer.first["large_objects"]
    figure = number(count, "large object")
    if not count:
        return Said(verdict="pass", figure=figure, evidence=answer.evidence)
    return Said(
        verdict="stop",
        figure=figure,
        says="Logical replication leaves them out without a word.",
        evidence=answer.evidence,
        todo="Move them into a bytea column, or use another way: physical replication, or a dump.",
    )


async def sequences(look: Look, side: str) -> Said:
    """How many sequences have to be carried over?"""
    answer = await ask(look.on(side), "sequences")
    says = "Replication does not carry them: they are set within the pause, to the exact value."
    figure = number(len(answer.rows), "sequence")
    return Said(verdict="pass", figure=figure, says=says, evidence=answer.evidence)


async def row_security(look: Look, side: str) -> Said:
    """Would row-level security hide rows from the copy, or refuse them to the apply worker?"""
    answer = await ask(look.on(side), "row_security")
    if not answer.rows:
        return clean(answer, "table with row-level security")
    what = "table with row-level security"
    if any(row["forced"] and not row["owner_bypasses"] for row in answer.rows):
        says = "FORCE binds the owner too, and rows are applied as the owner: the apply stops."
        todo = "ALTER TABLE … NO FORCE ROW LEVEL SECURITY for the night."
        return found(answer, what, "stop", says, todo)
    if any(row["replication_role_bypasses"] is False for row in answer.rows):
        says = "The replication role does not bypass it: its copy would leave rows out, silently."
        step = remedy_id("role@{source}", look)
        return found(answer, what, "stop", says, "ALTER ROLE nightferry_repl BYPASSRLS.", step)
    return found(answer, what, "note", "The replication role has BYPASSRLS and sees every row.")


async def event_triggers(look: Look, side: str) -> Said:
    """Would event triggers fire while the schema is restored?"""
    answer = await ask(look.on(side), "event_triggers")
    if not answer.rows:
        return clean(answer, "event trigger")
    always = any(row["enabled"] in ("A", "R") for row in answer.rows)
    says = "They are restored with the schema and fire for what the night does after them."
    todo = "Disable those enabled ALWAYS or REPLICA for the night." if always else ""
    return found(answer, "event trigger", "warn" if always else "note", says, todo)
