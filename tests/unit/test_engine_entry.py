"""A night whose profile is being entered: what is tried, what is taken in, what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connections.passwords import Passwords
from engine import entry as entries
from engine.entry import Entry, profile_of
from engine.launch import PROFILE, begin, begin_draft
from engine.night import LiveNight
from engine.trial import Answers, alone
from profiles import events as ev
from profiles import load
from profiles import requests as rq
from profiles.errors import (
    JournalError,
    LoginRefusedError,
    RefusedError,
    SecretError,
    UnknownHostKeyError,
)
from profiles.findings import Finding
from profiles.fold import fold
from profiles.journal import Journal
from profiles.profile import Profile
from tests.fix_engine import a_profile, until

ASKS = {
    "name": "db-old",
    "address": "127.0.0.1",
    "port": 1,
    "password": {"ask": True},
    "country": "NO",
    "operated_by": "us",
}
FINE = Finding(check="pg.reachable", phase="servers", verdict="pass", figure="PostgreSQL 16.14")
STOP = Finding(check="pg.reachable", phase="servers", verdict="stop", figure="no session")
SEEN = ev.ServerSeen(server="db-old", version="16.14", version_num=160014)
RAW = {"profile": 1, **msgspec.to_builtins(a_profile())}


class Desk:
    """Notes what it is given; a look lasts until it is ended."""

    def __init__(
        self, live: LiveNight, profile: Profile, folder: Path, passwords: Passwords
    ) -> None:
        self.profile = profile
        self.said: list[str] = []
        made.append(self)

    async def start(self) -> None:
        self.said.append("start")

    async def handle(self, request: rq.Request) -> None:
        self.said.append(str(request.__struct_config__.tag))
        if isinstance(request, rq.Probe) and request.phase == "network":
            try:
                await asyncio.Event().wait()
            finally:
                self.said.append("ended")

    async def close(self, reason: str) -> None:
        self.said.append(f"close: {reason}")


made: list[Desk] = []


class Night:
    """An entry, and the night it stands before."""

    def __init__(self, live: LiveNight, entry: Entry, passwords: Passwords) -> None:
        self.live = live
        self.entry = entry
        self.passwords = passwords

    def told(self, kind: type[ev.Event]) -> list[Any]:
        return [event for event in self.live.state.told if isinstance(event, kind)]

    async def change(self, raw: dict[str, Any]) -> None:
        await self.entry.handle(rq.ChangeProfile(id="c", profile=raw))

    async def try_it(self, server: dict[str, Any] | None = None, id_: str = "t") -> None:
        asked = rq.TryServer(id=id_, side="source", server=server or ASKS, database="orders")
        await self.entry.handle(asked)


@pytest.fixture(params=[True, False], ids=["draft", "whole"])
async def night(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Night]:
    """A night that has just begun, on a draft and on a profile."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    made.clear()
    folder = begin_draft("orders") if request.param else begin(a_profile())
    with Journal.open(folder) as journal:
        live = LiveNight(folder, journal, fold(journal.events))
        profile = profile_of(folder, live.state)
        passwords = Passwords(profile)
        yield Night(live, Entry(live, profile, folder, passwords, Desk), passwords)


def answering(monkeypatch: pytest.MonkeyPatch, *answers: Answers) -> list[str]:
    """Trials are answered with these, one after the other; what passwords were there is noted."""
    left, held = list(answers), []

    async def tried(profile: Profile, side: ev.Side, passwords: Passwords) -> Answers:
        held.append(passwords._told.get(profile.source.name, ""))
        return left.pop(0)

    monkeypatch.setattr("engine.trial.tried", tried)
    return held


async def test_a_draft_does_nothing_but_try_and_take_a_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folder = begin_draft("orders")
    with Journal.open(folder) as journal:
        live = LiveNight(folder, journal, fold(journal.events))
        assert live.state.draft
        assert profile_of(folder, live.state) is None
        entry = Entry(live, None, folder, Passwords(None), Desk)
        await entry.start()
        with pytest.raises(RefusedError, match="the profile is not whole"):
            await entry.handle(rq.Probe(id="p", phase="servers"))
        await entry.handle(rq.Stop(id="s"))
        await entry.close("the test ends")


async def test_what_was_found_is_told_with_the_request_that_asked(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, Answers((FINE,), SEEN))
    await night.try_it()
    told = night.live.state.tried["source"]
    assert (told.request, told.findings) == ("t", (FINE,))
    assert night.live.state.servers["db-old"].version == "16.14"
    assert not ev.is_journalled(told)


async def test_a_server_that_is_not_whole_is_not_tried(night: Night) -> None:
    with pytest.raises(RefusedError, match="country: expected two letters"):
        await night.try_it({**ASKS, "country": "Norway"})


