"""A night whose source stands on a host that is reached over SSH: its key, and a file on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from actions import source
from engine.client import new_id
from profiles.errors import RefusedError
from profiles.events import HostKeyAccepted, HostKeyAsked
from profiles.profile import Profile
from profiles.requests import AcceptHostKey
from profiles.steps import settling
from rehearsal.server import Server as Running
from tests.fix_actions import a_night, moving
from tests.fix_desk import AtTheDesk, a_desk
from tests.fix_servers import Pair
from tests.fix_ssh import Sshd

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
    door = source.open_door(profile.source, profile.destination, "postgres", str(hba), tls=False)
    with a_night(profile) as night:
        assert await night.runs(door, door) == ["done", "already"], night.ended(door).error
        assert hba.read_text().splitlines()[1:] == before.splitlines()
        assert hba.stat().st_uid == owner
        assert await night.runs(settling(door)) == ["done"]
        assert hba.read_text() == before
        await night.hands.close()


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
