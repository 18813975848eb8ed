"""What the proposed settings of a destination do: the same copy and catch-up, with and without.

Every run has a fresh pair of servers: the same full source, a destination as initdb leaves it, what
is proposed for it set by ALTER SYSTEM, and a restart. The order changes from turn to turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

import msgspec

from actions import tuning
from benchmarks.carried import Passage, carried, connected
from benchmarks.command import Benchmark, main, progress
from benchmarks.full import Load, Templates, own_folder, writing
from benchmarks.results import Result
from checks.host.gather import gather
from checks.host.where import where
from checks.proposals.postgresql import NAMES, postgresql
from checks.proposals.settings import read
from connections.host import ThisMachine
from profiles.fold import Night
from profiles.machine import Proposal
from profiles.steps import Sql
from rehearsal.server import Server

DEFAULTS = "as initdb leaves it"
PROPOSED = "as proposed"
IMPORTING = "as proposed, with what is for the copy only"
VARIANTS = (DEFAULTS, PROPOSED, IMPORTING)
LOAD = Load()
FIGURES: Mapping[str, Callable[[Passage], float]] = {
    "copy, s": lambda passage: passage.copy_s,
    "indexes, s": lambda passage: passage.indexes_s,
    "catch-up, s": lambda passage: passage.catch_up_s,
    "largest lag, s": lambda passage: passage.lag_s,
}
COLUMNS = ("destination", *FIGURES, "copy to caught up, s", "all of these", "writes/s")


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One move."""

    variant: str
    settings: dict[str, str]
    """What was set, with its value."""
    passage: Passage
    writes_a_second: float
    """Transactions that the source committed meanwhile."""


def measure(runs: int, nights: Path) -> Result:
    """So many of each, by turns. Raises whatever keeps one of them from running."""
    return result(asyncio.run(measured(runs, LOAD)), LOAD)


async def measured(runs: int, load: Load) -> list[Run]:
    """So many runs of each variant under that load."""
    made = []
    with own_folder(Path("/var/tmp")) as folder:
        templates = Templates(folder, load)
        await templates.make()
        for number in range(runs):
            for variant in turn(number):
                made.append(await _run(templates, variant))
                progress(f"{number + 1}/{runs} {variant}: {made[-1].passage.whole_s:.1f} s")
    return made


def turn(number: int) -> list[str]:
    """The variants in the order of that turn: each is first, in the middle and last equally."""
    first = number % len(VARIANTS)
    return [*VARIANTS[first:], *VARIANTS[:first]]


async def _run(templates: Templates, variant: str) -> Run:
    async with templates.pair() as (old, new):
        proposals = await _proposed(old, new)
        chosen = [one for one in proposals if _is_set(one, variant)]
        await _set(new, chosen)
        await new.restart()
        loop = asyncio.get_running_loop()
        async with writing(old, templates.load) as writes:
            began_s = loop.time()
            passage = await carried(old, new)
            rate = writes.made / (loop.time() - began_s)
    settings = {one.name: one.proposed for one in chosen}
    return Run(variant=variant, settings=settings, passage=passage, writes_a_second=rate)


def _is_set(proposal: Proposal, variant: str) -> bool:
    if proposal.import_only:
        return variant == IMPORTING
    return variant != DEFAULTS


async def _proposed(old: Server, new: Server) -> Sequence[Proposal]:
    """By the rules, from what is seen of this machine and of both servers."""
    async with connected(old) as source, connected(new) as destination:
        asked = await where(destination)
        seen = await gather(ThisMachine(), new.name, asked.places, 0.0, asked.pid)
        settings, there = await read(destination, NAMES), await read(source, NAMES)
    return postgresql(new.name, seen, settings, there, rebuildable=True).made


async def _set(new: Server, proposals: Sequence[Proposal]) -> None:
    """By the commands of their steps."""
    steps = tuning.steps(proposals, hosts={}, configured={}, on_loan=(), night=Night())
    async with connected(new) as session:
        for step in steps:
            for command in step.commands:
                assert isinstance(command, Sql), step.id
                await session.rows(command.text)


def result(runs: Sequence[Run], load: Load) -> Result:
    """The table, and what it comes to in words."""
    return Result(
        name="tuning",
        title="The same copy onto a destination as it is made, and as it is proposed",
        columns=COLUMNS,
        rows=[_row(_of(runs, variant)) for variant in VARIANTS],
        notes=[*compared(runs), _loaded(load), *_settings(runs)],
        runs=runs,
    )


def _of(runs: Sequence[Run], variant: str) -> list[Run]:
    return [run for run in runs if run.variant == variant]


def _row(its: Sequence[Run]) -> list[str]:
    middle = {name: median(figure(run.passage) for run in its) for name, figure in FIGURES.items()}
    return [
        its[0].variant,
        *[f"{seconds:.2f}" for seconds in middle.values()],
        f"**{median(_whole(its)):.1f}**",
        " ".join(f"{seconds:.1f}" for seconds in _whole(its)),
        f"{median(run.writes_a_second for run in its):.0f}",
    ]


def _whole(its: Sequence[Run]) -> list[float]:
    return [run.passage.whole_s for run in its]


def compared(runs: Sequence[Run]) -> list[str]:
    """What the settings gained or lost in all, beside how far runs without them lie apart."""
    plain = _whole(_of(runs, DEFAULTS))
    apart = (
        f"Without them one run takes up to {max(plain) / min(plain):.2f} times as long as another."
    )
    return [*[_gained(median(plain), variant, runs) for variant in VARIANTS[1:]], apart]


def _gained(plain_s: float, variant: str, runs: Sequence[Run]) -> str:
    gained = 1 - median(_whole(_of(runs, variant))) / plain_s
    said = f"{abs(gained):.0%} {'less' if gained > 0 else 'more'} time"
    return f"{variant.capitalize()}: {said} in all than {DEFAULTS}, by the medians."


def _loaded(load: Load) -> str:
    return (
        f"{load.tables} tables of {load.rows:,} rows, four indexes each, at most {load.rate:g}"
        " transactions a second on the source meanwhile, both servers and all clients on the same"
        " processors. Indexes are made while the changes wait: that is the lag. After it, catching"
        " up begins."
    )


def _settings(runs: Sequence[Run]) -> list[str]:
    found = {run.variant: run.settings for run in runs}
    lasting = found[PROPOSED]
    importing = {name: it for name, it in found[IMPORTING].items() if name not in lasting}
    return [f"Proposed here: {_listed(lasting)}.", f"For the copy only: {_listed(importing)}."]


def _listed(settings: Mapping[str, str]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in settings.items()) or "nothing"


BENCHMARK = Benchmark("tuning", 3, measure)

if __name__ == "__main__":
    raise SystemExit(main(BENCHMARK))
