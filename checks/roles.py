"""Phase Preflight: who are the application's roles, and can the fence close them all?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from checks.check import Look, Row, Said
from checks.figures import number, several
from checks.lists import clean
from checks.queries import Answer, ask
from profiles.names import REPLICATION_ROLE

Part = Literal["wizard", "replication", "may still write", "application", "superuser", "no login"]


def part_of(role: Row, wizard: str, may_still_write: Sequence[str]) -> Part:
    """What the fence takes a role for; it closes those of the application and idle superusers."""
    if role["name"] == wizard:
        return "wizard"
    if not role["login"]:
        return "no login"
    if role["name"] in may_still_write:
        return "may still write"
    if role["superuser"]:
        return "superuser"
    replication = role["replication"] or role["name"] == REPLICATION_ROLE
    return "replication" if replication else "application"


async def application_roles(look: Look, side: str) -> Said:
    """Whom will the fence close?"""
    answer = await ask(look.on(side), "roles")
    return judged_roles(answer, look.server(side).user, look.server(side).may_still_write)


def judged_roles(answer: Answer, wizard: str, may_still_write: Sequence[str]) -> Said:
    """The verdict on a server's roles, by the fence's rules."""
    fenced = [str(r["name"]) for r in answer.rows if _is(r, wizard, may_still_write, "application")]
    strangers = [name for name in may_still_write if name not in answer.column("name")]
    if strangers:
        return Said(
            verdict="stop",
            figure=f"may_still_write names no role: {several(strangers)}",
            evidence=answer.evidence,
            todo="Correct `may_still_write` in the profile.",
        )
    if not fenced:
        return Said(
            verdict="warn",
            figure="no application role",
            says="The fence would close nobody: does the application log in as a superuser?",
            evidence=answer.evidence,
            todo="Give the application a role of its own.",
        )
    figure = f"{number(len(fenced), 'role')} to be fenced: {several(fenced)}"
    if may_still_write:
        return Said(
            verdict="note",
            figure=f"{figure}; may still write: {several(may_still_write)}",
            says="What those write on the old server after the fence is lost to the new one.",
            evidence=answer.evidence,
        )
    return Said(verdict="pass", figure=figure, evidence=answer.evidence)


async def superuser_roles(look: Look, side: str) -> Said:
    """Which other superusers could undo the fence?"""
    answer = await ask(look.on(side), "roles")
    server = look.server(side)
    able = [
        str(r["name"])
        for r in answer.rows
        if r["superuser"] and r["login"] and r["name"] != server.user
    ]
    what = "other superuser that can log in"
    if not able:
        return clean(answer, what)
    return Said(
        verdict="warn",
        figure=f"{number(len(able), 'other superuser')} able to log in: {several(able)}",
        says="A superuser can undo the fence. They are closed with the others during the pause.",
        evidence=answer.evidence,
        todo="Keep them out tonight, or ALTER ROLE … NOLOGIN them beforehand.",
    )


async def superuser_sessions(look: Look, side: str) -> Said:
    """Does an application work as a superuser?"""
    answer = await ask(look.on(side), "role_sessions")
    using = [row for row in answer.rows if row["superuser"] and not row["wizard"]]
    if not using:
        figure = "no session of another superuser"
        return Said(verdict="pass", figure=figure, evidence=answer.evidence)
    return Said(
        verdict="stop",
        figure=f"superusers with sessions: {several([_whose(row) for row in using])}",
        says="An application that is a superuser can undo its own fence.",
        evidence=answer.evidence,
        todo="Give it an ordinary role, or end those sessions if a person left them.",
    )


async def wizard_sessions(look: Look, side: str) -> Said:
    """Does anybody else use the wizard's own role?"""
    answer = await ask(look.on(side), "role_sessions")
    using = [row for row in answer.rows if row["wizard"]]
    role = look.server(side).user
    if not using:
        figure = f"{role} is used by nobody else"
        return Said(verdict="pass", figure=figure, evidence=answer.evidence)
    return Said(
        verdict="stop",
        figure=f"sessions that are not ours: {several([_whose(row) for row in using])}",
        says="The wizard's role is never fenced: whatever else uses it writes through the fence.",
        evidence=answer.evidence,
        todo="End them, or give the wizard a superuser of its own in the profile.",
    )


def _is(role: Row, wizard: str, may_still_write: Sequence[str], part: Part) -> bool:
    return part_of(role, wizard, may_still_write) == part


def _whose(row: Row) -> str:
    via = row["applications"] or "no name"
    return f"{row['name']} ({row['sessions']} from {row['clients']}, {via})"