async def test_a_password_that_was_typed_is_tried_at_once_and_stays_for_the_night(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = SecretError("db-old", "take the password", "it has not been typed")
    refused = LoginRefusedError("db-old", "log in", "password authentication failed")
    answers = [Answers((STOP,), refused=missing), Answers((STOP,), refused=refused)]
    held = answering(monkeypatch, *answers, Answers((FINE,), SEEN))
    await night.try_it()
    assert list(night.live.state.secrets_wanted) == ["db-old"]
    for typed in ("wrong", "right"):
        await night.entry.handle(rq.TellSecret(id=typed, server="db-old", value=typed))
    assert held == ["", "wrong", "right"]
    assert night.live.state.tried["source"].findings == (FINE,)
    assert night.live.state.secrets_wanted == {}
    await night.change({**RAW, "source": ASKS})
    assert await night.passwords("db-old") == "right"
    journal = night.live.journal_path.read_text()
    assert "wrong" not in journal


async def test_a_password_that_nobody_types_is_not_asked_for(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = SecretError("db-old", "read the variable", "there is no such variable")
    answering(monkeypatch, Answers((STOP,), refused=missing))
    await night.try_it({**ASKS, "password": {"env": "NOT_THERE"}})
    assert night.live.state.secrets_wanted == {}


async def test_an_unknown_host_key_is_compared_and_then_the_trial_goes_on(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = UnknownHostKeyError(
        *("host of db-old", "connect", "its key is not known", "Compare it."),
        **{"fingerprint": "SHA256:abc", "line": "x", "known_hosts": "/nowhere"},
    )
    answering(monkeypatch, Answers((STOP,), refused=unknown), Answers((FINE,), SEEN))
    accepted: list[UnknownHostKeyError] = []
    monkeypatch.setattr(entries, "accept_host_key", accepted.append)
    await night.try_it()
    assert night.live.state.keys_wanted["db-old"].fingerprint == "SHA256:abc"
    other = rq.AcceptHostKey(id="o", server="db-old", fingerprint="SHA256:other")
    with pytest.raises(RefusedError, match="has not shown this key"):
        await night.entry.handle(other)
    key = rq.AcceptHostKey(id="k", server="db-old", fingerprint="SHA256:abc")
    await night.entry.handle(key)
    assert accepted == [unknown]
    assert night.live.state.keys_wanted == {}
    assert night.live.state.tried["source"].findings == (FINE,)


async def test_a_later_trial_of_the_same_side_ends_the_one_before(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def tried(profile: Profile, side: ev.Side, passwords: Passwords) -> Answers:
        if profile.source.port == 2:
            return Answers((FINE,), SEEN)
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    monkeypatch.setattr("engine.trial.tried", tried)
    first = asyncio.create_task(night.try_it(id_="first"))
    await began.wait()
    await night.try_it({**ASKS, "port": 2}, id_="second")
    await first
    assert ended.is_set()
    assert night.live.state.tried["source"].request == "second"


async def test_another_profile_has_another_desk_that_looks_at_its_servers(night: Night) -> None:
    await night.change({**RAW, "name": "other"})
    state, folder = night.live.state, night.live.folder
    assert not state.draft
    assert state.profile["name"] == "other"
    assert load.read(folder / PROFILE).name == "other"
    assert profile_of(folder, state) == load.read(folder / PROFILE)
    assert made[-1].profile.name == "other"
    assert made[-1].said == ["start", "probe"]
    for before in made[:-1]:
        assert before.said == ["close: the profile is another one now"]


async def test_the_journal_says_which_profile_it_is_even_if_its_file_is_older(
    night: Night,
) -> None:
    await night.change({**RAW, "name": "other"})
    load.write(night.live.folder / PROFILE, a_profile("older"))
    profile = profile_of(night.live.folder, night.live.state)
    assert profile is not None
    assert profile.name == "other"


async def test_what_the_old_desk_looks_at_is_ended(night: Night) -> None:
    await night.change(RAW)
    probe = rq.Probe(id="p", phase="network")
    looking = asyncio.create_task(night.entry.handle(probe))
    desk = made[-1]
    await until(lambda: desk.said[-1] == "probe" and len(desk.said) == 3)
    await night.change({**RAW, "name": "other"})
    await looking
    assert desk.said[-2:] == ["ended", "close: the profile is another one now"]


async def test_two_changes_at_once_are_made_one_after_the_other(night: Night) -> None:
    await asyncio.gather(*(night.change({**RAW, "name": name}) for name in ("one", "two")))
    one, two = made[-2:]
    assert one.said[-1] == "close: the profile is another one now"
    assert two.said[0] == "start"
    assert night.live.state.profile["name"] == two.profile.name == "two"


async def test_where_the_journal_cannot_be_written_everything_is_as_it_was(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    await night.change(RAW)
    publish = night.live.publish

    def full(event: ev.Event, *, wait: bool = True) -> ev.Event:
        if isinstance(event, ev.ProfileChanged):
            raise JournalError("journal.jsonl", "write", "No space left on device")
        return publish(event, wait=wait)

    monkeypatch.setattr(night.live, "publish", full)
    with pytest.raises(JournalError):
        await night.change({**RAW, "name": "other"})
    assert made[-1].profile.name == "orders"
    await night.entry.handle(rq.Probe(id="p", phase="servers"))
    assert made[-1].said == ["start", "probe", "probe"]
    assert load.read(night.live.folder / PROFILE).name == "orders"


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (ev.StepBegan(step="slot@db-old"), "a step of this night has begun: slot@db-old"),
        (
            ev.Armed(attempt=1, direction="forward", roles=(), may_still_write=(), deadline_s=9),
            "an attempt is armed",
        ),
    ],
)
async def test_once_something_was_done_the_profile_stays(
    night: Night, event: ev.Event, why: str
) -> None:
    night.live.publish(event)
    with pytest.raises(RefusedError, match=why):
        await night.change({**RAW, "name": "other"})
    with pytest.raises(RefusedError, match=why):
        await night.try_it()
    assert night.told(ev.ProfileChanged) == []


async def test_a_profile_that_is_none_is_refused(night: Night) -> None:
    with pytest.raises(RefusedError, match="expected two letters"):
        await night.change({**RAW, "source": {**ASKS, "country": "Norway"}})
    assert night.told(ev.ProfileChanged) == []


def test_alone_a_server_stands_on_both_sides() -> None:
    request = rq.TryServer(id="t", side="destination", server=ASKS, database="orders")
    profile = alone(request)
    assert profile.source == profile.destination
    assert profile.database == "orders"
