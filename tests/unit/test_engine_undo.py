"""Taking back what a step has done: by key, and at once where it failed halfway."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from connections.hands import Answer, Hands, Values
from engine import rules
from engine import runner as module
from engine.launch import begin
from engine.night import LiveNight
from engine.runner import Runner
from profiles import events as ev
from profiles.errors import AnswerError, RefusedError
from profiles.fold import Night, fold
from profiles.journal import Journal, read_events
from profiles.steps import Command, Evidence, LooseEnd, Sql, Step, Words, settling, shown
from tests.fix_engine import a_profile
from tests.fix_looks import A_PROFILE


@dataclass
class AServer:
    """Hands over one value: ``set x``, ``get x``; some words fail."""

    value: str = "old"
    fails: set[str] = field(default_factory=set)
    done: list[str] = field(default_factory=list)

    def at_work(self) -> AbstractAsyncContextManager[AServer]:
        @asynccontextmanager
        async def work() -> AsyncIterator[AServer]:
            yield self

        return work()

    async def do(self, command: Command, values: Values) -> Answer:
        text = shown(command)
        self.done.append(text)
        if text in self.fails:
            raise AnswerError("new", text, "no space left")
        if text.startswith("set "):
            self.value = text.removeprefix("set ")
        return Answer(text, "")

    async def ask(self, evidence: Evidence, values: Values) -> tuple[bool, str]:
        return self.value == evidence.answer, self.value


def sql(text: str) -> Sql:
    return Sql(server="new", database="d", text=text)


def a_step(**more: Any) -> Step:
    given = {
        "phase": "tuning",
        "commands": (sql("set new"), sql("write")),
        "holds": (Evidence(ask=sql("get"), answer="new", says="it is new"),),
        "undo": (sql("set old"),),
        "undone": (Evidence(ask=sql("get"), answer="old", says="it is old"),),
        **more,
    }
    return Step(id="x@new", title="Set x", **given)


LOAN = LooseEnd(
    id="x@new", server="new", what="x = new", settled_by="undo-x@new", before_traffic=True
)


@dataclass
class Running:
    live: LiveNight
    server: AServer
    runner: Runner

    @property
    def state(self) -> Any:
        return self.live.state.state_of("x@new")


@pytest.fixture
def it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(module, "SETTLE_S", 0.02)
    monkeypatch.setattr(module, "LOOK_AGAIN_S", 0.005)
    folder = begin(a_profile())
    with Journal.open(folder) as journal:
        live = LiveNight(folder, journal, fold(journal.events))
        server = AServer()
        yield Running(live, server, Runner(live, cast(Hands, server)))


async def test_undone_it_is_open_again_and_the_journal_says_so(it: Running) -> None:
    step = a_step(leaves=LOAN)
    assert await it.runner.run(step) == "done"
    assert it.live.state.ours == {"x@new"}
    assert await it.runner.undo(step, "r1") == "undone"
    assert (it.server.value, it.state.outcome, it.state.settled) == ("old", "undone", False)
    assert it.state.evidence == "it is old (old)"
    assert it.live.state.open_loose_ends() == []
    again = fold(read_events(it.live.folder).events)
    assert (again.ours, again.state_of("x@new").outcome) == (set(), "undone")
    assert await it.runner.run(step) == "done"
    assert [end.loose_end for end in it.live.state.open_loose_ends()] == [LOAN]


async def test_what_is_as_it_was_already_is_undone_too(it: Running) -> None:
    assert await it.runner.undo(a_step()) == "undone"
    assert it.server.done == []


async def test_an_undo_that_does_not_hold_has_failed_and_it_stays_ours(it: Running) -> None:
    await it.runner.run(a_step())
    it.server.fails = {"set old"}
    assert await it.runner.undo(a_step()) == "failed"
    assert "no space left" in it.state.error
    assert it.live.state.ours == {"x@new"}
    assert await it.runner.undo(a_step(undo=(sql("nothing"),))) == "failed"
    assert "not “it is old”" in it.state.error


@pytest.mark.parametrize("leaves", [None, LOAN])
async def test_half_of_it_is_taken_back_at_once(it: Running, leaves: LooseEnd | None) -> None:
    it.server.fails = {"write"}
    assert await it.runner.run(a_step(undo_failed=True, leaves=leaves)) == "failed"
    assert it.server.value == "old"
    assert "no space left" in it.state.error
    assert it.state.error.endswith("What it had done is undone.")
    assert it.live.state.open_loose_ends() == []


async def test_what_does_not_hold_is_taken_back_too_and_trouble_is_said(it: Running) -> None:
    refused = (Evidence(ask=sql("get"), answer="newer", says="it is newer"),)
    step = a_step(undo_failed=True, holds=refused, leaves=LOAN)
    it.server.fails = {"set old"}
    assert await it.runner.run(step) == "failed"
    assert "It does not hold" in it.state.error
    assert "It could not be undone" in it.state.error
    assert it.live.state.open_loose_ends() != []


async def test_without_being_told_so_nothing_is_taken_back(it: Running) -> None:
    it.server.fails = {"write"}
    assert await it.runner.run(a_step()) == "failed"
    assert it.server.value == "new"


# What may be undone, and what has to be settled


def told(*events: ev.Event) -> Night:
    made = Night()
    for number, event in enumerate(events, start=1):
        made.apply(type(event)(**{**as_dict(event), "seq": number}))
    return made


def as_dict(event: ev.Event) -> dict[str, Any]:
    return {name: getattr(event, name) for name in event.__struct_fields__}


RAN = ev.CommandRan(step="x@new", index=0, text="set new")
ARMED = ev.Armed(attempt=1, direction="forward", roles=(), may_still_write=(), deadline_s=10.0)


def test_what_the_wizard_did_may_be_undone() -> None:
    rules.may_undo(told(RAN), a_step())
    confirmed = ev.Confirmed(phase="tuning", server="new")
    rules.may_undo(told(RAN, confirmed), a_step(danger="changes it", servers=("new",)))


@pytest.mark.parametrize(
    ("night", "step", "words"),
    [
        (told(), a_step(), "has changed nothing here"),
        (told(ev.CommandRan(step="x@new", index=0, text="", ok=False)), a_step(), "nothing here"),
        (told(RAN, ev.StepEnded(step="x@new", outcome="undone")), a_step(), "nothing here"),
        (told(RAN), a_step(phase="replication"), "other steps rest on it"),
        (told(RAN), a_step(undo=()), "nothing that the wizard could undo"),
        (told(RAN), a_step(undo=(Words(text="do it"),)), "nothing that the wizard could undo"),
        (told(RAN, ARMED), a_step(), "an attempt is armed"),
        (told(RAN), a_step(danger="changes it", servers=("new",)), "changes it.*name: new"),
    ],
)
def test_why_it_may_not_be_undone(night: Night, step: Step, words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        rules.may_undo(night, step)


Event = ev.Event
CHECKPOINT = Step(id="checkpoint@old", phase="cutover", title="CHECKPOINT")
READY: tuple[Event, ...] = (
    ev.Planned(phase="cutover", steps=(CHECKPOINT,)),
    ev.StepEnded(step=CHECKPOINT.id, outcome="done"),
    ev.GateRead(gate="behind", holds=True, figure="behind < 1 s"),
)


def test_what_is_for_the_copy_alone_is_named_and_arming_refused() -> None:
    left = ev.LooseEndOpened(step="x@new", loose_end=LOAN)
    with pytest.raises(RefusedError, match=r"still in force: x = new\. .*checklist: undo-x@new"):
        rules.may_arm(told(*READY, left), A_PROFILE, "old")
    rules.may_arm(told(*READY, left, ev.LooseEndSettled(id="x@new")), A_PROFILE, "old")
    other = LooseEnd(id="y", server="old", what="y", settled_by="undo-y")
    rules.may_arm(told(*READY, ev.LooseEndOpened(loose_end=other)), A_PROFILE, "old")


def test_it_is_settled_with_the_name_typed_in_whichever_phase_shows_it() -> None:
    step = settling(a_step(leaves=LOAN, danger="changes it", servers=("new",)))
    planned = ev.Planned(phase="aftercare", steps=(step,))
    for phase in ("cutover", "aftercare"):
        rules.may_run(told(planned, ev.Confirmed(phase=phase, server="new")), step)
    with pytest.raises(RefusedError, match="changes it"):
        rules.may_run(told(planned, ev.Confirmed(phase="tuning", server="new")), step)
