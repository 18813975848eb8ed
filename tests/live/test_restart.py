"""A server that is restarted for its settings, and one that does not come back with them."""

from __future__ import annotations

import asyncio
import os
import pwd
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from actions.restart import Waiting, shell_line
from checks import machine as hosts
from checks.host import around
from connections.host import Ran, ThisMachine
from engine.client import new_id
from profiles.errors import HostError, RefusedError
from profiles.machine import Cpu, HostSeen, Memory, Place, ServerProcess
from profiles.profile import Host, LocalHost, Profile, SecretRef
from profiles.requests import ChooseValue, Confirm, RunPhase
from rehearsal.processes import NOBODY
from rehearsal.server import Server as Running
from rehearsal.server import free_port
from tests.fix_actions import moving, session
from tests.fix_desk import AtTheDesk, a_desk
from tests.fix_processes import words
from tests.fix_servers import PASSWORD, Pair, StartServer, Templates
from tests.fix_ssh import Sshd, machine, needs_root, until

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("nights_here")]

BUFFERS = "tune-shared_buffers@new"
RESTART = "restart-tuned@new"
LOCAL = LocalHost()
TOO_MUCH = "8191GB"
"""More than any machine has, and than PostgreSQL refuses to be set."""
DEADLINE_S = 60.0
OWNER = pwd.getpwuid(NOBODY if os.geteuid() == 0 else os.geteuid()).pw_name

promises_anything = pytest.mark.skipif(
    Path("/proc/sys/vm/overcommit_memory").read_text().strip() == "1",
    reason="this kernel promises more memory than it has (vm.overcommit_memory)",
)

StartDaemon = Callable[..., Awaitable[Running]]
"""``await start_daemon(settings)``: a server that nobody waits for, as pg_ctl leaves it."""


@pytest.fixture
async def start_daemon(templates: Templates) -> AsyncIterator[StartDaemon]:
    started: list[Running] = []

    async def start(settings: dict[str, str]) -> Running:
        made = templates.copy("new", 18, settings)
        made.port = free_port()
        started.append(made)
        options = f"-p {made.port} -k {made.folder}"
        await pg_ctl(made, "start", "-l", str(made.first_words), "-o", options)
        return made

    yield start
    for one in started:
        await pg_ctl(one, "stop", "-m", "immediate")


async def pg_ctl(server: Running, *words: str) -> None:
    ran = await owners(f"{pg_ctl_line(server)} {shlex.join(words)}")
    assert ran.code == 0, ran


def pg_ctl_line(server: Running) -> str:
    return f"cd {server.folder} && {server.programs / 'pg_ctl'} -w -s -D {server.data}"


async def owners(line: str) -> Ran:
    return await ThisMachine().run(line, deadline_s=DEADLINE_S, as_user=OWNER)


def pid_of(server: Running) -> int:
    return int((server.data / "postmaster.pid").read_text().split("\n")[0])


def is_up(server: Running) -> bool:
    file = server.data / "postmaster.pid"
    return file.exists() and "\nready" in file.read_text()


def kept(server: Running) -> list[str]:
    """What postgresql.auto.conf sets."""
    text = (server.data / "postgresql.auto.conf").read_text()
    return [line for line in text.splitlines() if not line.startswith("#")]


async def shown(server: Running, name: str) -> str:
    async with session(server) as asked:
        return str(await asked.value(f"SHOW {name}"))


def clean(server: Running) -> bool:
    """Nothing of ours beside the file."""
    return not [*server.data.glob("*nightferry*")]


# At the desk, on this machine and on a far one


@pytest.fixture(params=["here", "over SSH"])
def host(request: pytest.FixtureRequest) -> Host:
    if request.param == "here":
        return LOCAL
    if os.geteuid() != 0:
        pytest.skip("only root can make users to log in as")
    request.getfixturevalue("trusted")
    sshd: Sshd = request.getfixturevalue("sshd")
    return sshd.host("porter", sudo_user=OWNER)


@pytest.fixture
async def new(start_daemon: StartDaemon) -> Running:
    return await start_daemon({})


