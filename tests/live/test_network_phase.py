"""The Network test as a phase: through an engine on a rehearsal, and on a road with routers."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from checks.catalogue import BY_ID
from checks.check import HERE, Look
from checks.runner import run_checks
from profiles.events import Event, Probed
from profiles.fold import fold
from profiles.journal import read_events
from profiles.profile import ReplicationTunnel, Thresholds
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
            assert "Seen from" in found["net.page"].says
            assert "host of a pooler" not in found["net.page"].says
            assert found["net.session"].figure.endswith("no packet sent again")
            assert found["net.clocks"].verdict == found["net.window"].verdict == "pass"
            assert "no further road" in found["net.from_here"].figure
            assert walk.night.phase_done("network")
            told = [each for each in read_events(night.folder).events if isinstance(each, Probed)]
            assert [(each.origin, each.cycle, each.final) for each in told] == [("new", 5, True)]
            assert told[0].hops[-1].target
            assert told == [*walk.night.roads.values()]


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


TUNNEL = ReplicationTunnel(
    login=f"ferry@{Road.far_address}", login_port=PORT, comes_from=Road.near_address
)
BEHIND_SSH = ("net.loss", "net.connecting", "net.throughput", "net.window", "net.clocks")


async def test_the_port_of_sshd_is_connected_with_only_to_find_the_road(road: Road) -> None:
    """The destination's host at the near end; the source is reached through SSH at the far one."""
    road.be(Conditions(delay_ms=10.0))
    told: list[Event] = []
    machines: dict[str, Any] = {"new": OnPlace(road.near), "old": OnPlace(road.far)}
    old = a_server("old", PORT, address=Road.far_address, replication_tunnel=TUNNEL)
    thresholds = Thresholds(network_cycles=3)
    profile = a_profile(old, a_server("new", PORT), thresholds=thresholds)
    look = Look(profile, machines=machines, tell=told.append)
    checks = [BY_ID[one] for one in BEHIND_SSH]
    with listening(road.far, PORT) as connections:
        found = {each.check: each async for each in run_checks(checks, look)}
        assert connections() <= 3
    assert found["net.loss"].figure == "0.0 % lost (0 of 3 probes)"
    assert found["net.connecting"].figure.endswith(", to sshd")
    assert found["net.throughput"].figure.startswith("directly, ")
    assert "an SSH channel" in found["net.window"].evidence
    assert found["net.clocks"].verdict == "pass"
    last = told[-1]
    assert isinstance(last, Probed)
    assert last.leads_to == "SSH port of old's host, for replication"
    assert [hop.mode for hop in last.hops] == ["", "", "udp"]


async def test_both_ends_of_a_road_are_told_apart(road: Road) -> None:
    """Seen from the near end, as this machine; both servers stand at the far one."""
    told: list[Event] = []
    here: Any = OnPlace(road.near)
    old, new = (a_server(name, PORT, address=Road.far_address) for name in ("old", "new"))
    over_ipv6 = msgspec.structs.replace(new, address=Road.far_address_v6)
    profile = a_profile(old, over_ipv6, thresholds=Thresholds(network_cycles=1))
    look = Look(profile, machines={HERE: here}, tell=told.append)
    with listening(road.far, PORT):
        (found,) = [each async for each in run_checks([BY_ID["net.from_here"]], look)]
    assert found.verdict == "pass"
    night = fold(event for event in told if isinstance(event, Probed) and event.final)
    assert [*night.roads] == [
        ("this machine", f"{Road.far_address}:{PORT}"),
        ("this machine", f"[{Road.far_address_v6}]:{PORT}"),
    ]
