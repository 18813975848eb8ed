"""The phase Host tuning at the desk: looked at, proposed, chosen, applied when marked, undone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from engine.client import new_id
from profiles.errors import RefusedError
from profiles.profile import Profile, SecretRef
from profiles.requests import ChooseValue, Confirm, RunPhase, UndoStep
from rehearsal.server import Server as Running
from tests.fix_actions import moving, session
from tests.fix_desk import AtTheDesk, a_desk
from tests.fix_servers import PASSWORD, Pair, StartServer

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("nights_here")]

CHECKPOINT = "tune-checkpoint_timeout@new"
BEFORE = {"checkpoint_timeout": "5min"}


@pytest.fixture
async def profile(start_server: StartServer, monkeypatch: pytest.MonkeyPatch) -> Profile:
    monkeypatch.setenv("NIGHTFERRY_TEST_PASSWORD", PASSWORD)
    pair = Pair(await start_server("old", 16, {}), await start_server("new", 18, BEFORE))
    near = moving(pair, "postgres")
    secret = SecretRef(env="NIGHTFERRY_TEST_PASSWORD")
    return msgspec.structs.replace(
        near,
        source=msgspec.structs.replace(near.source, password=secret),
        destination=msgspec.structs.replace(near.destination, password=secret),
    )


@pytest.fixture
async def desk(profile: Profile) -> AsyncIterator[AtTheDesk]:
    async with a_desk(profile) as at_it:
        await at_it.look("tuning")
        yield at_it


async def shown(profile: Profile, name: str) -> str:
    new = profile.destination
    running = Running("new", _programs(profile), _programs(profile), PASSWORD)
    running.port = new.port
    async with session(running) as asked:
        return str(await asked.value(f"SHOW {name}"))


def _programs(profile: Profile) -> Path:
    return Path(profile.destination.client_tools or "")


async def test_both_hosts_are_seen_and_settings_proposed(desk: AtTheDesk) -> None:
    night = desk.night
    assert set(night.hosts) == {"old", "new"}
    assert night.hosts["new"].place("data") is not None
    unknown = [found.check for found in night.findings_of("tuning") if found.verdict == "unknown"]
    assert not {"host.system", "host.steal", "host.compared", "pg.commits"} & set(unknown)
    for proposal in night.proposals.values():
        assert proposal.arithmetic and proposal.rule and proposal.why, proposal.id
    assert {step.id for step in night.plan("tuning")} >= set(night.proposals) | {"disk-test@new"}


async def test_nothing_is_applied_that_was_not_marked_and_what_was_can_be_taken_back(
    desk: AtTheDesk, profile: Profile
) -> None:
    await desk.ask(RunPhase(id=new_id(), phase="tuning"))
    assert desk.began() == []
    await desk.ask(ChooseValue(id=new_id(), step=CHECKPOINT, value="20 min"))
    assert desk.night.proposals[CHECKPOINT].proposed == "20min"
    await desk.ask(Confirm(id=new_id(), phase="tuning", server="new"))
    await desk.ask(RunPhase(id=new_id(), phase="tuning", steps=(CHECKPOINT,)))
    assert desk.began() == [CHECKPOINT]
    assert desk.night.state_of(CHECKPOINT).outcome == "done"
    assert await shown(profile, "checkpoint_timeout") == "20min"
    with pytest.raises(RefusedError, match="it is set already"):
        await desk.ask(ChooseValue(id=new_id(), step=CHECKPOINT, value="30min"))
    await desk.ask(UndoStep(id=new_id(), step=CHECKPOINT))
    assert await shown(profile, "checkpoint_timeout") == BEFORE["checkpoint_timeout"]
    assert not desk.night.open_loose_ends()


@pytest.mark.parametrize("value", ["", "much", "20 elephants"])
async def test_a_value_of_another_kind_is_refused(desk: AtTheDesk, value: str) -> None:
    before = desk.night.proposals[CHECKPOINT]
    with pytest.raises(RefusedError, match="checkpoint_timeout"):
        await desk.ask(ChooseValue(id=new_id(), step=CHECKPOINT, value=value))
    assert desk.night.proposals[CHECKPOINT] == before


async def test_the_write_test_is_held_against_what_the_source_commits(desk: AtTheDesk) -> None:
    assert not [f for f in desk.night.findings_of("tuning") if f.check == "host.disk_test"]
    await desk.ask(Confirm(id=new_id(), phase="tuning", server="new"))
    await desk.ask(RunPhase(id=new_id(), phase="tuning", steps=("disk-test@new",)))
    (found,) = [f for f in desk.night.findings_of("tuning") if f.check == "host.disk_test"]
    assert "a flush takes" in found.figure and "transactions/s" in found.figure
    assert found.verdict in ("pass", "warn", "stop")
