"""Tuning on a real server and on a real kernel: applied, read back, undone, and gone wrong."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from actions.tuning import disk_test, steps
from checks.proposals.disk import disk_test as read_test
from checks.proposals.kernel import kernel
from checks.proposals.postgresql import NAMES, postgresql
from checks.proposals.settings import Setting, read
from connections.host import ThisMachine
from engine import rules
from engine import runner as running
from profiles.errors import RefusedError
from profiles.events import CommandRan, Event, Planned
from profiles.fold import Night, fold
from profiles.journal import read_events
from profiles.machine import Cpu, HostSeen, Memory, Place, Proposal
from profiles.names import SYSCTL_FILE
from profiles.profile import SshHost
from profiles.requests import Confirm, TellSecret, UndoStep
from profiles.steps import Shell, Step, settling
from rehearsal.server import Server as Running
from tests.fix_actions import ANight, a_night, moving, session
from tests.fix_desk import a_desk
from tests.fix_processes import words
from tests.fix_servers import PASSWORD, Pair, StartServer
from tests.fix_ssh import SBIN, Sshd, all_pids, needs_root, until

pytestmark = pytest.mark.live

GIB = 1024**3
KEEPALIVE = "net.ipv4.tcp_keepalive_time"


@pytest.fixture
async def new(start_server: StartServer) -> Running:
    """As it is installed: the rehearsal's servers are tuned already."""
    return await start_server(
        "new", 18, {"checkpoint_timeout": "5min", "max_worker_processes": "8"}
    )


@pytest.fixture
def night(new: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ANight]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with a_night(moving(Pair(new, new), "postgres")) as begun:
        yield begun


def a_host(folder: Path | str = "/data", sysctls: dict[str, str] | None = None) -> HostSeen:
    """A host of 2 GiB: what is computed for it fits where tests run."""
    return HostSeen(
        host="new",
        watched_s=1.0,
        cpu=Cpu(cores=2),
        memory=Memory(total=2 * GIB),
        places=(Place(what="data", path=str(folder), size=100 * GIB, free=50 * GIB),),
        sysctls=sysctls or {},
    )


async def settings_of(server: Running) -> dict[str, Setting]:
    async with session(server) as asked:
        return await read(asked, NAMES)


async def planned(night: ANight, server: Running, *names: str) -> list[Step]:
    """The steps for these settings, as the server is now."""
    now = await settings_of(server)
    found = postgresql("new", a_host(server.data), now, now, rebuildable=True)
    made = steps(
        [one for one in found.made if one.name in names],
        hosts={"new": a_host(server.data)},
        configured={"new": {it.name: it.configured for it in now.values() if it.configured}},
        on_loan=(),
        night=night.live.state,
    )
    night.live.publish(Planned(phase="tuning", steps=tuple(made)))
    return made


def running_with(settings: dict[str, Setting], *names: str) -> list[str]:
    return [settings[name].shown for name in names]


async def test_settings_are_applied_read_back_restarted_and_undone(
    new: Running, night: ANight
) -> None:
    names = ("shared_buffers", "max_worker_processes", "max_wal_size", "checkpoint_timeout")
    before = running_with(await settings_of(new), *names)
    made = await planned(night, new, *names)
    assert [step.id.partition("-")[2] for step in made] == [
        f"{name}@new" for name in ("shared_buffers", *names[2:], "max_worker_processes")
    ]
    assert await night.runs(*made) == ["done"] * 4, [night.ended(step).error for step in made]
    now = await settings_of(new)
    assert now["checkpoint_timeout"].shown == "15min"
    assert now["shared_buffers"].pending_restart
    *_, restart = await planned(night, new, *names)
    assert restart.id == "restart-tuned@new"
    assert not await night.holds(restart)
    await new.restart()
    assert await night.runner.done_by_hand(restart) == "by-hand"
    after = await settings_of(new)
    assert running_with(after, "shared_buffers", "checkpoint_timeout") == ["512MB", "15min"]
    assert [step.id for step in await planned(night, new, *names)] == [step.id for step in made]
    for step in made:
        assert await night.runner.undo(step) == "undone", night.ended(step).error
    await new.restart()
    assert running_with(await settings_of(new), *names) == before
    async with session(new) as asked:
        left = await asked.rows(
            "SELECT FROM pg_file_settings WHERE sourcefile LIKE '%postgresql.auto.conf'"
        )
    assert list(left) == []


