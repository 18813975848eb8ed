"""A destination on another host: pg_dump and pg_restore run there, replication through a tunnel.

Both hosts are one real sshd; on each of them lines are for another user than the one who logs in.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import re
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from checks.lag import Watched, read_sample
from connections.hosts import Hosts
from profiles.errors import HostError
from profiles.events import Planned
from profiles.profile import Profile, ReplicationTunnel
from profiles.steps import Step, settling, shown
from rehearsal import server
from rehearsal.server import free_port
from rehearsal.world import HBA, create_shop
from routes import postgres_logical
from tests.fix_actions import ANight, a_night, given, moving, session
from tests.fix_desk import a_desk
from tests.fix_processes import words
from tests.fix_servers import PASSWORD, Pair, StartServer
from tests.fix_ssh import Sshd, all_pids, needs_root, until

pytestmark = [pytest.mark.live, needs_root, pytest.mark.usefixtures("trusted")]

LOGINS = {"app": "tr0ub4dor", "reporting": "finance"}
OWNER = "nobody"
"""Of the servers' files."""


@pytest.fixture
async def pair(start_server: StartServer) -> Pair:
    old, new = await asyncio.gather(
        start_server("old", 16, server.SETTINGS, HBA), start_server("new", 18, server.SETTINGS, HBA)
    )
    await create_shop(old, 200, LOGINS)
    return Pair(old, new)


@pytest.fixture
def profile(pair: Pair, sshd: Sshd) -> Profile:
    near = moving(pair, "shop")
    replaced = msgspec.structs.replace
    return replaced(
        near,
        source=replaced(near.source, host=sshd.host("porter", sudo_user=OWNER)),
        destination=replaced(near.destination, host=sshd.host("porter", sudo_user="keeper")),
    )


@pytest.fixture
def tunnelled(profile: Profile, sshd: Sshd) -> Profile:
    tunnel = ReplicationTunnel(
        login="ferry@127.0.0.1",
        login_port=sshd.port,
        comes_from="127.0.0.1",
        local_port=free_port(),
    )
    source = msgspec.structs.replace(profile.source, replication_tunnel=tunnel)
    return msgspec.structs.replace(profile, source=source)


