"""A Network test that is under way: what else goes on beside it, and how it is ended."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from engine.client import new_id
from profiles.errors import RefusedError
from profiles.profile import Thresholds
from profiles.requests import Arm, TellSecret
from tests.fix_actions import moving
from tests.fix_desk import a_desk
from tests.fix_processes import words
from tests.fix_servers import PASSWORD, Pair
from tests.fix_ssh import Sshd, until

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("nights_here")]


def measuring_there(sshd: Sshd) -> list[int]:
    """The scripts that run on the far host."""
    return [pid for pid in sshd.processes() if "python" in " ".join(words(pid)[:1])]


async def test_preflight_goes_on_beside_it_and_arming_ends_it_on_the_far_host(
    old_and_new: Pair, sshd: Sshd, trusted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    near = moving(old_and_new, "postgres")
    profile = msgspec.structs.replace(
        near,
        destination=msgspec.structs.replace(near.destination, host=sshd.host()),
        thresholds=Thresholds(network_cycles=300, write_rate_window_s=0.05),
    )
    monkeypatch.setattr("engine.desk.rules.may_arm", lambda *_: None)
    async with a_desk(profile) as at:
        for name in ("old", "new"):
            await at.ask(TellSecret(id=new_id(), server=name, value=PASSWORD))
        measuring = asyncio.create_task(at.look("network"))
        await until(lambda: bool(measuring_there(sshd)), 20)
        await at.look("preflight")
        assert {"preflight"} == set(at.night.looked) and at.night.looking == {"network"}
        assert measuring_there(sshd)
        with pytest.raises(RefusedError):  # there is no checklist: it is refused after its look
            await at.ask(Arm(id=new_id(), typed="old"))
        await measuring
        assert not measuring_there(sshd)
        assert at.night.looking == set() and "network" not in at.night.looked
        assert any("The network test was ended" in one.text for one in at.night.said)