@pytest.fixture
async def desk(
    start_server: StartServer,
    new: Running,
    host: Host,
    adopted: None,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[AtTheDesk]:
    monkeypatch.setenv("NIGHTFERRY_TEST_PASSWORD", PASSWORD)
    profile = secretly(Pair(await start_server("old", 16), new), host)
    async with a_desk(profile) as at_it:
        await at_it.look("tuning")
        process = at_it.night.hosts["new"].process
        if process is not None and process.kept_by is not None:
            pytest.skip(f"{process.kept_by} looks after what is started here")
        yield at_it


@pytest.fixture
def adopted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first process here starts nothing again, although it may be no init; quick looks."""
    monkeypatch.setattr(hosts, "WATCHED_S", 0.1)
    first = Path("/proc/1/comm").read_text().strip()
    monkeypatch.setattr(around, "INITS", (*around.INITS, first))


async def apply(desk: AtTheDesk, value: str) -> None:
    """The operator's own value, and the look that follows."""
    await desk.ask(ChooseValue(id=new_id(), step=BUFFERS, value=value))
    await desk.ask(Confirm(id=new_id(), phase="tuning", server="new"))
    await desk.ask(RunPhase(id=new_id(), phase="tuning", steps=(BUFFERS,)))
    assert desk.night.state_of(BUFFERS).outcome == "done"


@promises_anything
async def test_what_does_not_come_back_runs_again_as_before_and_then_with_a_better_value(
    desk: AtTheDesk, new: Running
) -> None:
    before, started = kept(new), words(pid_of(new))
    await apply(desk, TOO_MUCH)
    assert kept(new) != before
    step = desk.night.steps[RESTART]
    assert not step.by_hand and step.danger and step.servers == ("new",)
    await desk.run(RESTART)
    error = desk.night.state_of(RESTART).error
    assert desk.night.state_of(RESTART).outcome == "failed"
    assert "FATAL: could not map anonymous shared memory: Cannot allocate memory" in error
    assert "it runs again, with the old settings" in error
    assert desk.night.state_of(BUFFERS).outcome == "undone"
    assert BUFFERS not in desk.night.ours
    assert await shown(new, "shared_buffers") == "64MB"
    assert kept(new) == before and clean(new)
    assert words(pid_of(new)) == started, "the options it was started with"

    await desk.look("tuning")
    assert RESTART not in desk.night.plans["tuning"]
    await apply(desk, "96MB")
    pid = pid_of(new)
    await desk.run(RESTART)
    assert desk.night.state_of(RESTART).outcome == "done", desk.night.state_of(RESTART).error
    assert await shown(new, "shared_buffers") == "96MB"
    assert pid_of(new) != pid and kept(new) == [*before, "shared_buffers = '96MB'"]
    assert clean(new) and words(pid_of(new)) == started
    assert desk.night.state_of(BUFFERS).outcome == "done"


@pytest.mark.parametrize("host", ["here"], indirect=True)
async def test_a_setting_taken_back_by_hand_is_seen(desk: AtTheDesk, new: Running) -> None:
    await apply(desk, "96MB")
    async with session(new) as asked:
        await asked.rows("ALTER SYSTEM RESET shared_buffers")
        await asked.rows("SELECT pg_reload_conf()")
    await desk.look("tuning")
    assert desk.night.state_of(BUFFERS).outcome == "undone"
    assert RESTART not in desk.night.plans["tuning"]


async def test_what_another_process_looks_after_is_restarted_by_hand(
    start_server: StartServer, adopted: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = secretly(Pair(await start_server("old", 16), await start_server("new", 18)))
    monkeypatch.setenv("NIGHTFERRY_TEST_PASSWORD", PASSWORD)
    async with a_desk(profile) as desk:
        await desk.look("tuning")
        await apply(desk, "96MB")
        step = desk.night.steps[RESTART]
        assert step.by_hand and " looks after it" in step.why
        with pytest.raises(RefusedError, match="only a person can do it"):
            await desk.run(RESTART)


def secretly(pair: Pair, host: Host = LOCAL) -> Profile:
    """Their passwords stand in the environment."""
    near, secret = moving(pair, "postgres"), SecretRef(env="NIGHTFERRY_TEST_PASSWORD")
    return msgspec.structs.replace(
        near,
        source=msgspec.structs.replace(near.source, password=secret),
        destination=msgspec.structs.replace(near.destination, password=secret, host=host),
    )


# The line by itself


def waits(before: str | None = None) -> Waiting:
    return Waiting("shared_buffers", TOO_MUCH, before)


def the_host(server: Running, **process: str) -> HostSeen:
    """As `facts.sh` finds it; ``messages``: where no collector takes what it says."""
    known = ServerProcess(user=OWNER, program=str(server.programs / "postgres"), **process)
    places = [Place(what="data", path=str(server.data))]
    if not known.messages:
        places.append(Place(what="log", path=str(server.log.parent)))
    return HostSeen(
        host="new",
        watched_s=0,
        cpu=Cpu(cores=1),
        memory=Memory(total=1),
        places=tuple(places),
        process=known,
    )


async def set_up(server: Running, *settings: str) -> None:
    async with session(server) as asked:
        for one in settings:
            await asked.rows(f"ALTER SYSTEM SET {one}")


@promises_anything
async def test_its_own_log_goes_on_and_what_was_configured_before_is_again(
    start_daemon: StartDaemon,
) -> None:
    new = await start_daemon({"logging_collector": "off"})
    await set_up(new, f"shared_buffers = '{TOO_MUCH}'", "cluster_name = 'it''s \\ ours'")
    waiting = [waits("72MB"), Waiting("cluster_name", "it's", "o'ld \\")]
    line = shell_line(waiting, the_host(new, messages=str(new.first_words)))
    ran = await owners(line)
    assert ran.code == 1
    assert ran.err.startswith("it does not start: FATAL: could not map anonymous shared memory")
    assert kept(new) == ["shared_buffers = '72MB'", "cluster_name = 'o''ld \\\\'"]
    assert [await shown(new, name) for name in ("shared_buffers", "cluster_name")] == [
        "72MB",
        "o'ld \\",
    ]
    said = new.first_words.read_text()
    assert said.count("database system is ready to accept connections") == 2


@promises_anything
async def test_when_even_the_old_settings_do_not_start_it_says_so(
    start_daemon: StartDaemon,
) -> None:
    new = await start_daemon({})
    await set_up(new, f"shared_buffers = '{TOO_MUCH}'")
    with (new.data / "postgresql.conf").open("a") as conf:
        conf.write("port = wrong\n")  # it would not have come up without us either
    ran = await owners(shell_line([waits()], the_host(new)))
    assert ran.code == 1
    assert "; nor does it with the old settings: it is down" in ran.err
    assert kept(new) == [] and clean(new)
    conf_file = new.data / "postgresql.conf"
    conf_file.write_text(conf_file.read_text().replace("port = wrong\n", ""))
    await pg_ctl(new, "start", "-l", "/dev/null", "-o", f"-p {new.port} -k {new.folder}")


async def test_cancelled_in_the_middle_it_still_comes_back(start_daemon: StartDaemon) -> None:
    new = await start_daemon({})
    pid = pid_of(new)
    restarting = asyncio.create_task(owners(shell_line([waits()], the_host(new))))
    await until(lambda: not is_up(new), DEADLINE_S)
    restarting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await restarting
    await until(lambda: is_up(new) and clean(new), DEADLINE_S)
    assert pid_of(new) != pid


@needs_root
@promises_anything
async def test_cut_off_from_its_host_it_still_comes_back_as_before(
    start_daemon: StartDaemon, sshd: Sshd, trusted: Path
) -> None:
    new = await start_daemon({})
    pid = pid_of(new)
    await set_up(new, f"shared_buffers = '{TOO_MUCH}'")
    async with machine(sshd, "porter") as far:
        line = shell_line([waits("72MB")], the_host(new))
        restarting = asyncio.create_task(far.run(line, deadline_s=DEADLINE_S, as_user=OWNER))
        await until(lambda: not is_up(new), DEADLINE_S)
        sshd.cut()
        with pytest.raises(HostError):
            await restarting
    await until(lambda: is_up(new) and clean(new), DEADLINE_S)
    assert pid_of(new) != pid
    assert kept(new) == ["shared_buffers = '72MB'"]


async def test_what_cannot_be_kept_is_not_begun(start_daemon: StartDaemon) -> None:
    new = await start_daemon({})
    pid = pid_of(new)
    (new.data / "postgresql.auto.conf.nightferry-old").mkdir()
    (new.data / "postgresql.auto.conf.nightferry-old" / "postgresql.auto.conf").mkdir()
    ran = await owners(shell_line([waits()], the_host(new)))
    assert ran.code != 0 and is_up(new) and pid_of(new) == pid


SYSTEMCTL = """#!/bin/sh
case $1 in
restart) su -s /bin/sh -c '{pg_ctl} restart -l {log}' {owner} ;;
-q) su -s /bin/sh -c '{pg_ctl} status' {owner} >/dev/null ;;
esac
exit $([ "$1" = restart ] && echo 0 || echo $?)
"""
"""As Debian's units do it: their failing is ignored (``ExecStart=-``)."""


@needs_root
@promises_anything
async def test_a_unit_of_systemds(start_daemon: StartDaemon, tmp_path: Path) -> None:
    """With something in the place of systemctl: tests have no systemd."""
    new = await start_daemon({"logging_collector": "off"})
    program = tmp_path / "systemctl"
    program.write_text(SYSTEMCTL.format(pg_ctl=pg_ctl_line(new), log=new.first_words, owner=OWNER))
    program.chmod(0o755)
    seen = the_host(new, unit="postgresql@18-main.service", messages=str(new.first_words))
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}

    async def roots(waiting: Waiting) -> Ran:
        line = shell_line([waiting], seen)
        return await ThisMachine().run(line, deadline_s=DEADLINE_S, env=path, as_user="root")

    await set_up(new, "shared_buffers = '96MB'")
    assert await roots(Waiting("shared_buffers", "96MB", None)) == Ran(0, "", "")
    assert await shown(new, "shared_buffers") == "96MB"
    await set_up(new, f"shared_buffers = '{TOO_MUCH}'")
    ran = await roots(waits("96MB"))
    assert ran.code == 1
    assert "FATAL: could not map anonymous shared memory" in ran.err
    assert ran.err.strip().endswith("; it runs again, with the old settings")
    assert await shown(new, "shared_buffers") == "96MB"
    assert (new.data / "postgresql.auto.conf").owner() == OWNER