@pytest.fixture
async def begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[[Profile], ANight]]:
    """Begins a night of the profile."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    begun = []

    def one(profile: Profile) -> ANight:
        begun.append(a_night(profile))
        nights.append(begun[-1].__enter__())
        return nights[-1]

    nights: list[ANight] = []
    yield one
    for night, scope in zip(nights, begun, strict=True):
        await night.hands.close()
        scope.__exit__(None, None, None)


async def planned(night: ANight, pair: Pair) -> list[Step]:
    steps = postgres_logical.replicate(await given(night, pair))
    night.live.publish(Planned(phase="replication", steps=tuple(steps)))
    return steps


async def carried(night: ANight, steps: list[Step]) -> None:
    for step in steps:
        outcome = await night.runner.run(step)
        assert outcome in ("done", "already"), night.ended(step).error
        assert await night.runner.run(step) == "already", night.ended(step).error


async def settled(night: ANight, pair: Pair) -> list[str]:
    """Gives everything back, in the order of the route; the steps it took."""
    steps = postgres_logical.settle(await given(night, pair))
    for step in steps:
        assert await night.runner.run(step) in ("done", "already"), night.ended(step).error
    assert night.live.state.open_loose_ends() == []
    return [step.id.partition("@")[0] for step in steps]


def of_kind(steps: list[Step], kind: str) -> Step:
    return next(step for step in steps if step.id.startswith(f"{kind}@"))


def home(sshd: Sshd, user: str) -> list[str]:
    return sorted(entry.name for entry in (sshd.folder / "home" / user).iterdir())


# Where pg_dump and pg_restore run


async def test_the_schema_is_carried_over_on_the_destinations_host(
    pair: Pair, profile: Profile, sshd: Sshd, begin: Callable[[Profile], ANight]
) -> None:
    night = begin(profile)
    before = (pair.old.data / "pg_hba.conf").read_text()
    steps = await planned(night, pair)
    await carried(night, steps)
    dump = sshd.folder / "home/keeper/.nightferry" / night.live.folder.name / "schema.dump"
    assert dump.stat().st_mode & 0o777 == 0o600
    assert dump.stat().st_uid == dump.parent.stat().st_uid == 64205
    assert dump.parent.stat().st_mode & 0o777 == 0o700
    lines = (pair.old.data / "pg_hba.conf").read_text().splitlines()
    assert lines[1] == "host shop postgres 127.0.0.1/32 scram-sha-256 # nightferry: pg_dump"
    async with session(pair.new, "shop") as new:
        indexes = "SELECT count(*) FROM pg_indexes WHERE schemaname NOT LIKE 'pg_%'"
        assert await new.value(indexes) > 5
    order = await settled(night, pair)
    assert "undo-schema" in order
    assert home(sshd, "keeper") == []
    assert (pair.old.data / "pg_hba.conf").read_text() == before


async def test_a_dump_that_is_not_let_in_says_from_where_it_came(
    pair: Pair, profile: Profile, begin: Callable[[Profile], ANight]
) -> None:
    night = begin(profile)
    step = of_kind(await planned(night, pair), "schema")
    hba = pair.old.data / "pg_hba.conf"
    refusing = "host shop postgres 127.0.0.1/32 reject\n"
    hba.write_text(refusing + hba.read_text())
    async with session(pair.old) as old:
        await old.run("SELECT pg_reload_conf()")
    dump = msgspec.structs.replace(
        step.commands[0],  # once, not until a lock is free
        line=re.sub(r"-lt \d+", "-lt 1", shown(step.commands[0])),
    )
    async with night.hands.at_work() as work:
        with pytest.raises(HostError) as refused:
            await work.do(dump, {})
    error = str(refused.value)
    assert "host of new: run" in error
    assert "pg_hba.conf rejects connection" in error
    assert "It logged in from the host of new" in error
    undo = settling(step)
    assert await night.runner.run(undo) == "done", night.ended(undo).error


# The password there


class Held:
    """pg_dump, and what is to be seen of it on its host, for as long as it is held up."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for program in ("pg_restore", "psql", "pg_isready"):
            (folder / program).symlink_to(programs / program)
        script = f'#!/bin/sh\nread -r line <"$PGPASSFILE"\necho "$line" >{folder}/new\n'
        script += f"mv {folder}/new {folder}/read\nexec sleep 600\n"
        (folder / "pg_dump").write_text(script)
        (folder / "pg_dump").chmod(0o755)
        folder.chmod(0o777)

    async def up(self) -> None:
        await until(lambda: (self.folder / "read").exists(), 15)

    def files(self) -> list[str]:
        """What is open anywhere of files that hold a password."""
        found = []
        for pid in all_pids():
            with suppress(OSError):
                for one in Path(f"/proc/{pid}/fd").iterdir():
                    with suppress(OSError):
                        found.append(str(one.readlink()))
        return [one for one in found if "/nightferry." in one]


@pytest.fixture
def held(sshd: Sshd, pair: Pair) -> Held:
    folder = sshd.folder / f"held-{pair.new.port}"
    return Held(folder, pair.new.programs)


def seen_everywhere() -> str:
    """Every command line and every environment, but of what the test itself runs in."""
    said = ""
    for pid in set(all_pids()) - {os.getpid(), os.getppid()}:
        said += " ".join(words(pid))
        with suppress(OSError):
            said += Path(f"/proc/{pid}/environ").read_text(errors="replace")
    return said


def in_folders() -> list[str]:
    return [str(one) for place in ("/dev/shm", "/tmp") for one in Path(place).glob("nightferry.*")]


@pytest.mark.parametrize("end", ["cut", "cancel"])
async def test_the_password_is_there_for_as_long_as_the_line_and_nowhere_to_be_seen(
    pair: Pair,
    profile: Profile,
    sshd: Sshd,
    held: Held,
    begin: Callable[[Profile], ANight],
    end: str,
) -> None:
    night = begin(profile)
    known = await given(night, pair)
    slow = dataclasses.replace(known, tools=str(held.folder))
    steps = postgres_logical.replicate(slow)
    await carried(night, [of_kind(steps, "roles"), of_kind(steps, "database")])
    step = of_kind(steps, "schema")
    running = asyncio.create_task(night.runner.run(step))
    await held.up()
    assert (held.folder / "read").read_text() == (
        f"127.0.0.1:{pair.old.port}:*:postgres:{PASSWORD}\n"
    )
    assert PASSWORD not in seen_everywhere()
    assert "PGPASSFILE=/proc/self/fd/5" in seen_everywhere()
    assert held.files() != [] and all(one.endswith(" (deleted)") for one in held.files())
    assert in_folders() == []
    if end == "cut":
        sshd.cut()
    else:
        night.runner.cancel()
    assert await running == "failed"
    await until(lambda: held.files() == [], 10)
    assert in_folders() == []
    assert PASSWORD not in (night.live.folder / "journal.jsonl").read_text()
    undo = settling(step)
    assert await night.runner.run(undo) == "done", night.ended(undo).error
    assert home(sshd, "keeper") == []


