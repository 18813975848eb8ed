"""The Network test as a phase: through an engine on a rehearsal, and on a road with routers."""

from __future__ import annotations

from typing import Any

import pytest

from checks.catalogue import BY_ID
from checks.check import Look
from checks.runner import run_checks
from profiles.events import Event, Probed
from profiles.journal import read_events
from profiles.profile import Thresholds
from rehearsal.folders import Settings
from rehearsal.road import Road
from rehearsal.wire import Conditions
from tests.fix_looks import a_profile, a_server
from tests.fix_rehearsed import a_night, a_state_folder
from tests.fix_road import OnPlace, listening

pytestmark = pytest.mark.live

PORT = 5432
PROBED = ("net.reached", "net.loss", "net.jitter", "net.mtu", "net.connecting")


async def test_on_a_rehearsal_nothing_is_left_open_and_the_journal_has_the_road() -> None:
    with a_state_folder() as folder:
        async with a_night(folder, Settings(rows=500)) as night, night.walk() as walk:
            await walk.look("network")  # raises where a finding stops the night, or is unknown
            found = {each.check: each for each in walk.night.findings_of("network")}
            assert set(found) == {check.id for check in BY_ID.values() if check.phase == "network"}
            assert found["net.loss"].figure == "0.0 % lost (0 of 5 probes)"
            assert "The copy of " in found["net.copy"].says
            assert "/s over one" in found["net.throughput"].figure
            assert "Seen from this machine" in found["net.page"].says
            assert walk.night.phase_done("network")
            told = [each for each in read_events(night.folder).events if isinstance(each, Probed)]
            assert [(each.origin, each.cycle, each.final) for each in told] == [("new", 5, True)]
            assert told[0].hops[-1].target
            assert told[0] == walk.night.probed


async def test_on_a_road_the_hops_are_told_while_they_are_probed(road: Road) -> None:
    road.be(Conditions(delay_ms=10.0))
    told: list[Event] = []
    near: Any = OnPlace(road.near)
    look = Look(
        a_profile(
            a_server("old", PORT, address=Road.far_address),
            a_server("new", PORT),
            thresholds=Thresholds(network_cycles=3),
        ),
        machines={"new": near},
        tell=told.append,
    )
    with listening(road.far, PORT):
        found = {
            each.check: each async for each in run_checks([BY_ID[one] for one in PROBED], look)
        }
    assert {check: each.verdict for check, each in found.items()} == dict.fromkeys(PROBED, "pass")
    probes = [each for each in told if isinstance(each, Probed)]
    assert {each.cycle for each in probes} >= {0, 1, 2, 3}
    assert [each.final for each in probes].count(True) == 1
    assert [hop.address for hop in probes[-1].hops][-1] == Road.far_address
    assert len(probes[-1].hops) == 3
    average_ms = probes[-1].hops[-1].avg_ms
    assert average_ms is not None
    assert average_ms >= 10.0
