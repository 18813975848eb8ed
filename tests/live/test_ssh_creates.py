"""A file that is not there yet, on another machine: made whole, or not at all."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from connections import ssh_shell
from connections.ssh_host import RemoteMachine
from profiles.errors import HostError, HostLostError
from tests.fix_ssh import USERS, Sshd, machine, needs_root

pytestmark = pytest.mark.live


@pytest.fixture(params=["dash", "busybox"])
def server(request: pytest.FixtureRequest, operator: Path) -> Sshd:
    name = {"dash": "sshd", "busybox": "busybox_sshd"}[request.param]
    found: Sshd = request.getfixturevalue(name)
    (operator / ".ssh" / "known_hosts").write_text(found.known)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    return made


@pytest.fixture
async def host(server: Sshd) -> AsyncIterator[RemoteMachine]:
    async with machine(server) as opened:
        yield opened


async def test_it_is_made_for_all_to_read_and_then_changed_like_any_other(
    host: RemoteMachine, folder: Path
) -> None:
    file = folder / "it's new.conf"
    assert await host.read(str(file), creates=True) == ""
    await host.write(str(file), "a = 1\n", creates=True)
    assert file.read_text() == "a = 1\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert list(folder.iterdir()) == [file]
    file.chmod(0o600)
    backup = await host.write(str(file), "b = 2\n", creates=True)
    assert (file.read_text(), Path(backup).read_text()) == ("b = 2\n", "a = 1\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert await host.read(str(file), creates=True) == "b = 2\n"


async def test_only_who_says_so_makes_one(host: RemoteMachine, folder: Path) -> None:
    for doing in (host.read(f"{folder}/x"), host.write(f"{folder}/x", "")):
        with pytest.raises(HostError, match="No such file"):
            await doing
    with pytest.raises(HostError, match="No such file"):
        await host.write(f"{folder}/no folder/x", "", creates=True)
    with pytest.raises(HostError, match="no plain file"):
        await host.write(str(folder), "", creates=True)
    assert list(folder.iterdir()) == []


@needs_root
async def test_where_nothing_can_be_written_nothing_is_left(
    host: RemoteMachine, server: Sshd
) -> None:
    before = {*server.read_only.iterdir()}
    with pytest.raises(HostError, match="Read-only file system"):
        await host.write(f"{server.read_only}/x", "y", creates=True)
    assert {*server.read_only.iterdir()} == before


@needs_root
async def test_it_belongs_to_whom_it_is_made_for(sshd: Sshd, trusted: Path) -> None:
    async with machine(sshd, "porter") as host:
        home = sshd.folder / "home" / "keeper"
        file = home / "new.conf"
        with pytest.raises(HostError):
            await host.write(str(file), "x", creates=True)
        await host.write(str(file), "x", creates=True, as_user="keeper")
        assert file.stat().st_uid == USERS["keeper"]
        file.unlink()


@pytest.mark.parametrize("at", ["staged", "swapped"])
async def test_a_connection_that_dies_leaves_all_of_it_or_nothing(
    host: RemoteMachine,
    server: Sshd,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    at: str,
) -> None:
    file, whole = folder / "new.conf", "line\n" * 1000
    swap = ssh_shell.swap_line

    def cut(real: str, stamp: str) -> str:
        if at == "staged":
            server.cut()
            return swap(real, stamp)
        return f"{swap(real, stamp)}; sleep 600"

    monkeypatch.setattr(ssh_shell, "swap_line", cut)
    writing = asyncio.create_task(host.write(str(file), whole, creates=True))
    if at == "swapped":
        async with asyncio.timeout(5):
            while not file.exists():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        server.cut()
    try:
        await writing
    except HostLostError:
        assert list(folder.iterdir()) == []
    else:
        assert (list(folder.iterdir()), file.read_text()) == ([file], whole)
