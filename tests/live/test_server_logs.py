"""What a real server's log says while a step runs, read on its host: here, and over SSH."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from connections.follow import ORPHAN_S
from engine.client import new_id
from profiles.events import LogSaid, Planned
from profiles.profile import Host as HostChoice
from profiles.profile import LocalHost
from profiles.requests import RunStep, TellSecret
from profiles.steps import Sql, Step
from rehearsal.server import Server
from tests.fix_actions import moving
from tests.fix_desk import AtTheDesk, a_desk
from tests.fix_processes import about, words
from tests.fix_servers import PASSWORD, Pair, StartServer
from tests.fix_ssh import Sshd, until

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("nights_here")]

COLLECTED = {"logging_collector": "on", "log_filename": "the night's.log"}
WARNS = """DO $$ BEGIN
RAISE LOG 'ERROR:  this is none';
RAISE WARNING 'the disk is nearly full, password=hunter2' USING DETAIL = '4 MB', HINT = 'Look.';
END $$"""


def a_step(id_: str, text: str) -> Step:
    command = Sql(server="old", database="postgres", text=text)
    return Step(id=id_, phase="preflight", title=id_, commands=(command,))


STEPS = (a_step("warns", WARNS), a_step("fails", "SELECT 1/0 AS hunter2"), a_step("fine", "SELECT"))


@asynccontextmanager
async def at_the_desk(old: Server, new: Server, host: HostChoice) -> AsyncIterator[AtTheDesk]:
    near = moving(Pair(old, new), "postgres")
    profile = msgspec.structs.replace(near, source=msgspec.structs.replace(near.source, host=host))
    async with a_desk(profile, Planned(phase="preflight", steps=STEPS)) as at:
        for name in ("old", "new"):
            await at.ask(TellSecret(id=new_id(), server=name, value=PASSWORD))
        yield at


async def said(at: AtTheDesk, step: str, count: int) -> list[LogSaid]:
    await at.until(lambda night: len(night.state_of(step).log) >= count)
    return at.night.state_of(step).log


async def run(at: AtTheDesk) -> None:
    for step in STEPS:
        await at.ask(RunStep(id=new_id(), step=step.id))


@pytest.fixture(params=["here", "over SSH"])
def host(request: pytest.FixtureRequest) -> HostChoice:
    if request.param == "here":
        return LocalHost()
    request.getfixturevalue("trusted")
    sshd: Sshd = request.getfixturevalue("sshd")
    return sshd.host()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        COLLECTED,
        {**COLLECTED, "log_destination": "csvlog"},
        {**COLLECTED, "log_destination": "jsonlog", "log_directory": "elsewhere"},
        {**COLLECTED, "log_line_prefix": "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h "},
    ],
    ids=["stderr", "collected", "csvlog", "jsonlog", "prefix"],
)
async def test_a_warning_stands_beside_its_step(
    start_server: StartServer, old_and_new: Pair, host: HostChoice, settings: dict[str, str]
) -> None:
    old = await start_server("old", 16, settings)
    async with at_the_desk(old, old_and_new.new, host) as at:
        await run(at)
        [warning] = await said(at, "warns", 1)
        assert (warning.server, warning.severity) == ("old", "WARNING")
        assert warning.text == "the disk is nearly full, password=•••• · 4 MB · Look."
        [error] = await said(at, "fails", 1)
        assert (error.severity, error.text) == ("ERROR", "division by zero")
        assert at.night.state_of("fails").outcome == "failed"
        assert at.night.state_of("fine").log == []
        told = [event.text for event in at.events() if isinstance(event, LogSaid)]
        assert len(told) == 2 and not any("hunter2" in text for text in told)


async def test_a_log_that_leads_nowhere_is_said_once(
    start_server: StartServer, old_and_new: Pair, tmp_path: Path
) -> None:
    old = await start_server("old", 16, {"log_destination": "syslog"})
    async with at_the_desk(old, old_and_new.new, LocalHost()) as at:
        await run(at)
        notes = [one.text for one in at.night.said if "is not followed" in one.text]
        assert len(notes) == 1
        assert "its messages go to syslog (log_destination)" in notes[0]


FOLLOWS = """
import asyncio, sys
from connections.follow import follow
from connections.host import ThisMachine
asyncio.run(follow(ThisMachine(), sys.argv[1], 0, print, deadline_s=60))
"""


async def test_nothing_follows_a_log_for_an_engine_that_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    log.write_text("")
    root = Path(__file__).parents[2]
    engine = subprocess.Popen([sys.executable, "-c", FOLLOWS, str(log)], cwd=root)  # noqa: ASYNC220
    try:
        await until(lambda: any(words(pid)[:1] == ["tail"] for pid in about(log)), 10)
    finally:
        engine.kill()
        engine.wait()
    await until(lambda: not about(log), ORPHAN_S + 5)
