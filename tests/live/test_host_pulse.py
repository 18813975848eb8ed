"""The pulse of real hosts: read over SSH, ended with whoever reads it, and kept up by an engine."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from actions.source import helpers
from checks.check import Machine
from checks.host.pulse import Reading, pulse, shell_line
from connections.host import ThisMachine
from connections.hosts import Hosts
from connections.sessions import Sessions
from engine.launch import begin
from engine.night import LiveNight
from engine.pulses import Pulses
from profiles import events as ev
from profiles.errors import HostLostError
from profiles.fold import fold
from profiles.journal import Journal
from profiles.profile import LocalHost, Profile
from tests.fix_engine import until
from tests.fix_looks import a_profile, a_server
from tests.fix_processes import words
from tests.fix_servers import PASSWORD, Pair
from tests.fix_ssh import Sshd, all_pids, machine

pytestmark = pytest.mark.live

EVERY_S = 0.05 + os.getpid() % 1000 / 1e6


def watched(read: list[Reading]) -> None:
    assert read[0].cpu.busy is not None and read[0].cpu.steal is not None


async def readings(far: Machine, wanted: int = 2) -> list[Reading]:
    read: list[Reading] = []
    task = asyncio.create_task(pulse(far, None, EVERY_S, read.append, 60.0))
    await until(lambda: len(read) >= wanted)
    task.cancel()
    await asyncio.wait({task})
    return read


def pulsing() -> list[int]:
    """The shells that print a pulse, as quickly as only these tests want one."""
    return [pid for pid in all_pids() if f"set -- {EVERY_S:g} " in " ".join(words(pid))]


async def test_here_and_its_end() -> None:
    watched(await readings(ThisMachine()))
    await until(lambda: not pulsing())


async def test_over_ssh_and_over_busybox(operator: Path, sshd: Sshd, busybox_sshd: Sshd) -> None:
    (operator / ".ssh" / "known_hosts").write_text(sshd.known + busybox_sshd.known)
    for one in (sshd, busybox_sshd):
        async with machine(one) as far:
            watched(await readings(far))
            await until(lambda: not pulsing())


async def test_the_deadline_is_its_ordinary_end() -> None:
    read: list[Reading] = []
    await pulse(ThisMachine(), None, EVERY_S, read.append, 0.5)
    assert read


async def test_a_connection_that_dies_is_said_and_nothing_stays(trusted: Path, sshd: Sshd) -> None:
    read: list[Reading] = []
    async with machine(sshd) as far:
        task = asyncio.create_task(pulse(far, "sda", EVERY_S, read.append, 60.0))
        await until(lambda: bool(read))
        sshd.cut()
        with pytest.raises(HostLostError, match="watch the host"):
            await task
    await until(lambda: not pulsing())


def test_it_ends_when_who_started_it_was_killed() -> None:
    line = shell_line(None, EVERY_S)
    code = f"import subprocess, sys\nsubprocess.run(['/bin/sh', '-c', {line!r}], stdout=sys.stdout)"
    reader = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert reader.stdout is not None
    assert reader.stdout.readline().startswith(b"@@ ")
    reader.send_signal(signal.SIGKILL)
    reader.wait()
    assert len(reader.stdout.readlines()) < 100, "the end of its output: nobody prints any more"
    reader.stdout.close()


# An engine's


def on_this_machine(pair: Pair) -> Profile:
    here = LocalHost()
    old, new = (a_server(one.name, one.port, host=here) for one in (pair.old, pair.new))
    return a_profile(old, new)


async def ask(name: str) -> str:
    return PASSWORD


@pytest.mark.usefixtures("nights_here")
async def test_an_engine_watches_both_hosts_once_the_replication_has_begun(
    old_and_new: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.pulses.EVERY_S", EVERY_S)
    profile = on_this_machine(old_and_new)
    hosts = Hosts(profile, ask)
    with Journal.open(begin(profile)) as journal:
        live = LiveNight(journal.path.parent, journal, fold(journal.events))
        pulses = Pulses(live, Sessions(profile, ask, hosts), hosts)
        pulses.follow()
        assert not live.state.pulses
        live.publish(ev.Planned(phase="replication", steps=(helpers("old", "app"),)))
        live.publish(ev.StepBegan(step=helpers("old", "app").id))
        pulses.follow()
        names = {old_and_new.old.name, old_and_new.new.name}
        try:
            await until(lambda: live.state.pulses.keys() == names)
            sampled = live.state.pulses.values()
            assert all(one.trouble == "" and one.steal_percent is not None for one in sampled)
        finally:
            await pulses.stop()
    await until(lambda: not pulsing())
