"""The commonest kind of check: a question whose every row is one thing in the way."""

from __future__ import annotations

from checks.check import Look, Run, Said, remedy_id
from checks.figures import number, several
from checks.queries import Answer, ask
from profiles.findings import Verdict


def lists(
    question: str,
    *,
    what: str,
    verdict: Verdict,
    says: str,
    todo: str = "",
    remedy: str | None = None,
) -> Run:
    """A check that passes on no row, and otherwise names every row's ``name`` with this verdict."""

    async def run(look: Look, name: str) -> Said:
        answer = await ask(look.on(name), question)
        if not answer.rows:
            return clean(answer, what)
        step = remedy_id(remedy, look, name) if remedy else None
        return found(answer, what, verdict, says, todo, step)

    return run


def clean(answer: Answer, what: str) -> Said:
    """Nothing of that kind is there."""
    return Said(verdict="pass", figure=number(0, what), evidence=answer.evidence)


def found(
    answer: Answer,
    what: str,
    verdict: Verdict,
    says: str,
    todo: str = "",
    remedy: str | None = None,
) -> Said:
    """So many of that kind, the first of them by name."""
    return Said(
        verdict=verdict,
        figure=f"{number(len(answer.rows), what)}: {several(answer.column('name'))}",
        says=says,
        evidence=answer.evidence,
        todo=todo,
        remedy=remedy,
    )
