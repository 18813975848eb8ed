"""A step from intent to outcome, with hands that are made up here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from connections.hands import Answer, Hands, Values
from engine import runner as module
from engine.launch import begin
from engine.night import LiveNight
from engine.runner import Runner
from profiles import events as ev
from profiles.errors import AnswerError, EvidenceError, RefusedError, UnreachableError
from profiles.fold import fold
from profiles.journal import Journal
from profiles.steps import Command, Evidence, LooseEnd, Sql, Step, Words, fill, settling, shown
from tests.fix_engine import a_profile

Act = Callable[[Values], Awaitable[None]]


@dataclass
class MadeUpHands:
    """Both hands and work: does what a command's text names, and knows what holds."""

    holds: bool = False
    acts: dict[str, Act] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    error: Exception | None = None
    open: int = 0

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[MadeUpHands]:
        self.open += 1
        try:
            yield self
        finally:
            self.open -= 1

    async def do(self, command: Command, values: Values) -> Answer:
        text = shown(command)
        if text in self.acts:
            await self.acts[text](values)
        if isinstance(command, Sql):
            text = fill(command.text, command.fills, values)
        self.done.append(text)
        return Answer(text, "ok")

    async def ask(self, evidence: Evidence, values: Values) -> tuple[bool, str]:
        if self.error is not None:
            raise self.error
        return self.holds, "1" if self.holds else "0"


@dataclass
class Running:
    """A runner with its hands, and everything it told."""

    live: LiveNight
    hands: MadeUpHands
    runner: Runner
    told: list[ev.Event]

    def kinds(self) -> list[str]:
        return [str(type(event).__struct_config__.tag) for event in self.told]

    def end(self) -> ev.StepEnded:
        return [event for event in self.told if isinstance(event, ev.StepEnded)][-1]


@pytest.fixture
def it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(module, "SETTLE_S", 0.05)
    monkeypatch.setattr(module, "LOOK_AGAIN_S", 0.005)
    folder = begin(a_profile())
    with Journal.open(folder) as journal:
        live = LiveNight(folder, journal, fold(journal.events))
        told: list[ev.Event] = []
        live.listeners.append(told.append)
        hands = MadeUpHands()
        yield Running(live, hands, Runner(live, cast(Hands, hands)), told)


def sql(text: str, *fills: str) -> Sql:
    return Sql(server="old", database="d", text=text, fills=fills)


def a_step(*texts: str, **more: Any) -> Step:
    holds = more.pop("holds", (Evidence(ask=sql("?"), answer="1", says="it is there"),))
    commands = more.pop("commands", tuple(map(sql, texts)))
    return Step(
        id="slot@old/d",
        phase="replication",
        title="Make it",
        commands=commands,
        holds=holds,
        **more,
    )


LOAN = LooseEnd(id="slot@old/d", server="old", what="a slot", settled_by="undo-slot@old/d")


def makes(it: Running, holds: bool = True) -> Act:
    async def act(values: Values) -> None:
        it.hands.holds = holds

    return act


async def test_intent_commands_evidence_outcome(it: Running) -> None:
    it.hands.acts["second"] = makes(it)
    assert await it.runner.run(a_step("first", "second", leaves=LOAN), "r1") == "done"
    assert it.kinds() == [
        *("step-began", "loose-end-opened", "command-ran", "command-ran", "step-ended")
    ]
    assert it.hands.done == ["first", "second"]
    assert it.end().evidence == "it is there (1)"
    assert it.live.state.state_of("slot@old/d").by == "wizard"
    assert it.told[0].request == "r1"
    assert it.hands.open == 0


async def test_what_holds_already_is_not_done_again(it: Running) -> None:
    it.hands.holds = True
    assert await it.runner.run(a_step("first", leaves=LOAN)) == "already"
    assert it.hands.done == []
    assert [end.loose_end for end in it.live.state.open_loose_ends()] == [LOAN]


async def test_what_was_run_and_does_not_hold_has_failed(it: Running) -> None:
    assert await it.runner.run(a_step("first")) == "failed"
    assert it.end().error == "It does not hold: not “it is there”, but “0”"


