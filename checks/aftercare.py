"""Phase Aftercare: who is still at the old server, how the new one fares, what is left over."""

from __future__ import annotations

from checks.check import Look, Said
from checks.figures import number, several
from checks.queries import ask

MANY_ROLLBACKS = 0.05
"""More than this share of transactions rolled back is worth a look."""


async def old_clients(look: Look, side: str) -> Said:
    """Is anybody still connected to the old server?"""
    answer = await ask(look.on(side), "sessions_of_others")
    if not answer.rows:
        return Said(verdict="pass", figure="nobody is left on it", evidence=answer.evidence)
    who = [f"{row['name']} ({row['sessions']} from {row['clients']})" for row in answer.rows]
    return Said(
        verdict="warn",
        figure=f"still there: {several(who)}",
        says="What they write stays on the old server.",
        evidence=answer.evidence,
        todo="Find these clients and point them at the new server.",
    )


async def new_clients(look: Look, side: str) -> Said:
    """Do clients work on the new server?"""
    answer = await ask(look.on(side), "sessions_of_others")
    if not answer.rows:
        return Said(
            verdict="warn",
            figure="nobody is on it",
            says="No client has come over, or none is at work at this moment.",
            evidence=answer.evidence,
            todo="See whether the traffic switch points at it and the roles can log in.",
        )
    who = [f"{row['name']} ({row['sessions']})" for row in answer.rows]
    return Said(verdict="pass", figure=f"at work: {several(who)}", evidence=answer.evidence)


async def new_errors(look: Look, side: str) -> Said:
    """Do transactions on the new server go through?"""
    answer = await ask(look.on(side), "database_errors")
    row = answer.first
    figure = f"{row['rollbacks']:,} of {row['commits'] + row['rollbacks']:,} rolled back, "
    figure += f"{number(row['deadlocks'], 'deadlock')}, {row['sessions_broken']} sessions broken"
    if row["rollbacks"] <= MANY_ROLLBACKS * max(row["commits"], 100) and not row["deadlocks"]:
        return Said(verdict="pass", figure=figure, evidence=answer.evidence)
    says = "Counted since the statistics were reset; the server's log has the errors."
    return Said(verdict="warn", figure=figure, says=says, evidence=answer.evidence)


async def leftovers(look: Look, side: str) -> Said:
    """Is anything of the night's own left on the server?"""
    answer = await ask(look.on(side), "leftovers")
    if not answer.rows:
        return Said(verdict="pass", figure="nothing of ours is left", evidence=answer.evidence)
    return Said(
        verdict="warn" if "replication slot" in answer.column("name") else "note",
        figure=f"left: {several(answer.column('name'))}",
        says="Each is a loose end until it is settled; a slot nobody reads fills the disk.",
        evidence=answer.evidence,
        todo="Settle the loose ends.",
    )
