"""Phase Preflight: is the destination empty, and able to hold what the source holds?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from checks.check import Look, Row, Said
from checks.figures import number, several
from checks.queries import Answer, ask

WITH_WORKERS = frozenset({"pg_cron", "timescaledb", "pg_partman_bgw", "pglogical", "citus"})
"""Extensions that act by themselves, and would on the destination too."""


async def empty(look: Look, side: str) -> Said:
    """Does the destination's database hold anything yet?"""
    if not look.moving(side):
        return Said(verdict="pass", figure="the database is not there yet")
    begun, objects = await ask(look.on(side), "begun"), await ask(look.on(side), "objects")
    if not objects.rows:
        return Said(verdict="pass", figure="empty", evidence=objects.evidence)
    names = [f"{row['kind']} {row['name']}" for row in objects.rows]
    figure = f"{number(len(names), 'object')}: {several(names)}"
    if begun.first["helper_schema"] or begun.first["subscription"]:
        return Said(
            verdict="note",
            figure=figure,
            says="The copy has begun: the helper schema is here, so these are taken for its own.",
            evidence=f"{begun.evidence}\n{objects.evidence}",
        )
    return Said(
        verdict="stop",
        figure=figure,
        says="The schema would not go in, and rows already here would stop the copy by conflicts.",
        evidence=objects.evidence,
        todo="Empty it: DROP and CREATE the database, if nothing in it is needed.",
    )


async def role_conflicts(look: Look, name: str) -> Said:
    """Which roles of the source does the destination have already?"""
    old, new = await asyncio.gather(
        ask(look.on("source"), "roles"), ask(look.on("destination"), "roles")
    )
    taken = set(old.column("name"))
    shared = [row for row in new.rows if row["name"] in taken and not row["wizard"]]
    evidence = new.evidence
    if not shared:
        return Said(verdict="pass", figure="no role of the source's names", evidence=evidence)
    figure = f"{number(len(shared), 'role')} there already: {several(_names(shared))}"
    open_ = [row for row in shared if row["login"] and not row["replication"]]
    if not open_:
        says = "They are brought to the source's attributes, and stay unable to log in."
        return Said(verdict="note", figure=figure, says=says, evidence=evidence)
    return Said(
        verdict="warn",
        figure=figure,
        says=f"Able to log in now: {several(_names(open_))}. Copying the roles closes them.",
        evidence=evidence,
        todo="Make sure that nothing uses them on the destination.",
    )


async def locale(look: Look, name: str) -> Said:
    """Do both databases have the same encoding and sort alike?"""
    old = await ask(look.on("source"), "locale")
    if not look.moving("destination"):
        figure = f"{_written(old.first)}, and made alike"
        return Said(verdict="pass", figure=figure, evidence=old.evidence)
    new = await ask(look.on("destination"), "locale")
    evidence = f"on the source: {old.evidence}\non the destination: {new.evidence}"
    figure = f"{_written(old.first)} to {_written(new.first)}"
    if old.first["encoding"] != new.first["encoding"]:
        says = "Text would be converted on the way, and what the new encoding lacks stops the copy."
        todo = "Create the destination's database anew with the source's encoding."
        return Said(verdict="stop", figure=figure, says=says, evidence=evidence, todo=todo)
    if _written(old.first) == _written(new.first):
        return Said(verdict="pass", figure=_written(old.first), evidence=evidence)
    return Said(
        verdict="warn",
        figure=figure,
        says="Text sorts and compares otherwise on the new server: results and unique keys differ.",
        evidence=evidence,
        todo="Create the destination's database anew with the source's locale, if it is to stay.",
    )


async def extensions(look: Look, name: str) -> Said:
    """Can the destination install every extension the source uses?"""
    used = await ask(look.on("source"), "extensions")
    could = await ask(look.on("destination"), "available_extensions", used.column("name"))
    return judged_extensions(used, could)


def judged_extensions(used: Answer, could: Answer) -> Said:
    """The verdict on the extensions in use, given the versions the destination could install."""
    versions: Mapping[str, Sequence[str]] = {row["name"]: row["versions"] for row in could.rows}
    evidence = f"on the source: {used.evidence}\non the destination: {could.evidence}"
    missing = [str(row["name"]) for row in used.rows if row["name"] not in versions]
    if missing:
        return Said(
            verdict="stop",
            figure=f"not available on the destination: {several(missing)}",
            says="The schema cannot be restored without them.",
            evidence=evidence,
            todo="Install their packages on the destination's host.",
        )
    acting = [str(row["name"]) for row in used.rows if row["name"] in WITH_WORKERS]
    if acting:
        says = "They run jobs of their own, on the destination too as soon as they are there."
        todo = "Keep their jobs off on the destination until it is opened."
        figure = f"with workers of their own: {several(acting)}"
        return Said(verdict="warn", figure=figure, says=says, evidence=evidence, todo=todo)
    other = [
        f"{row['name']} {row['version']}"
        for row in used.rows
        if row["version"] not in versions[row["name"]]
    ]
    if other:
        says = "The destination brings its own default version of them."
        figure = f"not in that version: {several(other)}"
        return Said(verdict="note", figure=figure, says=says, evidence=evidence)
    figure = f"{number(len(used.rows), 'extension')}: {several(used.column('name'))}"
    return Said(verdict="pass", figure=figure, evidence=evidence)


def _names(rows: Sequence[Row]) -> list[str]:
    return [str(row["name"]) for row in rows]


def _written(row: Row) -> str:
    written = f"{row['encoding']}, {row['collate']}, {row['ctype']}"
    if row["provider"] != "c":
        written += f", provider {row['provider']} {row['provider_locale'] or ''}".rstrip()
    return written