async def test_evidence_may_take_a_moment(it: Running) -> None:
    async def later(values: Values) -> None:
        asyncio.get_running_loop().call_later(0.02, lambda: setattr(it.hands, "holds", True))

    it.hands.acts["first"] = later
    assert await it.runner.run(a_step("first")) == "done"


async def test_without_evidence_a_step_is_run_each_time(it: Running) -> None:
    assert await it.runner.run(a_step("first", holds=())) == "done"
    assert await it.runner.run(a_step("first", holds=())) == "done"
    assert it.hands.done == ["first", "first"]


async def test_the_first_command_that_fails_is_the_last(it: Running) -> None:
    async def refuses(values: Values) -> None:
        raise AnswerError("old", "first", "permission denied", "Be a superuser.", code="42501")

    it.hands.acts["first"] = refuses
    assert await it.runner.run(a_step("first", "second", leaves=LOAN)) == "failed"
    assert it.hands.done == []
    ran = [event for event in it.told if isinstance(event, ev.CommandRan)]
    assert [(event.ok, event.index) for event in ran] == [(False, 0)]
    assert it.end().error == "old: first: permission denied. Be a superuser."
    assert it.live.state.open_loose_ends() != []


async def test_a_deadline_ends_it(it: Running) -> None:
    async def hangs(values: Values) -> None:
        await asyncio.Event().wait()

    it.hands.acts["first"] = hangs
    assert await it.runner.run(a_step("first", deadline_s=0.05)) == "failed"
    assert "not done within 0.05 s" in it.end().error
    assert it.hands.open == 0


async def test_cancelled_it_has_failed_and_the_next_one_may_run(it: Running) -> None:
    begun = asyncio.Event()

    async def hangs(values: Values) -> None:
        begun.set()
        await asyncio.Event().wait()

    it.hands.acts["first"] = hangs
    running = asyncio.create_task(it.runner.run(a_step("first")))
    await begun.wait()
    assert it.runner.busy is not None
    with pytest.raises(RefusedError, match="“Make it” is under way"):
        await it.runner.run(a_step("second"))
    with pytest.raises(RefusedError, match="“Make it” is under way"):
        await it.runner.done_by_hand(a_step("second"))
    assert it.runner.cancel()
    assert await running == "failed"
    assert it.end().error == "cancelled by the operator"
    assert not it.runner.cancel()
    it.hands.acts["second"] = makes(it)
    assert await it.runner.run(a_step("second")) == "done"


async def test_ended_with_the_engine_it_says_so(it: Running) -> None:
    begun = asyncio.Event()

    async def hangs(values: Values) -> None:
        begun.set()
        await asyncio.Event().wait()

    it.hands.acts["first"] = hangs
    running = asyncio.create_task(it.runner.run(a_step("first")))
    await begun.wait()
    await it.runner.stop("cancelled: the engine was stopped (signal SIGTERM)")
    assert it.end().error == "cancelled: the engine was stopped (signal SIGTERM)"
    assert await running == "failed"
    await it.runner.stop("nothing is under way")


async def test_what_goes_on_beside_a_step_hears_of_its_secrets_and_costs_it_no_time(
    it: Running,
) -> None:
    heard: list[object] = []

    @asynccontextmanager
    async def beside(step: Step, secrets: Sequence[str]) -> AsyncIterator[None]:
        heard.extend((step.id, *secrets))
        await asyncio.sleep(0.1)
        yield
        heard.append(it.hands.done[:])

    step = a_step(
        commands=(sql("'{password}'", "password"),),
        holds=(),
        secrets=("password",),
        deadline_s=0.09,
    )
    runner = Runner(it.live, cast(Hands, it.hands), beside)
    assert await runner.run(step) == "done"
    [shown_by_it] = it.hands.done
    assert heard[0] == step.id
    assert shown_by_it == f"'{heard[1]}'"
    assert heard[-1] == [shown_by_it]
    heard.clear()
    assert await runner.done_by_hand(a_step(holds=())) == "by-hand"
    assert heard == []


