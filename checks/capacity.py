"""Phase Preflight: are there enough slots, senders, workers and origins for one subscription."""

from __future__ import annotations

from checks.check import Look, Run, Said, remedy_id
from checks.queries import Answer, ask


def free(question: str, setting: str, what: str) -> Run:
    """A check that enough of something limited by ``setting`` is free on a server.

    One is for the subscription, and one for each table that is copied at the same time. With fewer
    of the latter the copy still works, with less at the same time.
    """

    async def run(look: Look, side: str) -> Said:
        at_once = (await ask(look.on("destination"), "sync_workers")).first["workers"]
        answer = await ask(look.on(side), question)
        limit = answer.first["setting"] if "setting" in answer.first.keys() else setting  # noqa: SIM118
        return judged(answer, limit, what, at_once, remedy_id(f"{limit}@{{server}}", look, side))

    return run


def judged(answer: Answer, setting: str, what: str, at_once: int, remedy: str) -> Said:
    """The verdict on so many allowed, so many used and so many of those ours already."""
    row = answer.first
    others = row["used"] - row["ours"]
    left, wanted = row["allowed"] - others, 1 + at_once
    figure = f"{max(left, 0)} of {row['allowed']} {what} free, {wanted} wanted ({setting})"
    if left >= wanted:
        return Said(verdict="pass", figure=figure, evidence=answer.evidence)
    need = others + wanted
    todo = f"Set {setting} to {need} or more; it takes a restart."
    if left >= 2:
        says = "It works, with fewer tables copied at the same time."
        return Said(
            verdict="warn",
            figure=figure,
            says=says,
            evidence=answer.evidence,
            todo=todo,
            remedy=remedy,
            wants=str(need),
        )
    return Said(
        verdict="stop",
        figure=figure,
        says="The subscription takes one, and the copy of a table another.",
        evidence=answer.evidence,
        todo=todo,
        remedy=remedy,
        wants=str(need),
    )


async def sync_workers(look: Look, side: str) -> Said:
    """Do tables get copied at all, and several at the same time?"""
    answer = await ask(look.on(side), "sync_workers")
    workers = answer.first["workers"]
    figure = f"max_sync_workers_per_subscription = {workers}"
    if workers >= 1:
        return Said(verdict="pass", figure=figure, evidence=answer.evidence)
    return Said(
        verdict="stop",
        figure=figure,
        says="No table would ever be copied.",
        evidence=answer.evidence,
        todo="Set it to 2 or more; a reload is enough.",
        remedy=remedy_id("max_sync_workers_per_subscription@{server}", look, side),
        wants="2",
    )
