"""Events and the fold over them: each kind has its handler, what is unknown is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles import events as ev
from profiles.findings import Finding
from profiles.fold import Night, fold
from profiles.steps import LooseEnd, Step

START = datetime(2026, 3, 1, 1, 0, tzinfo=UTC)
KINDS = get_args(ev.AnyEvent)
WITHOUT_HANDLER = {ev.Refused, ev.UnknownEvent}
"""A refusal is for the window that asked; what an unknown kind would change nobody knows."""


def numbered(*events: ev.Event) -> list[ev.Event]:
    return [
        msgspec.structs.replace(event, seq=at, at=START + timedelta(seconds=at), night="n")
        for at, event in enumerate(events, 1)
    ]


def a_step(name: str, **more: Any) -> Step:
    return Step(id=name, phase=more.pop("phase", "replication"), title=name, **more)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_kind_changes_the_state_or_is_known_not_to(kind: type[ev.Event]) -> None:
    name = "_" + str(kind.__struct_config__.tag).replace("-", "_")
    assert hasattr(Night, name) == (kind not in WITHOUT_HANDLER)


def test_there_is_no_kind_that_the_union_forgot() -> None:
    assert set(KINDS) == set(ev.Event.__subclasses__())
    tags = [kind.__struct_config__.tag for kind in KINDS]
    assert len(set(tags)) == len(tags)
    assert set(ev.WINDOW_ONLY) <= set(KINDS)


def test_an_unknown_kind_is_kept_as_it_came() -> None:
    line = b'{"kind":"tuned","seq":7,"at":"2026-03-01T01:00:00Z","night":"n","knob":{"a":[1]}}'
    event = ev.decode(line)
    assert isinstance(event, ev.UnknownEvent)
    assert (event.was, event.seq, event.at, event.night) == ("tuned", 7, START, "n")
    assert event.raw["knob"] == {"a": [1]}
    assert ev.decode(ev.encode(event)) == event
    assert ev.is_journalled(event)
    night = fold([event])
    assert list(night.told) == [event]
    assert night.seq == 7


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"7",
        b'{"seq": 1}',
        b'{"kind": 3}',
        b'{"kind": "later", "seq": "1"}',
        b'{"kind": "later", "at": "never"}',
        b'{"kind": "said"',
    ],
)
def test_what_is_no_event_at_all_is_refused(line: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        ev.decode(line)


def test_a_known_kind_with_other_fields_is_kept_as_unknown() -> None:
    event = ev.decode(b'{"kind":"said","seq":1,"text":["a later version"]}')
    assert isinstance(event, ev.UnknownEvent)
    assert event.was == "said"


@given(st.sampled_from(["said", "secret-asked", "step-began"]), st.text(), st.integers(0, 2**53))
def test_written_and_read_again_it_is_the_same(kind: str, text: str, seq: int) -> None:
    made: dict[str, ev.Event] = {
        "said": ev.Said(text=text, seq=seq),
        "secret-asked": ev.SecretAsked(prompt=text, server=text),
        "step-began": ev.StepBegan(step=text, by=text, request=text),
    }
    event = made[kind]
    line = ev.encode(event)
    assert b"\n" not in line
    assert ev.decode(line) == event


def test_what_goes_to_the_journal() -> None:
    assert ev.is_journalled(ev.Sampled(thinned=True))
    assert not ev.is_journalled(ev.Sampled())
    assert ev.is_journalled(ev.GateRead(gate="g", holds=True, figure="", turned=True))
    assert not ev.is_journalled(ev.GateRead(gate="g", holds=True, figure=""))
    assert not ev.is_journalled(ev.Progressed(what="t", done=1))
    assert not ev.is_journalled(ev.Refused(why="no"))
    assert ev.is_journalled(ev.Said(text="x"))


SLOT_END = LooseEnd(id="slot@old/d", server="old", what="slot", settled_by="undo-slot@old/d")
WAL = Finding(check="pg.wal_level", phase="preflight", verdict="stop", figure="replica")


def a_night() -> list[ev.Event]:
    return numbered(
        ev.NightBegan(profile={"name": "shop"}, version="1"),
        ev.EngineStarted(pid=1),
        ev.ServerSeen(server="old", version="16.14", version_num=160014),
        ev.ChecksBegan(phase="preflight"),
        ev.Found(finding=WAL),
        ev.ChecksEnded(phase="preflight", duration_ms=1.0),
        ev.Planned(phase="replication", steps=(a_step("slot@old/d"), a_step("copied@new/d"))),
        ev.Confirmed(phase="replication", server="old"),
        ev.StepBegan(step="slot@old/d", by="wizard"),
        ev.LooseEndOpened(loose_end=SLOT_END),
        ev.CommandRan(step="slot@old/d", index=0, text="SELECT 1"),
        ev.StepEnded(step="slot@old/d", outcome="done", evidence="the slot is there"),
        ev.StepBegan(step="copied@new/d", by="wizard"),
    )


def test_a_recorded_night_folds_to_what_happened() -> None:
    night = fold(a_night())
    assert (night.name, night.seq, night.version, night.engine_pid) == ("n", 13, "1", 1)
    assert night.began == START + timedelta(seconds=1)
    assert night.servers["old"].version == "16.14"
    assert night.verdict("preflight") == "stop"
    assert not night.phase_done("preflight")
    slot = night.state_of("slot@old/d")
    assert (slot.settled, slot.by, len(slot.commands)) == (True, "wizard", 1)
    assert [step.id for step in night.running()] == ["copied@new/d"]
    assert [end.loose_end for end in night.open_loose_ends()] == [SLOT_END]
    assert ("replication", "old") in night.confirmed
    assert night.current_phase() == "preflight", "what was passed over wants nothing"
    assert len(night.told) == 13


def test_a_new_engine_has_doubts_about_what_ran_and_drops_what_was_under_way() -> None:
    events = [*a_night(), ev.Progressed(what="public.t", done=1), ev.EngineStarted(pid=2)]
    night = fold(numbered(*events))
    assert night.in_doubt() == ["copied@new/d"]
    assert (night.running(), night.progress, night.looking) == ([], {}, set())
    assert night.engine_pid == 2


def test_events_taken_already_change_nothing() -> None:
    night = fold(a_night())
    for event in a_night():
        night.apply(event)
    assert len(night.told) == 13
    night.apply(ev.GateRead(gate="behind", holds=True, figure="0 s", seq=13))
    assert night.gates["behind"].holds


def test_a_loose_end_is_open_until_it_is_settled() -> None:
    settled = numbered(*a_night(), ev.LooseEndSettled(id="slot@old/d"), ev.LooseEndSettled(id="x"))
    assert fold(settled).open_loose_ends() == []


def test_a_phase_looked_at_again_forgets_what_it_found() -> None:
    again = numbered(*a_night(), ev.ChecksBegan(phase="preflight"))
    assert fold(again).findings == {}
    assert fold(again).looking == {"preflight"}


def a_stretch(*states: ev.StretchState, attempt: int = 1) -> list[ev.Event]:
    armed = ev.Armed(
        attempt=attempt, direction="forward", roles=("app",), may_still_write=(), deadline_s=10.0
    )
    return [
        armed,
        *(ev.StretchMoved(attempt=attempt, state=it, paused_ms=20.0) for it in states),
    ]


def test_the_stretch_is_that_of_the_newest_attempt() -> None:
    night = fold(numbered(*a_stretch("armed", "aborted"), *a_stretch("armed", attempt=2)))
    assert night.stretch is not None
    assert (night.stretch.attempt, night.stretch.state) == (2, "armed")
    assert night.armed
    assert not night.moved
    late = ev.StretchMoved(attempt=1, state="aborted", seq=99, at=START)
    night.apply(late)
    assert night.stretch.state == "armed"


def test_moved_it_is_over_and_turned() -> None:
    states: tuple[ev.StretchState, ...] = ("armed", "paused", "turned", "resumed", "moved")
    night = fold(numbered(*a_stretch(*states)))
    assert night.stretch is not None
    assert night.moved
    assert night.stretch.over
    assert night.stretch.turned
    assert not night.armed
    assert night.stretch.paused_ms == 20.0
    assert night.stretch.paused_at is not None
    assert night.stretch.resumed_at == START + timedelta(seconds=5)


def test_writes_stopped_until_they_flow_again() -> None:
    stopped = ev.WritesStopped(attempt=1, why="w", missing="m", choices=("c",))
    events = [*a_stretch("armed", "paused", "stopped"), stopped]
    assert fold(numbered(*events)).writes_stopped is not None
    flowing = [*events, ev.StretchMoved(attempt=1, state="aborted")]
    assert fold(numbered(*flowing)).writes_stopped is None


def test_a_secret_is_wanted_until_its_server_was_seen() -> None:
    asked = ev.SecretAsked(server="old", prompt="the password of postgres")
    seen = ev.ServerSeen(server="old", version="16.14", version_num=160014)
    assert fold(numbered(asked)).secrets_wanted == {"old": asked.prompt}
    assert fold(numbered(asked, seen)).secrets_wanted == {}
    assert fold(numbered(ev.NightEnded(report="r"))).ended


# Logs, and looks that were cut short


def log_said(text: str, **more: Any) -> ev.LogSaid:
    return ev.LogSaid(server="old", severity="WARNING", text=text, **more)


def test_a_log_is_kept_with_the_run_of_its_step_also_when_it_comes_late() -> None:
    began, ended = ev.StepBegan(step="a"), ev.StepEnded(step="a", outcome="done")
    night = fold([began, log_said("one", step="a"), ended, log_said("two", step="a")])
    assert [said.text for said in night.state_of("a").log] == ["one", "two"]
    night.apply(began)
    assert night.state_of("a").log == []


def test_a_log_of_an_attempt_is_the_stretchs() -> None:
    armed = ev.Armed(attempt=2, direction="forward", roles=(), may_still_write=(), deadline_s=1.0)
    night = fold([log_said("early", attempt=1), armed, log_said("of another", attempt=1)])
    night.apply(log_said("its own", attempt=2))
    assert night.stretch is not None
    assert [said.text for said in night.stretch.log] == ["its own"]
    assert night.states == {}


def test_a_look_that_was_cut_short_is_none() -> None:
    looked = [ev.ChecksBegan(phase="network"), ev.ChecksEnded(phase="network", duration_ms=1.0)]
    cut = [looked[0], ev.ChecksEnded(phase="network", duration_ms=1.0, cut_short="cancelled")]
    assert "network" in fold(looked).looked
    night = fold([*looked, *cut])
    assert night.looking == set() and night.looked == {}
    killed = fold([*looked, looked[0], ev.EngineStarted(pid=1, resumed=True)])
    assert killed.looking == set() and killed.looked == {}
    assert not killed.phase_done("network")


def test_another_profile_forgets_what_was_found_of_the_one_before() -> None:
    raw = {"name": "shop", "source": {}}
    before = numbered(
        ev.NightBegan(profile={"name": "shop"}, version="1", draft=True),
        ev.EngineStarted(pid=7),
        ev.ServerSeen(server="old", version="16.14", version_num=160014),
        ev.Found(finding=WAL),
        ev.ChecksEnded(phase="servers", duration_ms=1.0),
        ev.SecretAsked(server="old", prompt="?"),
        ev.ProfileChanged(profile=raw),
    )
    night = fold(before[:-1])
    assert night.draft
    assert night.changed is None
    night.apply(before[-1])
    assert night.profile == raw
    assert not fold(before).draft
    assert fold(before).changed == before[-1].at
    assert (night.servers, night.findings, night.looked, night.secrets_wanted) == ({}, {}, {}, {})
    assert (night.name, night.seq, night.engine_pid, night.began) == ("n", 7, 7, before[0].at)
    assert list(night.told) == before
    assert fold(before) == night


def test_a_profile_is_fixed_once_a_step_has_begun_and_while_an_attempt_is_armed() -> None:
    planned = ev.Planned(phase="replication", steps=(a_step("slot@old/d"),))
    assert fold(numbered(planned)).why_fixed() == ""
    begun = fold(numbered(planned, ev.StepBegan(step="slot@old/d")))
    assert begun.why_fixed() == "a step of this night has begun: slot@old/d"
    skipped = fold(numbered(planned, ev.StepEnded(step="slot@old/d", outcome="skipped")))
    assert skipped.why_fixed()
    armed = ev.Armed(attempt=1, direction="forward", roles=(), may_still_write=(), deadline_s=9.0)
    assert fold(numbered(armed)).why_fixed() == "an attempt is armed"
