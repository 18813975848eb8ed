"""A night whose source stands on a host that is reached over SSH: its key, and a file on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from actions import source
from connections import ssh_shell
from engine.client import new_id
from profiles.errors import RefusedError
from profiles.events import HostKeyAccepted, HostKeyAsked
from profiles.fold import fold
from profiles.journal import read_events
from profiles.profile import Profile
from profiles.requests import AcceptHostKey
from profiles.steps import settling
from rehearsal.server import Server as Running
from tests.fix_actions import a_night, moving
from tests.fix_desk import AtTheDesk, a_desk
from tests.fix_servers import Pair
from tests.fix_ssh import Sshd, until

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("nights_here")]


@pytest.fixture
def profile(old_and_new: Pair, sshd: Sshd) -> Profile:
    """The old server's host only over SSH."""
    near = moving(old_and_new, "postgres")
    return msgspec.structs.replace(
        near, source=msgspec.structs.replace(near.source, host=sshd.host())
    )


@pytest.fixture
async def desk(profile: Profile) -> AsyncIterator[AtTheDesk]:
    async with a_desk(profile) as at_it:
        yield at_it


async def test_a_file_on_the_far_host_is_edited_and_given_back(
    profile: Profile, old_and_new: Pair, trusted: Path
) -> None:
    old: Running = old_and_new.old
    hba = old.data / "pg_hba.conf"
    before, owner = hba.read_text(), hba.stat().st_uid
    door = source.open_door(
        *(profile.source, profile.destination, "postgres", str(hba)),
        tls=False,
        address="127.0.0.1",
        dumps=False,
    )
    with a_night(profile) as night:
        assert await night.runs(door, door) == ["done", "already"], night.ended(door).error
        assert hba.read_text().splitlines()[1:] == before.splitlines()
        assert hba.stat().st_uid == owner
        assert await night.runs(settling(door)) == ["done"]
        assert hba.read_text() == before
        await night.hands.close()


STALL = "touch {there}; sleep 60"


@pytest.mark.parametrize("where", ["mid-file", "before the swap", "after the swap"])
async def test_a_connection_killed_in_mid_edit_leaves_journal_and_host_in_agreement(
    profile: Profile,
    old_and_new: Pair,
    sshd: Sshd,
    trusted: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    where: str,
) -> None:
    hba = old_and_new.old.data / "pg_hba.conf"
    before = hba.read_text()
    door = source.open_door(
        *(profile.source, profile.destination, "postgres", str(hba)),
        tls=False,
        address="127.0.0.1",
        dumps=False,
    )
    with a_night(profile) as night, monkeypatch.context() as patched:
        stalled = _stall(patched, where, tmp_path / "now")
        running = asyncio.create_task(night.runs(door))
        await until(stalled.exists, 20)
        sshd.cut()
        outcomes = await running
        patched.undo()

        moved = where == "after the swap"
        assert outcomes == ["done" if moved else "failed"], night.ended(door).error
        assert (hba.read_text() != before) is moved
        told = fold(read_events(night.live.folder).events)
        assert told.state_of(door.id).outcome == outcomes[0]
        assert [end.loose_end.server for end in told.open_loose_ends()] == ["old"]
        assert not [*hba.parent.glob(".pg_hba.conf*")]

        assert await night.runs(door) == ["already" if moved else "done"]
        assert await night.runs(settling(door)) == ["done"]
        assert hba.read_text() == before
        await night.hands.close()


def _stall(patched: pytest.MonkeyPatch, where: str, there: Path) -> Path:
    """Lets the far side come so far and no farther; says there that it has."""
    swap, staging, stall = ssh_shell.swap_line, ssh_shell.staging_script, STALL.format(there=there)
    if where == "mid-file":
        wait = f"{stall}\ndd of="
        patched.setattr(
            ssh_shell,
            "staging_script",
            lambda *some, **more: staging(*some, **more).replace("dd of=", wait),
        )
        return there
    lines = {"before the swap": "true; {stall}", "after the swap": "{swap}; {stall}"}
    patched.setattr(
        ssh_shell,
        "swap_line",
        lambda *some: lines[where].format(swap=swap(*some), stall=stall),
    )
    return there


async def test_an_unknown_key_is_asked_about_and_only_the_one_that_was_shown_accepted(
    desk: AtTheDesk, operator: Path, sshd: Sshd
) -> None:
    await desk.look("preflight")
    asked = desk.night.keys_wanted["old"]
    assert asked.fingerprint.startswith("SHA256:") and asked.fingerprint in asked.prompt
    wrong = AcceptHostKey(id=new_id(), server="old", fingerprint="SHA256:another")
    with pytest.raises(RefusedError, match="has not shown this key"):
        await desk.ask(wrong)
    assert not (operator / ".ssh" / "known_hosts").exists()
    await desk.ask(msgspec.structs.replace(wrong, fingerprint=asked.fingerprint))
    assert desk.night.keys_wanted == {}
    known = (operator / ".ssh" / "known_hosts").read_text()
    assert known.split()[:3] == sshd.known.split()[:3]
    await desk.look("preflight")
    kinds = [type(event) for event in desk.events()]
    assert kinds.count(HostKeyAsked) == kinds.count(HostKeyAccepted) == 1
