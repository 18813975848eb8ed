"""The tunnel of replication as its own unit, and a log that is followed, over a real sshd."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from connections import unit as units
from connections.follow import follow, where_it_ends
from connections.host import Host, ThisMachine
from connections.ssh_host import RemoteMachine
from connections.unit import TunnelUnit
from profiles.errors import HostError
from profiles.steps import Evidence, Shell, fill
from rehearsal.server import free_port
from tests.fix_processes import about, words
from tests.fix_ssh import Sshd, linked, needs_root, until

pytestmark = pytest.mark.live


@pytest.fixture
async def destination(sshd: Sshd, trusted: Path) -> AsyncIterator[RemoteMachine]:
    link = linked(sshd, "keeper")
    yield RemoteMachine(link)
    await link.close()


@pytest.fixture
async def database() -> AsyncIterator[int]:
    """Says hello to whoever comes."""

    def hello(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello\n")
        writer.close()

    server = await asyncio.start_server(hello, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


def a_unit(sshd: Sshd, database: int) -> TunnelUnit:
    return TunnelUnit(
        name=f"nightferry-{os.getpid()}",
        runs_on="new",
        through="old",
        login="keeper@127.0.0.1",
        login_port=sshd.port,
        host_key=sshd.known,
        seen_from="127.0.0.1",
        database=("127.0.0.1", database),
        local_port=free_port(),
    )


async def done(host: Host, command: Shell, values: dict[str, str]) -> str:
    ran = await host.run(fill(command.line, command.fills, values), deadline_s=20)
    assert ran.code == 0, ran.err
    if command.captures is not None:
        values[command.captures] = ran.out.strip()
    return ran.out.strip()


async def holds(host: Host, evidence: Evidence) -> bool:
    assert isinstance(evidence.ask, Shell)
    return await done(host, evidence.ask, {}) == evidence.answer


async def heard(port: int) -> bytes:
    """What the database says through the tunnel, as soon as it leads there."""
    async with asyncio.timeout(8):
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                said = await reader.read()
                writer.close()
            except ConnectionError:
                said = b""
            if said:
                return said
            await asyncio.sleep(0.02)


@needs_root
async def test_a_tunnel_of_its_own_is_made_survives_and_is_removed(
    sshd: Sshd, destination: RemoteMachine, database: int
) -> None:
    unit, values = a_unit(sshd, database), dict[str, str]()
    keeper = await units.keeper_of(destination)
    if keeper != "process":
        pytest.skip("what systemd would keep running here would outlive the test")
    authorized = sshd.folder / "home" / "keeper" / ".ssh" / "authorized_keys"
    authorized.parent.mkdir(mode=0o777)
    authorized.write_text("ssh-ed25519 AAAA another")
    authorized.parent.chmod(0o777)
    authorized.chmod(0o666)
    assert await holds(destination, units.is_stopped(unit, keeper))
    for command in (units.make(unit), units.public_key(unit), units.permit(unit)):
        await done(destination, command, values)
        await done(destination, command, values)  # each of them only once
    another, ours = authorized.read_text().splitlines()
    assert another == "ssh-ed25519 AAAA another"
    assert ours == units.authorized(unit, values["public_key"])
    for _ in range(2):
        await done(destination, units.start(unit, keeper), values)
    assert await holds(destination, units.runs(unit, keeper))
    try:
        assert await heard(unit.local_port) == b"hello\n"
        assert len([pid for pid in about_unit(unit) if words(pid)[0] == "/bin/sh"]) == 1
        sshd.cut()  # what started it ends as well
        assert await heard(unit.local_port) == b"hello\n"
    finally:
        await done(destination, units.stop(unit, keeper), values)
    assert await holds(destination, units.is_stopped(unit, keeper))
    await until(lambda: not about_unit(unit))
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", unit.local_port)
    for command in (units.forbid(unit), units.remove(unit), units.stop(unit, keeper)):
        await done(destination, command, values)
        await done(destination, command, values)
    assert authorized.read_text() == "ssh-ed25519 AAAA another\n"
    assert not (sshd.folder / "home" / "keeper" / ".nightferry" / unit.name).exists()


def about_unit(unit: TunnelUnit) -> list[int]:
    """Its processes: the loop, and the ssh in it."""
    pids = [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if f"/.nightferry/{unit.name}/" in " ".join(words(pid))]


@needs_root
async def test_the_key_opens_that_one_door_only(
    sshd: Sshd, destination: RemoteMachine, database: int
) -> None:
    unit, values = a_unit(sshd, database), dict[str, str]()
    for command in (units.make(unit), units.public_key(unit), units.permit(unit)):
        await done(destination, command, values)
    folder = sshd.folder / "home" / "keeper" / ".nightferry" / unit.name
    try:
        ssh = (
            f"ssh -F none -o BatchMode=yes -o UserKnownHostsFile={folder}/known_hosts"
            f" -i {folder}/key -p {sshd.port}"
        )
        ran = await destination.run(f"{ssh} -W 127.0.0.1:{database} {unit.login}", deadline_s=10)
        assert (ran.out, ran.err) == ("hello\n", "")
        ran = await destination.run(f"{ssh} -W 127.0.0.1:{sshd.port} {unit.login}", deadline_s=10)
        assert "administratively prohibited" in ran.err
    finally:
        for command in (units.forbid(unit), units.remove(unit)):
            await done(destination, command, values)


# A log that is followed


@pytest.fixture(params=["here", "sshd", "busybox_sshd"])
def server(request: pytest.FixtureRequest) -> Sshd | None:
    return None if request.param == "here" else request.getfixturevalue(request.param)


@pytest.fixture
async def host(server: Sshd | None, operator: Path) -> AsyncIterator[Host]:
    if server is None:
        yield ThisMachine()
        return
    (operator / ".ssh" / "known_hosts").write_text(server.known)
    link = linked(server)
    yield RemoteMachine(link)
    await link.close()


class Told:
    """The lines, and where each stood."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.places: list[int] = []

    def __call__(self, line: str, at: int) -> None:
        self.lines.append(line)
        self.places.append(at)