async def test_a_mistake_of_ours_is_said_and_not_hidden(it: Running) -> None:
    async def stumbles(values: Values) -> None:
        raise ZeroDivisionError

    it.hands.acts["first"] = stumbles
    with pytest.raises(ZeroDivisionError):
        await it.runner.run(a_step("first"))
    assert it.end().error == "a mistake of ours: ZeroDivisionError"
    assert not it.live.state.running()


async def test_what_only_a_person_can_do_is_not_run(it: Running) -> None:
    assert await it.runner.run(a_step(commands=(Words(text="Restart it."),))) == "failed"
    assert "not done yet" in it.end().error


async def test_done_by_hand_is_looked_at(it: Running) -> None:
    step = a_step("first", leaves=LOAN)
    assert await it.runner.done_by_hand(step, "r1") == "failed"
    it.hands.holds = True
    assert await it.runner.done_by_hand(step, "r2") == "by-hand"
    assert it.live.state.state_of(step.id).by == "hand"
    assert it.hands.done == []
    assert await it.runner.done_by_hand(a_step(holds=())) == "by-hand"


async def test_done_by_hand_ends_also_when_nobody_can_look(it: Running) -> None:
    it.hands.error = UnreachableError("old", "connect", "nothing listens there")
    assert await it.runner.done_by_hand(a_step("first")) == "failed"
    assert not it.live.state.state_of("slot@old/d").running
    assert "nothing listens" in it.end().error


async def test_left_out_it_says_why(it: Running) -> None:
    it.runner.skip(a_step("first"), "done last week", "r1")
    state = it.live.state.state_of("slot@old/d")
    assert (state.outcome, state.evidence, state.by) == ("skipped", "done last week", "operator")


@pytest.mark.parametrize(("holds", "outcome"), [(True, "already"), (False, "in-doubt")])
async def test_in_doubt_the_servers_are_asked(it: Running, holds: bool, outcome: str) -> None:
    it.hands.holds = holds
    assert await it.runner.ask(a_step("first")) == outcome
    assert it.hands.done == []
    assert it.end().by == "engine"


async def test_settled_is_what_its_undo_left_behind(it: Running) -> None:
    loan = a_step("first", leaves=LOAN, undo=(sql("drop"),), undone=(a_step().holds))
    it.hands.acts["first"] = makes(it)
    await it.runner.run(loan)
    it.hands.holds = False
    it.hands.acts["drop"] = makes(it)
    assert await it.runner.run(settling(loan)) == "done"
    assert it.live.state.open_loose_ends() == []
    it.hands.holds = False
    assert await it.runner.run(settling(loan)) == "done"


async def test_a_secret_is_made_for_one_run(it: Running) -> None:
    step = a_step(
        commands=(sql("'{password}' '{verifier}'", "password", "verifier"),),
        holds=(),
        secrets=("password",),
    )
    await it.runner.run(step)
    await it.runner.run(step)
    first, second = it.hands.done
    assert first != second
    assert "SCRAM-SHA-256$4096:" in first
    assert len(first.split("'")[1]) >= 32


async def test_a_step_that_waits_says_for_what(
    it: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MEANWHILE_S", 0.005)
    said = asyncio.Event()
    it.live.listeners.append(lambda e: said.set() if isinstance(e, ev.Progressed) else None)

    async def waits(values: Values) -> None:
        await said.wait()
        it.hands.holds = True

    async def is_away(values: Values) -> None:
        if len(it.hands.done) == 0:
            it.hands.done.append("")
            raise EvidenceError("old", "who", "away")

    it.hands.acts |= {"first": waits, "who": is_away}
    assert await it.runner.run(a_step("first", meanwhile=sql("who"))) == "done"
    said_for = [event for event in it.told if isinstance(event, ev.Progressed)]
    assert (said_for[0].detail, said_for[0].step) == ("ok", "slot@old/d")
    assert it.hands.open == 0
