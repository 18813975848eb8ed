"""Phase Verify: is everything on the destination as it is on the source, data aside?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime

from checks.check import Look, Said, remedy_id
from checks.figures import duration, number, several
from checks.lists import lists
from checks.queries import Answer, ask

ACROSS_MAJORS = frozenset({"view", "materialised view", "function", "rule", "policy"})
"""Kinds whose text a newer server may write otherwise: a difference is then to be looked at."""
CANARY_S = 3.0
HEARTBEAT_AGE_S = 10.0

unpublished_tables = lists(
    "unpublished_tables",
    what="table that is not published",
    verdict="stop",
    says="It was made after the copy began: its rows are not on the destination.",
    todo="Create it on the destination, ALTER PUBLICATION nightferry ADD TABLE …, then there "
    "ALTER SUBSCRIPTION nightferry REFRESH PUBLICATION.",
)

unsynced_tables = lists(
    "unsynced_tables",
    what="table still being copied",
    verdict="stop",
    says="Until it follows, its rows are not all there.",
    todo="Wait for it, or see the destination's log for why it does not go on.",
)

statistics = lists(
    "unanalyzed_tables",
    what="table without planner statistics",
    verdict="warn",
    says="The first queries on it would be planned blind.",
    todo="ANALYZE",
    remedy="analyze@{destination}/{database}",
)


async def schema_objects(look: Look, name: str) -> Said:
    """Is every object of the schema there, and defined alike?"""
    old, new = await _both(look, "schema_objects")
    alike = look.on("source").version_num // 10000 == look.on("destination").version_num // 10000
    return judged_objects(old, new, alike)


def judged_objects(old: Answer, new: Answer, same_major: bool) -> Said:
    """The verdict on two lists of objects with their fingerprints."""
    was, will = _fingerprints(old), _fingerprints(new)
    missing = [one for one in was if one not in will]
    differing = [one for one in was if one in will and was[one] != will[one]]
    extra = [one for one in will if one not in was]
    evidence = f"{old.query.condensed[:300]} …\n→ {len(was)} and {len(will)} objects"
    grave = [one for one in differing if same_major or one[0] not in ACROSS_MAJORS]
    if not (missing or differing or extra):
        figure = f"{number(len(was), 'object')}, all alike"
        return Said(verdict="pass", figure=figure, evidence=evidence)
    told = [
        f"{word}: {several([' '.join(one) for one in which])}"
        for word, which in (("missing", missing), ("different", differing), ("extra", extra))
        if which
    ]
    return Said(
        verdict="stop" if missing or grave else "warn",
        figure="; ".join(told),
        says="DDL is not replicated: it was left out, or changed on one side since the copy.",
        evidence=evidence,
        todo="Do the same DDL on the destination; what adds something goes there first.",
    )


async def privileges(look: Look, name: str) -> Said:
    """May everybody do on the destination what they may on the source?"""
    old, new = await _both(look, "privileges")
    was, will = set(old.column("name")), set(new.column("name"))
    evidence = f"{old.query.condensed[:300]} …\n→ {len(was)} and {len(will)} privileges"
    if was == will:
        figure = f"{number(len(was), 'privilege')}, all alike"
        return Said(verdict="pass", figure=figure, evidence=evidence)
    missing, extra = sorted(was - will), sorted(will - was)
    told = [f"missing: {several(missing)}"] * bool(missing) + [f"extra: {several(extra)}"] * bool(
        extra
    )
    return Said(
        verdict="stop" if missing else "warn",
        figure="; ".join(told),
        says="Applications would be refused, or allowed more than before.",
        evidence=evidence,
        todo="GRANT or REVOKE it on the destination.",
        remedy=remedy_id("settings@{destination}/{database}", look),
    )


async def roles(look: Look, name: str) -> Said:
    """Is every role there with its attributes, memberships, settings and password?"""
    old, new = await _both(look, "role_definitions")
    was = {row["name"]: dict(zip(row.keys(), row.values(), strict=True)) for row in old.rows}
    will = {row["name"]: dict(zip(row.keys(), row.values(), strict=True)) for row in new.rows}
    wrong = [_role_difference(role, was[role], will.get(role)) for role in was]
    wrong = [one for one in wrong if one]
    settings = await _both(look, "database_settings")
    if set(settings[0].column("name")) != set(settings[1].column("name")):
        wrong.append("settings of the database")
    # The answers hold fingerprints of passwords: they are compared, and quoted nowhere.
    evidence = f"{old.query.purpose}\n→ {len(was)} and {len(will)} roles"
    if not wrong:
        figure = f"{number(len(was), 'role')}, all alike"
        return Said(verdict="pass", figure=figure, evidence=evidence)
    return Said(
        verdict="stop",
        figure=f"different: {several(wrong)}",
        says="Logins would be refused or behave otherwise on the new server.",
        evidence=evidence,
        todo="Copy the roles and settings again.",
        remedy=remedy_id("roles@{destination}", look),
    )


def _role_difference(
    role: str, was: Mapping[str, object], will: Mapping[str, object] | None
) -> str:
    if will is None:
        return f"{role} (missing)"
    kinds = [kind.replace("_fingerprint", "") for kind in was if was[kind] != will[kind]]
    return f"{role} ({', '.join(kinds)})" if kinds else ""


async def views_filled(look: Look, name: str) -> Said:
    """Is every materialised view filled that is filled on the source?"""
    old, new = await _both(look, "materialized_views")
    filled = {row["name"] for row in old.rows if row["populated"]}
    empty = [str(row["name"]) for row in new.rows if row["name"] in filled and not row["populated"]]
    if not empty:
        figure = f"{number(len(filled), 'materialised view')}, all filled" if filled else "none"
        return Said(verdict="pass", figure=figure, evidence=new.evidence)
    return Said(
        verdict="stop",
        figure=f"not filled: {several(empty)}",
        says="Reading it is an error until it has been refreshed.",
        evidence=new.evidence,
        todo="REFRESH MATERIALIZED VIEW …",
        remedy=remedy_id("matviews@{destination}/{database}", look),
    )


async def replication_problems(look: Look, side: str) -> Said:
    """Has anything gone wrong while rows were applied?"""
    answer = await ask(look.on(side), "replication_problems", "nightferry")
    if not answer.rows:
        figure = "no subscription nightferry"
        todo = "Set the replication up first."
        return Said(verdict="stop", figure=figure, evidence=answer.evidence, todo=todo)
    row = answer.first
    figure = f"{row['apply_errors']} apply errors, {row['sync_errors']} sync errors"
    figure += f", {row['conflicts']} conflicts" if look.on(side).version_num >= 180000 else ""
    if row["conflicts"]:
        return Said(
            verdict="stop",
            figure=figure,
            says="A conflict means a row that is not as on the source, or was left out silently.",
            evidence=answer.evidence,
            todo="See the destination's log for the rows; copy those tables again.",
        )
    if row["apply_errors"] or row["sync_errors"]:
        says = "Nothing was left out; it was tried again. The destination's log says why."
        return Said(verdict="warn", figure=figure, says=says, evidence=answer.evidence)
    return Said(verdict="pass", figure=figure, evidence=answer.evidence)


async def canary(look: Look, name: str) -> Said:
    """Does a row that was just written on the source arrive?"""
    written = await ask(look.on("source"), "heartbeat_newest")
    now: datetime = (await ask(look.on("source"), "clock")).first["at"]
    at: datetime | None = written.first["at"]
    if at is None or (now - at).total_seconds() > HEARTBEAT_AGE_S:
        age = "never" if at is None else duration((now - at).total_seconds()) + " ago"
        says = "The engine writes a heartbeat while it reads the lag: let it run."
        return Said(verdict="unknown", figure=f"last heartbeat {age}", says=says)
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    while not await _arrived(look, at):
        if loop.time() - began_s > CANARY_S:
            figure = f"the row of {at:%H:%M:%S} had not arrived after {duration(CANARY_S)}"
            todo = "See Lag meter."
            return Said(verdict="stop", figure=figure, evidence=written.evidence, todo=todo)
        await asyncio.sleep(0.05)
    figure = f"the row of {at:%H:%M:%S} has arrived"
    return Said(verdict="pass", figure=figure, evidence=written.evidence)


async def _arrived(look: Look, at: datetime) -> bool:
    there = (await ask(look.on("destination"), "heartbeat_newest")).first["at"]
    return there is not None and there >= at


async def _both(look: Look, question: str) -> tuple[Answer, Answer]:
    return await asyncio.gather(
        ask(look.on("source"), question, deadline_s=30.0),
        ask(look.on("destination"), question, deadline_s=30.0),
    )


def _fingerprints(answer: Answer) -> dict[tuple[str, str], str]:
    return {(row["kind"], row["name"]): row["fingerprint"] for row in answer.rows}
