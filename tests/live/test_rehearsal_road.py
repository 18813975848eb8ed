"""A rehearsal on a road: reached by SSH through a gate alone, made worse, and wholly gone."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from connections.hosts import Hosts
from connections.passwords import Passwords
from connections.sessions import Sessions
from connections.unit import keeper_of
from engine.keeper import ROOT
from profiles import load
from profiles.errors import HostError
from profiles.profile import ConnectionFile, PgBouncer, Profile
from rehearsal import box, folders, processes
from rehearsal import road as roads
from rehearsal.box import Box
from rehearsal.folders import DEFAULT_ROAD, Settings
from rehearsal.folders import Hosts as Kind
from rehearsal.processes import until
from rehearsal.road import Road
from rehearsal.wire import Conditions
from tests.fix_processes import PROC, about

pytestmark = pytest.mark.live

NAMES = ("old", "pool", "new")
CONNECT = """
import socket, time
def took():
    began = time.monotonic()
    socket.create_connection(("10.77.1.2", 5432), 5).close()
    return time.monotonic() - began
print(min(took() for _ in range(5)))
"""


@contextmanager
def a_root() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="nf-", dir=folders.root()) as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture
def here() -> Iterator[Path]:
    with a_root() as root:
        yield root


@pytest.fixture(scope="module", autouse=True)
def _needs_a_road() -> None:
    try:
        with roads.road():
            pass
    except HostError as error:
        pytest.skip(str(error))


def on(kind: Kind, **more: Any) -> Settings:
    return Settings(rows=500, hosts=kind, **more)


@pytest.fixture(scope="module")
def rehearsed() -> Iterator[Box]:
    """One on a road, for the tests that end none."""
    with a_root() as root:
        started = asyncio.run(box.start(on("road"), root))
        yield started
        asyncio.run(started.end())


def ssh(running: Box, host: str, line: str, *options: str) -> subprocess.CompletedProcess[str]:
    """As an operator would, in a terminal of theirs."""
    config = str(running.layout.ssh_config)
    return subprocess.run(
        ["ssh", "-F", config, *options, f"{host}-host", line],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@asynccontextmanager
async def wizard(running: Box) -> AsyncIterator[tuple[Profile, Hosts, Sessions]]:
    """What the engine reaches with the rehearsal's profile."""
    profile = load.read(running.profile_path)
    passwords = Passwords(profile)
    hosts = Hosts(profile, passwords)
    try:
        yield profile, hosts, Sessions(profile, passwords, hosts)
    finally:
        await hosts.close()


async def writes_more(running: Box, count: int = 100) -> None:
    before = running.stats()
    enough = (before.acknowledged if before else 0) + count

    def done() -> bool:
        now = running.stats()
        return now is not None and now.acknowledged >= enough

    assert await until(done, 15.0, every_s=0.05), running.stats()


# It stands


@pytest.mark.parametrize("host", NAMES)
def test_each_host_is_reached_from_a_terminal_and_through_the_gate(
    rehearsed: Box, host: str
) -> None:
    ran = ssh(rehearsed, host, 'id -un; echo "$SSH_CONNECTION"; getent hosts old-host; pwd')
    assert (ran.returncode, ran.stderr) == (0, "")
    user, connection, old, home = ran.stdout.splitlines()
    came_from, _, address, port = connection.split()
    assert (user, port) == ("ferry", "2222")
    addresses = {"old": Road.near_address, "pool": Road.pool_address, "new": Road.far_address}
    assert address == addresses[host]
    assert came_from in ("10.77.1.1", "10.77.4.1", "10.77.2.1")  # what the gate has of networks
    assert old.split() == [Road.near_address, "old-host"]
    assert home == str(rehearsed.layout.host(host) / "home")


def test_a_terminal_is_given_too(rehearsed: Box) -> None:
    ran = ssh(rehearsed, "old", "tty", "-tt")
    assert ran.stdout.strip().startswith("/dev/pts/")


@pytest.mark.parametrize("address", [Road.near_address, Road.pool_address, Road.far_address])
def test_nothing_is_reached_without_the_gate(rehearsed: Box, address: str) -> None:
    banner = b""
    with suppress(OSError), socket.create_connection((address, 2222), 0.3) as beyond:
        beyond.settimeout(0.3)  # some networks let every connection be made
        banner = beyond.recv(4)
    assert banner == b""


