"""The engine as processes: it outlives its terminal, its windows and its own death."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from engine import keeper as keeping
from engine.client import Client, connect, new_id
from engine.launch import LOG, answers, begin, begin_draft, ensure_engine, is_kept
from profiles.errors import EngineError
from profiles.events import EngineStarted, EngineStopped, SecretAsked
from profiles.fold import Night
from profiles.journal import Journal, is_live, read_events
from profiles.nights import socket_path
from profiles.profile import Profile, SecretRef
from profiles.requests import Arm, ChangeProfile, Confirm, RunStep, Stop, TellSecret
from tests.fix_engine import a_profile, until
from tests.fix_processes import about, end_all, environment, parent_of, rss_mib, words
from tests.live import fake_night

pytestmark = pytest.mark.live

SECRET = "correct horse battery"
KEEPER_RSS_MIB = 20
HELD = "password held: True"


def asked(name: str = "orders") -> Profile:
    """A profile whose source's password is typed in the wizard."""
    profile = a_profile(name)
    source = msgspec.structs.replace(profile.source, password=SecretRef(ask=True))
    return msgspec.structs.replace(profile, source=source)


@pytest.fixture(autouse=True)
def _nights_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.fixture
async def folder() -> AsyncIterator[Path]:
    """A night whose processes are gone at the end, whatever the test did."""
    made = begin(asked())
    yield made
    await gone(made)


async def gone(folder: Path) -> None:
    end_all(folder)
    await until(lambda: not about(folder))


def ensure(folder: Path, deadline_s: float = 10.0) -> None:
    ensure_engine(folder, deadline_s, keeper=fake_night.KEEPER)


async def running(folder: Path) -> int:
    """The pid of the engine that serves the night now."""
    async with await connect(folder, watch=True) as client:
        return pid_in(await client.caught_up())


def pid_in(night: Night) -> int:
    assert night.engine_pid is not None
    return night.engine_pid


def said(night: Night) -> list[str]:
    return [each.text for each in night.said]


def starts(folder: Path) -> list[EngineStarted]:
    return [event for event in read_events(folder).events if isinstance(event, EngineStarted)]


async def reconnected(folder: Path, old_pid: int) -> Client:
    """A connection to the engine that came after the one with that pid."""
    await until(lambda: starts(folder)[-1].pid != old_pid and answers(folder))
    return await connect(folder)


def start_in_a_terminal_that_hangs_up(folder: Path) -> None:
    leader, follower = pty.openpty()
    start = (
        "import sys; from pathlib import Path; from engine.launch import ensure_engine\n"
        "from tests.live.fake_night import KEEPER\n"
        "ensure_engine(Path(sys.argv[1]), keeper=KEEPER); print('up', flush=True)\n"
        "sys.stdin.read()"
    )
    shell = subprocess.Popen(
        [sys.executable, "-c", start, str(folder)],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
        cwd=keeping.ROOT,
    )
    os.close(follower)
    assert b"up" in os.read(leader, 100)
    os.close(leader)
    os.killpg(shell.pid, signal.SIGHUP)
    shell.wait(timeout=10)


async def test_it_starts_detached_and_is_found_again(folder: Path) -> None:
    began = time.monotonic()
    ensure(folder)
    assert time.monotonic() - began < 5
    engine = await running(folder)
    keeper = parent_of(engine)
    assert os.getsid(engine) != os.getsid(0)
    assert parent_of(keeper) != os.getpid()
    for pid in (engine, keeper):
        assert Path(f"/proc/{pid}/cwd").readlink() == Path("/")
        assert Path(f"/proc/{pid}/fd/0").readlink() == Path("/dev/null")
    ensure(folder)
    assert await running(folder) == engine
    assert (folder / LOG).stat().st_mode & 0o777 == 0o600


async def test_the_keeper_is_tiny(folder: Path) -> None:
    ensure(folder)
    assert rss_mib(parent_of(await running(folder))) < KEEPER_RSS_MIB