async def test_what_is_for_the_copy_only_refuses_arming_until_it_is_settled(
    new: Running, night: ANight
) -> None:
    names = ("synchronous_commit", "full_page_writes", "autovacuum")
    made = await planned(night, new, *names)
    assert await night.runs(*made) == ["done"] * 3, [night.ended(step).error for step in made]
    assert running_with(await settings_of(new), *names) == ["off"] * 3
    state = fold(read_events(night.live.folder).events)
    for name in names:
        with pytest.raises(RefusedError, match=rf"{name} = off on new .*undo-import-{name}@new"):
            rules.may_arm(state, night.profile, "new")
    for step in made:
        assert await night.runner.run(settling(step)) == "done", night.ended(step).error
    assert running_with(await settings_of(new), *names) == ["on"] * 3
    with pytest.raises(RefusedError, match="there is no checklist"):
        rules.may_arm(night.live.state, night.profile, "new")


async def test_at_the_desk_one_key_takes_it_back(
    new: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    profile = moving(Pair(new, new), "postgres")
    now = await settings_of(new)
    found = postgresql("new", None, now, now).named("checkpoint_timeout")
    assert found is not None
    (step,) = steps([found], hosts={}, configured={}, on_loan=(), night=Night())
    async with a_desk(profile, Planned(phase="tuning", steps=(step,))) as at:
        for server in (profile.source, profile.destination):
            await at.ask(TellSecret(id="t", server=server.name, value=PASSWORD))
        undo = UndoStep(id="u", step=step.id)
        with pytest.raises(RefusedError, match="has changed nothing here"):
            await at.ask(undo)
        await at.ask(Confirm(id="c", phase="tuning", server="new"))
        await at.run(step.id)
        assert running_with(await settings_of(new), found.name) == ["15min"]
        await at.ask(undo)
        assert at.night.state_of(step.id).outcome == "undone", at.night.state_of(step.id).error
        assert running_with(await settings_of(new), found.name) == ["5min"]
        with pytest.raises(RefusedError, match="has changed nothing here"):
            await at.ask(undo)


async def test_what_a_database_or_role_sets_itself_is_for_the_operator(
    new: Running, night: ANight
) -> None:
    async with session(new) as asked:
        await asked.rows("ALTER DATABASE postgres SET maintenance_work_mem = '70MB'")
    (step,) = await planned(night, new, "maintenance_work_mem")
    assert step.by_hand
    assert "it is set for this database" in str(step.commands[0])
    assert await night.runner.done_by_hand(step) == "failed"
    async with session(new) as asked:
        await asked.rows("ALTER DATABASE postgres SET maintenance_work_mem = '128MB'")
    assert await night.runner.done_by_hand(step) == "by-hand", night.ended(step).error


async def test_a_value_the_server_refuses_leaves_nothing_behind(
    new: Running, night: ANight
) -> None:
    wrong = Proposal(
        id="tune-checkpoint_timeout@new",
        server="new",
        area="postgresql",
        name="checkpoint_timeout",
        now="5min",
        proposed="9d",
        why="",
        arithmetic="",
        rule="",
    )
    hosts = {"new": a_host()}
    (step,) = steps([wrong], hosts=hosts, configured={}, on_loan=("new",), night=night.live.state)
    assert await night.runner.run(step) == "failed"
    assert "outside the valid range" in night.ended(step).error
    assert night.ended(step).error.endswith("What it had done is undone.")
    assert night.live.state.open_loose_ends() == []
    assert (await settings_of(new))["checkpoint_timeout"].configured is None


async def test_the_write_test_measures_and_leaves_nothing(
    new: Running, night: ANight, tmp_path: Path
) -> None:
    folder = tmp_path / "it's a disk"
    folder.mkdir()
    step = disk_test("new", str(folder))
    assert await night.runner.run(step) == "done", night.ended(step).error
    found = read_test(night.commands(step)[0].answer)
    assert found is not None
    assert 0 < found.writes <= 2000
    assert 0 < found.fsync_ms < 1000
    assert list(folder.iterdir()) == []
    gone = disk_test("new", str(folder / "nowhere"))
    assert await night.runner.run(gone) == "failed"


async def test_a_write_test_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    command = disk_test("new", str(tmp_path)).commands[0]
    assert isinstance(command, Shell)
    # So slow that it is surely under way when it is killed.
    line = command.line.replace("timeout -s INT 10 dd", "sleep 600; dd")
    task = asyncio.create_task(ThisMachine().run(line, deadline_s=60))
    await until(lambda: any(words(pid) == ["sleep", "600"] for pid in run_by(tmp_path)))
    for pid in run_by(tmp_path):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    await task
    assert list(tmp_path.iterdir()) == []


def run_by(folder: Path) -> list[int]:
    """The shells whose line names the folder, and what they run."""
    shells = [
        pid for pid in all_pids() if str(folder) in " ".join(words(pid)) and pid != os.getpid()
    ]
    return [*shells, *(pid for pid in all_pids() if parent(pid) in shells)]


def parent(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


# A kernel: that of a network namespace, whose parameters are its own


@dataclass
class Kernel:
    """A far host with a network, and a /etc/sysctl.d, that nobody else has."""

    host: SshHost
    entered: list[str]

    def run(self, line: str) -> str:
        ran = subprocess.run(
            [*self.entered, "sh", "-c", line], capture_output=True, text=True, check=True
        )
        return ran.stdout

    @property
    def value(self) -> str:
        return self.run("cat /proc/sys/net/ipv4/tcp_keepalive_time").strip()

    @property
    def files(self) -> list[str]:
        return self.run("ls -A /etc/sysctl.d").split()


@pytest.fixture
def far_kernel(sshd: Sshd, trusted: Path, tmp_path: Path) -> Iterator[Kernel]:
    assert sshd._process is not None
    with a_network() as pid:
        mount = f"--mount=/proc/{sshd._process.pid}/ns/mnt"
        entered = ["nsenter", mount, f"--net=/proc/{pid}/ns/net", "--"]
        program = shutil.which("sshd") or shutil.which("sshd", path=SBIN)
        argv = [
            *entered,
            str(program),
            "-i",
            "-E",
            f"{tmp_path}/log",
            "-f",
            f"{sshd.folder}/sshd_config",
        ]
        config = tmp_path / "ssh_config"
        config.write_text(
            f"Host far\n  HostName 127.0.0.1\n  Port {sshd.port}\n"
            f"  IdentityFile {sshd.key}\n  ProxyCommand {shlex.join(argv)}\n"
        )
        host = SshHost(ssh="far", config=str(config), user="porter")
        made = Kernel(host, entered)
        made.run("mount -t tmpfs none /etc/sysctl.d")
        try:
            yield made
        finally:
            made.run("umount /etc/sysctl.d")


@contextmanager
def a_network() -> Iterator[int]:
    """The process that holds a network namespace."""
    holder = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "echo ready; exec cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "ready\n"
        yield holder.pid
    finally:
        holder.communicate(timeout=5)


@pytest.fixture
def far_night(
    new: Running, far_kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ANight]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(running, "SETTLE_S", 0.5)
    near = moving(Pair(new, new), "postgres")
    there = msgspec.structs.replace(near.destination, host=far_kernel.host)
    with a_night(msgspec.structs.replace(near, source=there, destination=there)) as begun:
        yield begun


def keepalive(night: ANight, now: str, proposed: str | None = None) -> Step:
    seen = a_host(sysctls={KEEPALIVE: now})
    (made,) = [one for one in kernel(seen).made if one.name == KEEPALIVE]
    made = msgspec.structs.replace(made, proposed=proposed or made.proposed)
    hosts = {"new": seen}
    return steps([made], hosts=hosts, configured={}, on_loan=(), night=night.live.state)[0]


@needs_root
async def test_a_kernel_setting_there_and_back(far_night: ANight, far_kernel: Kernel) -> None:
    before = far_kernel.value
    step = keepalive(far_night, before)
    assert await far_night.runs(step, step) == ["done", "already"], far_night.ended(step).error
    assert far_kernel.value == "60"
    assert far_kernel.run(f"grep -v '^#' {SYSCTL_FILE}") == f"{KEEPALIVE} = 60\n"
    assert far_kernel.run(f"stat -c '%U %a' {SYSCTL_FILE}") == "root 644\n"
    assert await far_night.runner.undo(step) == "undone", far_night.ended(step).error
    assert (far_kernel.value, far_kernel.files) == (before, [])
    await far_night.hands.close()


@needs_root
async def test_the_lines_of_others_stay(far_night: ANight, far_kernel: Kernel) -> None:
    far_kernel.run(f"printf 'vm.x = 1' > {SYSCTL_FILE}")
    step = keepalive(far_night, far_kernel.value)
    assert await far_night.runs(step) == ["done"], far_night.ended(step).error
    assert await far_night.runner.undo(step) == "undone", far_night.ended(step).error
    assert far_kernel.run(f"grep -v '^#' {SYSCTL_FILE}") == "vm.x = 1\n"
    await far_night.hands.close()


@needs_root
async def test_what_the_kernel_refuses_is_not_said_for_the_next_boot(
    far_night: ANight, far_kernel: Kernel
) -> None:
    before = far_kernel.value
    step = keepalive(far_night, before, "99999999")
    assert await far_night.runner.run(step) == "failed"
    assert "Invalid argument" in far_night.ended(step).error
    assert far_night.ended(step).error.endswith("What it had done is undone.")
    assert (far_kernel.value, far_kernel.files) == (before, [])
    await far_night.hands.close()


@needs_root
async def test_what_cannot_be_said_for_the_next_boot_is_not_left_in_force(
    far_night: ANight, far_kernel: Kernel
) -> None:
    before = far_kernel.value
    far_kernel.run("mount -o remount,ro /etc/sysctl.d")
    step = keepalive(far_night, before)
    assert await far_night.runner.run(step) == "failed"
    assert "Read-only file system" in far_night.ended(step).error
    assert far_night.ended(step).error.endswith("What it had done is undone.")
    assert (far_kernel.value, far_kernel.files) == (before, [])
    await far_night.hands.close()


@needs_root
async def test_no_sudo_is_said_and_nothing_is_changed(
    far_night: ANight, far_kernel: Kernel
) -> None:
    there = msgspec.structs.replace(far_kernel.host, user="guest")
    profile = far_night.profile
    server = msgspec.structs.replace(profile.destination, host=there)
    with a_night(msgspec.structs.replace(profile, source=server, destination=server)) as night:
        step = keepalive(night, far_kernel.value)
        assert await night.runner.run(step) == "failed"
        assert "sudo" in night.ended(step).error
        assert (far_kernel.value, far_kernel.files) == ("7200", [])
        await night.hands.close()


@needs_root
@pytest.mark.parametrize("after", [0, 1])
async def test_a_connection_that_is_cut_leaves_journal_and_host_of_one_mind(
    far_night: ANight, far_kernel: Kernel, sshd: Sshd, after: int
) -> None:
    before = far_kernel.value
    step = keepalive(far_night, before)

    def cut(event: Event) -> None:
        if isinstance(event, CommandRan) and event.index == after:
            for pid in all_pids():
                line = " ".join(words(pid))
                if "sshd" in line and f"{sshd.folder}/sshd_config" in line and " -i " in line:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)

    far_night.live.listeners.append(cut)
    outcome = await far_night.runner.run(step)
    far_night.live.listeners.remove(cut)
    told = fold(read_events(far_night.live.folder).events).state_of(step.id)
    assert told.outcome == outcome
    if outcome == "done":
        assert far_kernel.value == "60"
        assert far_kernel.run(f"grep -v '^#' {SYSCTL_FILE}") == f"{KEEPALIVE} = 60\n"
    else:
        assert told.error.endswith("What it had done is undone."), told.error
        assert (far_kernel.value, far_kernel.files) == (before, [])
    await far_night.hands.close()