# Replication through a tunnel


async def test_replication_goes_through_a_tunnel_that_is_wholly_undone(
    pair: Pair, tunnelled: Profile, sshd: Sshd, begin: Callable[[Profile], ANight]
) -> None:
    night = begin(tunnelled)
    steps = await planned(night, pair)
    if "systemd-run" in str(steps[1].commands):
        pytest.skip("what systemd would keep running here would outlive the test")
    await carried(night, steps)
    async with session(pair.old, "shop") as old, session(pair.new, "shop") as new:
        sender = "SELECT host(client_addr) FROM pg_stat_replication"
        assert await old.value(sender) == "127.0.0.1"
        way = str(await new.value("SELECT subconninfo FROM pg_subscription"))
        tunnel = tunnelled.source.replication_tunnel
        assert tunnel is not None
        assert f"port={tunnel.local_port} hostaddr=127.0.0.1" in way
        pids = "SELECT string_agg(pid::text, ' ') FROM pg_stat_replication"
        first = await old.value(pids)
        sshd.cut()  # it is back by itself
        async with asyncio.timeout(20):
            while await old.value(pids) in (None, first):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await old.run("INSERT INTO nightferry.heartbeat VALUES ('m', 'forward', now())")
        sample = await read_sample(old, new, None, Watched(night="n"))
        assert sample.trouble == ""
        counted = "SELECT count(*) FROM nightferry.heartbeat WHERE night = 'm'"
        async with asyncio.timeout(20):
            while await new.value(counted) != 1:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    unit = "nightferry-" + night.live.folder.name
    assert home(sshd, "ferry") == [".ssh"]
    assert [pid for pid in all_pids() if unit in " ".join(words(pid))]
    order = await settled(night, pair)
    assert order.index("undo-subscription") < order.index("undo-tunnel") < order.index("undo-hba")
    assert home(sshd, "ferry") == home(sshd, "keeper") == []
    await until(lambda: not [pid for pid in all_pids() if unit in " ".join(words(pid))])


async def test_a_port_that_another_server_has_is_no_tunnel(
    pair: Pair,
    tunnelled: Profile,
    begin: Callable[[Profile], ANight],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("engine.runner.SETTLE_S", 0.2)
    tunnel = tunnelled.source.replication_tunnel
    assert tunnel is not None
    taken = msgspec.structs.replace(tunnel, local_port=pair.new.port)
    source = msgspec.structs.replace(tunnelled.source, replication_tunnel=taken)
    night = begin(msgspec.structs.replace(tunnelled, source=source))
    step = of_kind(await planned(night, pair), "tunnel")
    assert await night.runner.run(step) == "failed"
    assert "it leads to old itself" in night.ended(step).error
    undo = settling(step)
    assert await night.runner.run(undo) == "done", night.ended(undo).error


@pytest.mark.usefixtures("nights_here")
async def test_a_desk_finds_out_what_the_tunnel_needs(
    tunnelled: Profile, sshd: Sshd, pair: Pair
) -> None:
    async with a_desk(tunnelled) as at:
        for name in ("old", "new"):
            at.desk._passwords.tell(name, PASSWORD)
        await at.look("replication")
        said = [one.text for one in at.night.said if one.trouble]
        steps = {step.id: step for step in at.night.plan("replication")}
        assert "tunnel@new" in steps, said
        known = sshd.known.split()
        lines = "\n".join(shown(command) for command in steps["tunnel@new"].commands)
        assert " ".join(known[:3]) in lines
        assert f"127.0.0.1:{pair.old.port} ferry@127.0.0.1" in lines
        assert str(pair.new.programs) in lines


async def test_the_hosts_key_is_the_one_we_know_it_by(tunnelled: Profile, sshd: Sshd) -> None:
    async def no_password(name: str) -> str | None:
        return None

    hosts = Hosts(tunnelled, no_password)
    opened = await hosts.link("old").open()
    assert opened.host_key().split() == sshd.known.split()[1:3]
    await hosts.close()
