"""A file that is not there yet, on this machine: made whole, or not at all."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

import pytest

from connections.host import ThisMachine
from profiles.errors import HostError

HERE = ThisMachine("host of new")


async def test_it_is_made_for_all_to_read_and_then_changed_like_any_other(tmp_path: Path) -> None:
    file = tmp_path / "new.conf"
    assert await HERE.read(str(file), creates=True) == ""
    assert await HERE.write(str(file), "a = 1\n", creates=True) == ""
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [file]
    file.chmod(0o600)
    backup = await HERE.write(str(file), "b = 2\n", creates=True)
    assert (file.read_text(), Path(backup).read_text()) == ("b = 2\n", "a = 1\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_only_who_says_so_makes_one(tmp_path: Path) -> None:
    for doing in (HERE.read(f"{tmp_path}/x"), HERE.write(f"{tmp_path}/x", "")):
        with pytest.raises(HostError, match="No such file"):
            await doing
    with pytest.raises(HostError, match="No such file"):
        await HERE.write(f"{tmp_path}/no/x", "", creates=True)
    assert list(tmp_path.iterdir()) == []


async def test_a_disk_that_is_full_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("connections.host.os.fsync", full)
    with pytest.raises(HostError, match="No space left"):
        await HERE.write(f"{tmp_path}/x", "y", creates=True)
    assert list(tmp_path.iterdir()) == []


async def test_a_file_of_another_user_is_not_ours_to_touch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connections.host.os.geteuid", lambda: 4242)
    for doing in (
        HERE.read(f"{tmp_path}/x", as_user="root", creates=True),
        HERE.write(f"{tmp_path}/x", "", as_user="root", creates=True),
    ):
        with pytest.raises(HostError, match="only root may"):
            await doing
    with pytest.raises(HostError, match="there is no user"):
        await HERE.read(f"{tmp_path}/x", as_user="nobody of that name")


async def test_a_file_of_ones_own_is(tmp_path: Path) -> None:
    me = pwd.getpwuid(os.geteuid()).pw_name
    await HERE.write(f"{tmp_path}/x", "y", as_user=me, creates=True)
    assert await HERE.read(f"{tmp_path}/x", as_user=me) == "y"