async def test_a_log_is_followed_from_a_point_on_and_through_its_rotation(
    host: Host, tmp_path: Path
) -> None:
    log = tmp_path / "postgresql 16.log"
    log.write_bytes(b"LOG: before, caf\xe9\n")
    since = await where_it_ends(host, str(log))
    assert since == log.stat().st_size
    with log.open("a") as opened:
        opened.write("WARNING: one\n")
    told = Told()
    following = asyncio.create_task(follow(host, str(log), since, told, deadline_s=60))
    await until(lambda: told.lines == ["WARNING: one"])
    with log.open("a") as opened:
        opened.write("ERROR: Köln\nhalf")
    await until(lambda: len(told.lines) == 2)
    with log.open("a") as opened:
        opened.write(" a line\n")
    await until(lambda: told.lines[1:] == ["ERROR: Köln", "half a line"])
    assert told.places == [since, since + 13, since + 26]
    log.rename(tmp_path / "postgresql 16.log.1")
    log.write_text("LOG: anew\n")
    await until(lambda: told.lines[3:] == ["LOG: anew"], 15)
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
    await until(lambda: not [pid for pid in about(log) if {"tail", "grep"} & {*words(pid)}])


async def test_what_is_not_wanted_stays_there_and_bytes_are_counted(
    sshd: Sshd, trusted: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"caf\xe9\n" * 3)
    link = linked(sshd)
    told = Told()
    following = asyncio.create_task(
        follow(RemoteMachine(link), str(log), 5, told, deadline_s=60, only="WARN|ERR")
    )
    with log.open("ab") as opened:
        opened.write(b"WARN-1\n" + b"1-\n2:\n3\n4\n" + b"x\n" * 9 + b"caf\xe9 ERR\n")
    await until(lambda: told.lines[-1:] == ["caf\N{REPLACEMENT CHARACTER} ERR"])
    assert told.lines[:-1] == ["WARN-1", "1-", "2:", "3", ""]
    assert told.places == [15, 22, 25, 28, 28, log.stat().st_size - len("cafe ERR\n")]
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
    await link.close()


async def test_following_ends_at_its_deadline(host: Host, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("")
    await follow(host, str(log), 0, Told(), deadline_s=0.3)


@pytest.mark.parametrize("name", ["nope", "closed"])
async def test_a_log_that_cannot_be_read_is_said(host: Host, tmp_path: Path, name: str) -> None:
    with pytest.raises(HostError, match=rf"follow {tmp_path}/{name}: .*No such file"):
        await where_it_ends(host, f"{tmp_path}/{name}")


async def test_no_line_is_lost_or_told_twice_when_the_connection_dies(
    sshd: Sshd, trusted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connections.follow.AGAIN_S", 0.05)
    log = tmp_path / "log"
    log.write_text("before\n")
    link = linked(sshd)
    told = Told()
    following = asyncio.create_task(follow(RemoteMachine(link), str(log), 7, told, deadline_s=60))
    for turn in range(3):
        with log.open("a") as opened:
            opened.write(f"{turn}\n")
        await until(lambda: len(told.lines) == 2 * turn + 1)  # noqa: B023
        sshd.cut()
        with log.open("a") as opened:
            opened.write(f"while away {turn}\n")
        await until(lambda: len(told.lines) == 2 * turn + 2)  # noqa: B023
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await link.close()
    assert told.lines == [line for i in range(3) for line in (str(i), f"while away {i}")]
