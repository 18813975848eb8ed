"""The facts of real hosts: this machine with several shells, over SSH, and under real servers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from checks import machine as hosts
from checks.catalogue import TUNING
from checks.check import Look
from checks.host.gather import Asked, gather, shell_line
from checks.host.parse import parsed
from checks.host.where import where
from checks.queries import ask
from checks.runner import run_checks
from connections.host import ThisMachine
from connections.postgres import Session, connect
from profiles.errors import ConnectError, HostError, UnknownHostKeyError
from profiles.machine import HostSeen
from profiles.profile import LocalHost
from rehearsal.server import Server as Running
from tests.fix_looks import MadeUpMachine, a_profile, a_server
from tests.fix_servers import PASSWORD, Pair
from tests.fix_ssh import Sshd, machine, needs_root
from tui.host import host

pytestmark = pytest.mark.live

SHELLS = [["bash"], ["dash"], ["busybox", "sh"]]


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_the_script_in_several_shells(shell: list[str], tmp_path: Path) -> None:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"there is no {shell[0]}")
    line = shell_line([Asked("data", str(tmp_path))], 0.05, os.getpid())
    ran = subprocess.run([*shell, "-c", line], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0 and ran.stderr == ""
    seen = parsed("old", ran.stdout)
    fully_seen(seen)
    assert seen.place("data") and seen.places[0].path == str(tmp_path)
    assert any("no database server" in why or "may run in" in why for why in seen.unread)


def fully_seen(seen: HostSeen) -> None:
    """Everything that any Linux tells anybody."""
    assert seen.cpu.cores == len(os.sched_getaffinity(0))
    assert seen.memory.total == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert seen.kernel == f"Linux {os.uname().release}"
    swappiness = Path("/proc/sys/vm/swappiness").read_text().strip()
    assert seen.sysctls["vm.swappiness"] == swappiness
    assert len(seen.sysctls["net.ipv4.tcp_rmem"].split(" ")) == 3
    assert seen.cpu.busy_percent is not None and seen.watched_s > 0
    assert seen.tools
    for place in seen.places:
        assert place.mount and place.free is not None and place.kind


async def test_free_space_and_disk_are_those_of_the_path(tmp_path: Path) -> None:
    where = [Asked("data", str(tmp_path)), Asked("log", "/dev/shm")]
    seen = await gather(ThisMachine(), "old", where, 0.05, None)
    data, log = seen.places
    free = shutil.disk_usage(tmp_path).free
    assert data.free == pytest.approx(free, abs=max(free * 0.05, 1 << 28))
    assert log.kind == "tmpfs" and log.disk is None
    assert data.disk is None or seen.disk(data.disk) is not None


async def test_odd_paths_reach_the_script_as_they_are(tmp_path: Path) -> None:
    odd = tmp_path / "a 'b' $(touch x)=c"
    odd.mkdir()
    seen = await gather(ThisMachine(), "old", [Asked("data", str(odd))], 0.01, None)
    assert seen.places[0].path == str(odd) and seen.places[0].mount
    assert list(tmp_path.iterdir()) == [odd]


async def test_a_machine_that_answers_something_else() -> None:
    with pytest.raises(HostError, match="ended before its end"):
        await gather(MadeUpMachine({}), "old", [], 0.0, None)


# Over SSH


async def test_over_ssh(trusted: Path, sshd: Sshd) -> None:
    async with machine(sshd) as far:
        fully_seen(await gather(far, "old", [Asked("data", "/")], 0.05, os.getpid()))


async def test_over_ssh_with_nothing_but_busybox(operator: Path, busybox_sshd: Sshd) -> None:
    (operator / ".ssh" / "known_hosts").write_text(busybox_sshd.known)
    async with machine(busybox_sshd) as far:
        seen = await gather(far, "old", [Asked("data", "/")], 0.05, os.getpid())
    fully_seen(seen)
    assert seen.clock.synchronised is not None, "busybox's adjtimex says"


@needs_root
async def test_as_somebody_who_may_not_see_everything(trusted: Path, sshd: Sshd) -> None:
    hidden = sshd.folder / "home" / "hidden"
    hidden.mkdir(mode=0o700, exist_ok=True)
    (hidden / "data").mkdir(exist_ok=True)
    async with machine(sshd, "guest") as far:
        seen = await gather(far, "old", [Asked("data", str(hidden / "data"))], 0.05, None)
    assert seen.places[0].mount is None and seen.places[0].free is None
    assert f"{hidden}/data: not there, or no right to see it" in seen.unread
    assert "firewall: only root may ask" in seen.unread and seen.firewall is None


# The command


def ran(*words: str) -> Result:
    return CliRunner().invoke(host, words)


def test_this_machine_as_text_and_json() -> None:
    text = ran().stdout
    assert "processors  " in text and "vm.swappiness = " in text
    assert "open files not known: Could not look: no server's process was asked about." in text
    result = ran("--json")
    assert result.exit_code == 0
    whole = json.loads(result.stdout)
    assert whole["cpu"]["cores"] > 0 and whole["places"][0]["path"] == "/"
    assert {one["check"] for one in whole["findings"]} >= {"host.steal", "host.memory"}


def test_a_host_of_the_operators_ssh_config(trusted: Path, sshd: Sshd) -> None:
    config = f"Host db-new\n  HostName 127.0.0.1\n  Port {sshd.port}\n  IdentityFile {sshd.key}\n"
    (trusted / ".ssh" / "config").write_text(config)
    result = ran("db-new", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["host"] == "db-new"


def test_a_host_nobody_knows_or_that_is_not_there_is_an_error(operator: Path, sshd: Sshd) -> None:
    config = f"Host new\n  HostName 127.0.0.1\n  Port {sshd.port}\nHost gone\n  Port 1\n"
    (operator / ".ssh" / "config").write_text(f"{config}  HostName 127.0.0.1\n")
    assert isinstance(ran("new").exception, UnknownHostKeyError)
    assert isinstance(ran("gone").exception, ConnectError)


# Under real servers


@asynccontextmanager
async def a_session(running: Running, **more: Any) -> AsyncIterator[Session]:
    server = a_server(running.name, running.port, user=more.pop("user", "postgres"))
    session = await connect(server, "postgres", more.pop("password", PASSWORD))
    try:
        yield session
    finally:
        await session.close()


async def test_where_a_server_keeps_its_things(old_and_new: Pair) -> None:
    for running in (old_and_new.old, old_and_new.new):
        async with a_session(running) as session:
            found = await where(session)
        folder = str(running.folder / "data")
        assert found.unasked == ()
        assert Asked("data", folder) in found.places
        assert Asked("wal", f"{folder}/pg_wal") in found.places
        assert Asked("temporary", folder) in found.places
        assert found.pid is not None
        assert Path(f"/proc/{found.pid}/comm").read_text() == "postgres\n"


async def test_a_role_that_may_not_ask_says_so(old_and_new: Pair) -> None:
    async with a_session(old_and_new.old) as session:
        await session.run("CREATE ROLE nobody_special LOGIN PASSWORD 'sesame'")
        try:
            async with a_session(old_and_new.old, user="nobody_special", password="sesame") as low:
                found = await where(low)
        finally:
            await session.run("DROP ROLE nobody_special")
    assert found.places == () and found.pid is None
    assert len(found.unasked) == 2 and "permission denied" in found.unasked[0]


@asynccontextmanager
async def looking(pair: Pair) -> AsyncIterator[Look]:
    here = LocalHost()
    old = a_server("old", pair.old.port, host=here)
    new = a_server("new", pair.new.port, host=here)
    async with a_session(pair.old) as source, a_session(pair.new) as destination:
        yield Look(
            a_profile(old, new, database="postgres"),
            {"source": source, "destination": destination},
            machines={"old": ThisMachine("old"), "new": ThisMachine("new")},
        )


async def test_every_check_of_the_phase_has_a_figure(
    old_and_new: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts, "WATCHED_S", 0.05)
    async with looking(old_and_new) as look:
        found = [finding async for finding in run_checks(TUNING, look)]
        assert {one.check for one in found} == {check.id for check in TUNING}
        assert all(one.figure for one in found) and PASSWORD not in repr(found)
        assert len({one.key for one in found}) == len(found)
        by_key = {(one.check, one.server): one for one in found}
        for side in ("old", "new"):
            for check in ("steal", "memory", "filesystem", "open_files", "system"):
                one = by_key[f"host.{check}", side]
                assert one.verdict != "unknown", one
        assert "wanted" in by_key["host.space_for_copy", "new"].figure
        assert "of log wanted" in by_key["host.space_for_log", "old"].figure
        assert by_key["host.compared", None].figure
        assert "transactions/s" in by_key["pg.commits", "old"].figure
        both = [look.measured[f"host of the {side}"] for side in ("source", "destination")]
    assert all(isinstance(one, HostSeen) and one.limits for one in both)


async def test_only_transactions_that_write_are_counted(old_and_new: Pair) -> None:
    async with looking(old_and_new) as look:
        before = (await ask(look.on("source"), "commits")).first
        await look.on("source").value("SELECT 1")
        await look.on("source").value("SELECT pg_current_xact_id()::text")
        after = (await ask(look.on("source"), "commits")).first
    assert after["writing"] - before["writing"] == 1
    assert after["at"] > before["at"]