async def test_the_application_writes_to_the_old_server_through_the_pooler(rehearsed: Box) -> None:
    assert rehearsed.state().hosts == "road"
    assert rehearsed.state().road is not None
    await writes_more(rehearsed)
    stats = rehearsed.stats()
    assert stats is not None
    assert (stats.server, stats.failed, stats.in_doubt) == (rehearsed.state().old_port, 0, 0)


async def test_the_wizard_reaches_hosts_sessions_and_the_pooler_by_the_profile(
    rehearsed: Box,
) -> None:
    async with wizard(rehearsed) as (profile, hosts, sessions):
        assert profile.destination.comes_from == Road.far_address
        for name in ("old", "new"):
            session = await sessions.server(name, "postgres")
            assert await session.value("SHOW cluster_name") == name
            assert await session.value("SELECT pg_current_logfile()") == "../server.log"
            data = str(await session.value("SHOW data_directory"))
            await session.close()
            assert "reporting" in await hosts.of(name).read(f"{data}/pg_hba.conf")
            assert await keeper_of(hosts.of(name)) == "process"
        (pool,) = profile.endpoints
        if not isinstance(pool, PgBouncer):
            pytest.skip(rehearsed.state().traffic_why)
        client = await sessions.client("pool", profile.source)
        assert await client.value("SELECT current_user") == "app"
        await client.close()
        console = await sessions.console(pool)
        await console.run("RELOAD")
        await console.close()
        before = await hosts.of("pool").read(pool.config)
        assert f"host={Road.near_address} port=5432 dbname=shop" in before
        backup = await hosts.of("pool").write(pool.config, before + ";\n")
        assert Path(backup).read_text() == before


async def test_the_new_servers_host_is_not_let_in_before_the_wizard_lets_it(rehearsed: Box) -> None:
    async with wizard(rehearsed) as (profile, hosts, _):
        psql = f"{profile.destination.client_tools}/psql"
        line = f"{psql} -w -h {Road.near_address} -p 5432 -U postgres -d shop -c 'SELECT 1'"
        ran = await hosts.of("new").run(line, deadline_s=20)
        assert ran.code != 0
        assert f'no pg_hba.conf entry for host "{Road.far_address}"' in ran.err


# It is made worse