async def test_neither_hangups_nor_dying_windows_disturb_it(folder: Path) -> None:
    ensure(folder)
    client = await connect(folder)
    engine = pid_in(await client.caught_up())
    for pid in (engine, parent_of(engine)):
        os.kill(pid, signal.SIGHUP)
    client._writer.transport.abort()
    async with await connect(folder) as again:
        assert pid_in(await again.caught_up()) == engine
        await again.send(RunStep(id=new_id(), step="slot@db-old"))
        await again.until(lambda night: bool(night.states), 5.0)


async def test_it_outlives_the_terminal_it_was_started_from(folder: Path) -> None:
    start_in_a_terminal_that_hangs_up(folder)
    assert await running(folder)


async def test_sigterm_ends_it_in_order(folder: Path) -> None:
    ensure(folder)
    async with await connect(folder) as client:
        os.kill(pid_in(await client.caught_up()), signal.SIGTERM)
        night = await client.until(lambda night: night.engine_pid is None, 5.0)
        assert said(night)[-1] == "closing: signal SIGTERM"
    await until(lambda: not about(folder))
    assert isinstance(read_events(folder).events[-1], EngineStopped)
    assert not socket_path(folder).exists()
    assert not is_live(folder)
    assert not is_kept(folder)


async def test_sigterm_to_the_keeper_ends_both(folder: Path) -> None:
    ensure(folder)
    os.kill(parent_of(await running(folder)), signal.SIGTERM)
    await until(lambda: not about(folder))
    assert isinstance(read_events(folder).events[-1], EngineStopped)


async def test_a_stop_is_an_end_that_the_keeper_respects(folder: Path) -> None:
    ensure(folder)
    async with await connect(folder) as client:
        await client.send(Stop(id=new_id()))
        await client.until(lambda night: bool(night.told), 5.0)
    await until(lambda: not about(folder))
    stopped = read_events(folder).events[-1]
    assert isinstance(stopped, EngineStopped)
    assert stopped.reason == "a window asked for it"


async def test_killed_it_is_back_within_a_second_and_the_numbers_go_on(folder: Path) -> None:
    ensure(folder)
    async with await connect(folder) as client:
        engine = pid_in(await client.caught_up())
        await client.send(RunStep(id="r1", step="slot@db-old"))
        await client.until(lambda night: bool(night.states), 5.0)
        os.kill(engine, signal.SIGKILL)
        killed = time.monotonic()
        with pytest.raises(EngineError):
            await client.until(lambda night: False, 5.0)
    async with await reconnected(folder, engine) as again:
        assert time.monotonic() - killed < 1.0
        night = await again.until(lambda night: "in doubt: slot@db-old" in said(night), 5.0)
        assert night.in_doubt() == ["slot@db-old"]
        await again.send(RunStep(id="r1", step="slot@db-old"))  # asked again: known already
        await again.send(Arm(id="r2", typed="db-old"))
        await again.until(lambda night: night.armed, 5.0)
    events = read_events(folder).events
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert sum(event.request == "r1" for event in events) == 1
    assert [event.resumed for event in starts(folder)] == [False, True]


async def test_the_keeper_does_not_give_up(folder: Path) -> None:
    ensure(folder)
    for _ in range(keeping.AT_ONCE + 1):
        async with await connect(folder) as client:
            engine = pid_in(await client.caught_up())
            await client.send(Confirm(id=new_id(), phase="x", server="db-old"))  # it aborts
            with pytest.raises(EngineError):
                await client.until(lambda night: False, 10.0)
        await (await reconnected(folder, engine)).close()
    log = (folder / LOG).read_text()
    assert log.count("(signal 6); starting it again in 0.0 s") == keeping.AT_ONCE
    assert log.count("(signal 6); starting it again in 0.5 s") == 1


async def test_what_was_typed_survives_the_engine_and_is_nowhere(folder: Path) -> None:
    ensure(folder)
    async with await connect(folder) as client:
        await client.until(lambda night: "db-old" in night.secrets_wanted, 5.0)
        await client.send(TellSecret(id=new_id(), server="db-old", value=SECRET))
        await client.until(lambda night: HELD in said(night), 5.0)
    for deaths in (1, 2):
        engine = await running(folder)
        os.kill(engine, signal.SIGKILL)
        async with await reconnected(folder, engine) as again:
            times = deaths + 1
            await again.until(lambda night, n=times: said(night).count(HELD) == n, 5.0)  # type: ignore[misc]
    events = read_events(folder).events
    assert sum(isinstance(event, SecretAsked) for event in events) == 1
    for file in folder.iterdir():
        assert not file.is_file() or SECRET.encode() not in file.read_bytes()
    for pid in about(folder):
        assert SECRET not in " ".join(words(pid)) + environment(pid)