def command(*words: str, code: int = 0) -> dict[str, Any]:
    ended = subprocess.run(
        [sys.executable, "-m", "rehearsal", *words],
        capture_output=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert ended.returncode == code, ended.stderr
    said: dict[str, Any] = json.loads(ended.stdout) if ended.stdout else {}
    return said


def test_a_longer_road_is_a_longer_way_to_connect(rehearsed: Box) -> None:
    def connecting_s() -> float:
        return float(ssh(rehearsed, "new", f"python3 -c {shlex.quote(CONNECT)}").stdout)

    folder = str(rehearsed.folder)
    try:
        command("road", folder, "--delay-ms", "5", "--jitter-ms", "0")
        short_s = connecting_s()
        said = command("road", folder, "--delay-ms", "50")["says"]
        assert said.startswith("The road is now: 50 ± 0 ms each way, 0 % lost, as fast as it can (")
        assert rehearsed.state().road == Conditions(delay_ms=50.0)
        ratio = connecting_s() / short_s
        assert 4 < ratio < 11
    finally:
        carried = asyncio.run(rehearsed.road(DEFAULT_ROAD))
    assert carried.frames > 0


def test_what_no_road_can_be_is_refused(rehearsed: Box) -> None:
    now, folder = rehearsed.state().road, str(rehearsed.folder)
    said = command("road", folder, "--loss-percent", "many", "--delay-ms", "-1", code=1)
    assert said["answered"] == "--loss-percent: not a number; --delay-ms: from 0 to 2000"
    for options in ([], ["--delay-ms"], ["--colour", "red"]):
        assert command("road", folder, *options, code=2) == {}
    said = command("road", f"{folder}-not", "--delay-ms", "1", code=1)
    assert said["answered"] == "there is none"
    assert rehearsed.state().road == now


# It is gone


async def nothing_about(running: Box) -> None:
    """Its supervisor ends last."""
    assert await until(lambda: about(running.folder) == [], 15.0, every_s=0.05)


def left_behind(running: Box) -> Path:
    """A process that somebody started on a host, and that nobody waits for; where its pid is."""
    pid = running.folder / "hosts" / "new" / "home" / "pid"
    ran = ssh(running, "new", "setsid sleep 1000 </dev/null >/dev/null 2>&1 & echo $! > pid")
    assert ran.returncode == 0, ran.stderr
    return pid


async def test_nothing_is_left_when_it_ends(here: Path) -> None:
    started = await box.start(on("road"), here)
    running = started.state().processes
    assert {each.name for each in running} > {"old", "new", "application", "sshd old", "sshd new"}
    stray = int(left_behind(started).read_text())
    await started.stop_application()
    verdict = await started.compare("old")
    assert verdict.clean and verdict.acknowledged
    await started.end()
    assert not started.folder.exists()
    assert not any(map(processes.is_running, running))
    assert processes.start_time(stray) is None
    await nothing_about(started)


async def test_a_killed_one_takes_its_road_along_at_once_and_the_next_start_the_rest(
    here: Path,
) -> None:
    killed = await box.start(on("road"), here)
    running, stray = killed.state().processes, int(left_behind(killed).read_text())
    os.kill(supervisor_of(killed.folder), signal.SIGKILL)
    assert await until(lambda: not any(map(processes.is_running, running)), 15.0, every_s=0.05)
    await nothing_about(killed)
    assert processes.start_time(stray) is None
    following = await box.start(on("local"), here)
    try:
        assert not killed.folder.exists()
    finally:
        await following.end()
    assert list(here.iterdir()) == []


def supervisor_of(folder: Path) -> int:
    for path in PROC.glob("[0-9]*/cmdline"):
        words = path.read_bytes().split(b"\0")
        if b"rehearsal.supervisor" in words and os.fsencode(folder) in words:
            return int(path.parent.name)
    raise AssertionError("no supervisor")


# Without it


@pytest.fixture
def no_unshare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has everything but what makes namespaces."""
    for place in map(Path, ("/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin")):
        for program in place.iterdir() if place.is_dir() else []:
            link = tmp_path / program.name
            if program.name != "unshare" and not link.is_symlink():
                link.symlink_to(program)
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("no_unshare")
async def test_without_namespaces_it_is_this_machine_by_ssh_and_says_why(here: Path) -> None:
    with pytest.raises(HostError, match="start unshare: No such file"):
        await box.start(on("road"), here)
    started = await box.start(Settings(rows=500), here)
    try:
        assert started.state().hosts == "ssh"
        assert folders.stands_on(started.state()) == (
            "It is all on this machine, reached by SSH."
            " No road: start unshare: No such file or directory."
        )
        with pytest.raises(HostError, match="this rehearsal stands on none"):
            await started.road(Conditions())
        await reached_all_the_same(started)
    finally:
        await started.end()
    await nothing_about(started)


async def reached_all_the_same(started: Box) -> None:
    for host in NAMES:
        ran = await asyncio.to_thread(ssh, started, host, "cat nothing; echo $HOME; exit 7")
        assert (ran.returncode, ran.stdout.strip()) == (
            7,
            str(started.layout.host("here") / "home"),
        )
        assert "nothing: No such file" in ran.stderr
    async with wizard(started) as (_, hosts, sessions):
        for name in ("old", "new"):
            session = await sessions.server(name, "postgres")
            assert await session.value("SHOW cluster_name") == name
            await session.close()
            line = "echo out; echo err >&2; exit 3"
            assert await hosts.of(name).run(line, deadline_s=10) == (3, "out\n", "err\n")
    await writes_more(started)


async def test_without_a_pooler_the_application_reads_the_old_servers_address(here: Path) -> None:
    started = await box.start(on("road", pooler=False, replication="tunnel"), here)
    try:
        profile = load.read(started.profile_path)
        (endpoint,) = profile.endpoints
        assert isinstance(endpoint, ConnectionFile)
        assert endpoint.replace == {
            "DATABASE_PORT=5432": "DATABASE_PORT=5433",
            f"DATABASE_HOST={Road.near_address}": f"DATABASE_HOST={Road.far_address}",
        }
        text = Path(endpoint.path).read_text()
        assert [text.count(old) for old in endpoint.replace] == [1, 1]
        tunnel = profile.source.replication_tunnel
        assert tunnel is not None
        place = (tunnel.login, tunnel.login_port, tunnel.comes_from)
        assert place == (f"ferry@{Road.near_address}", 2222, Road.far_address)
        await writes_more(started)
    finally:
        await started.end()