async def test_it_goes_on_without_its_keeper(folder: Path) -> None:
    ensure(folder)
    async with await connect(folder) as client:
        engine = pid_in(await client.caught_up())
        keeper = parent_of(engine)
        os.kill(keeper, signal.SIGKILL)
        await until(lambda: keeper not in about(folder))
        await client.send(TellSecret(id=new_id(), server="db-old", value=SECRET))
        await client.until(lambda night: HELD in said(night), 5.0)
    ensure(folder)  # it answers, so nothing is started beside it
    assert about(folder) == [engine]
    os.kill(engine, signal.SIGKILL)
    await until(lambda: not about(folder))
    ensure(folder)
    async with await connect(folder) as client:
        night = await client.caught_up()
        assert pid_in(night) != engine
        await client.until(lambda night: "db-old" in night.secrets_wanted, 5.0)


@pytest.mark.parametrize("command", [fake_night.ENGINE, fake_night.KEEPER])
async def test_a_second_one_is_refused(folder: Path, command: tuple[str, ...]) -> None:
    ensure(folder)
    engine = await running(folder)
    second = await asyncio.to_thread(
        subprocess.run,
        [*command, str(folder)],
        capture_output=True,
        text=True,
        cwd=keeping.ROOT,
        timeout=10,
    )
    assert second.returncode == 3
    assert "holds this night" in second.stderr
    assert await running(folder) == engine


async def test_two_windows_at_once_start_one_engine(folder: Path) -> None:
    await asyncio.gather(*(asyncio.to_thread(ensure, folder) for _ in range(2)))
    assert len(starts(folder)) == 1
    engine = await running(folder)
    await until(lambda: sorted(about(folder)) == sorted([engine, parent_of(engine)]))


@pytest.mark.parametrize("spoil", ["profile.toml", "journal.jsonl"])
async def test_a_night_that_cannot_run_says_why_at_once(folder: Path, spoil: str) -> None:
    spoiled = '{"journal": 2}\n' if spoil == "journal.jsonl" else "profile = nothing"
    (folder / spoil).write_text(spoiled)
    began = time.monotonic()
    with pytest.raises(EngineError, match=spoil.replace(".", r"\.")):
        ensure(folder)
    assert time.monotonic() - began < 5
    await until(lambda: not about(folder))


async def test_one_that_dies_as_it_begins_is_told_with_its_log() -> None:
    folder = begin(asked("broken"))
    try:
        with pytest.raises(EngineError, match="no desk for this night"):
            ensure(folder, 1.5)
    finally:
        await gone(folder)


async def test_a_held_journal_without_a_socket_is_waited_for_in_vain(folder: Path) -> None:
    with Journal.open(folder), pytest.raises(EngineError, match=r"no answer within 0\.2 s"):
        ensure(folder, 0.2)
    assert about(folder) == []


async def test_a_draft_is_served_and_the_profile_that_was_entered_outlives_its_engine() -> None:
    folder = begin_draft("shop")
    try:
        ensure(folder)
        async with await connect(folder) as client:
            night = await client.caught_up()
            assert night.draft
            first = pid_in(night)
            raw = {"profile": 1, **msgspec.to_builtins(asked("shop"))}
            await client.send(ChangeProfile(id=new_id(), profile=raw))
            await client.until(lambda night: not night.draft, 5.0)
            await client.send(TellSecret(id=new_id(), server="db-old", value=SECRET))
            await client.until(lambda night: HELD in said(night), 5.0)
        os.kill(first, signal.SIGKILL)
        async with await reconnected(folder, first) as client:
            night = await client.until(lambda night: said(night).count(HELD) == 2, 5.0)
            assert (night.draft, night.profile["name"]) == (False, "shop")
    finally:
        await gone(folder)
