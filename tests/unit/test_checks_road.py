"""The checks of the Network test over a machine that prints what a probe would."""

from __future__ import annotations

from datetime import UTC, datetime

from checks import road
from checks.check import Look
from checks.network.verdicts import Limits
from profiles.events import ChecksBegan, Event, Probed, ProbedHop, is_journalled
from profiles.fold import Night, fold
from profiles.profile import (
    Thresholds,
)
from profiles.report import report
from tests.fix_looks import a_profile, a_server
from tests.fix_scripted import Scripted, a_look, looked


async def test_a_road_that_is_fine_has_a_figure_for_everything_and_is_probed_once() -> None:
    machine = Scripted()
    found = await looked(a_look(machine))
    assert {each.verdict for each in found.values()} == {"pass"}
    assert found["net.loss"].figure == "0.0 % lost (0 of 20 probes)"
    assert found["net.mtu"].figure == "path MTU 1500 B"
    assert found["net.connecting"].figure == "connect 0.4 ms, TLSv1.3 2.0 ms"
    assert "The copy of 2.0 GB takes 20 s at 100 MB/s" in found["net.copy"].says
    assert "no network is between them" in found["net.throughput"].says
    assert found["net.session"].figure == (
        "round trip 1.2 ms, 1.0 ms at best; no packet sent again"
    )
    assert found["net.clocks"].figure == "+0.0 ms ± 1.0 ms"
    scripts = ["mtu", "names", "names", "probe", "pull", "serve", "timings"]
    assert sorted(machine.ran) == scripts


async def test_windows_are_told_of_the_probe_and_its_last_word_is_journalled() -> None:
    told: list[Event] = []
    await looked(a_look(Scripted(lost=1), told))
    probes = [event for event in told if isinstance(event, Probed)]
    assert [is_journalled(event) for event in probes] == [False] * (len(probes) - 1) + [True]
    last = probes[-1]
    assert (last.origin, last.target, last.cycle) == ("new", "127.0.0.1:5416", 20)
    assert [(hop.address, hop.loss_percent, hop.standing) for hop in last.hops] == [
        ("10.0.0.1", 0.0, "fine"),
        ("127.0.0.1", 5.0, "lossy"),
    ]


async def test_a_loss_is_judged_by_the_profiles_own_limits() -> None:
    found = await looked(a_look(Scripted(lost=1)))
    assert found["net.loss"].verdict == "stop"
    lenient = Thresholds(
        write_rate_window_s=0.05, loss_warn_percent=1.0, loss_stop_percent=10.0, jitter_ms=0.05
    )
    found = await looked(a_look(Scripted(lost=1), thresholds=lenient))
    assert found["net.loss"].verdict == "warn"
    assert found["net.jitter"].verdict == "stop"


def test_the_limits_are_those_of_the_profile_unless_it_has_none() -> None:
    assert road.limits(Thresholds()) == Limits()
    assert road.limits(Thresholds(page_queries=7)).queries_a_page == 7


async def test_what_broke_once_is_not_tried_for_each_check_that_needs_it() -> None:
    machine = Scripted(broken="probe")
    found = await looked(a_look(machine))
    assert machine.ran.count("probe") == 1
    unknown = {check for check, each in found.items() if each.verdict == "unknown"}
    assert unknown == {"net.reached", "net.addresses", "net.loss", "net.jitter"}


async def test_without_a_throughput_the_copy_is_unknown_with_the_figures_there_are() -> None:
    found = await looked(a_look(Scripted(broken="pull")))
    assert found["net.copy"].verdict == "unknown"
    assert found["net.copy"].figure.startswith("2.0 GB to copy, 0 B/s written")
    assert "was not measured" in found["net.copy"].says
    assert found["net.throughput"].verdict == "unknown"


async def test_a_copy_that_ends_too_late_is_a_stop() -> None:
    early = datetime(2026, 3, 1, tzinfo=UTC)
    found = await looked(a_look(Scripted(), finish_by=early))
    assert found["net.copy"].verdict == "stop"
    assert "too late" in found["net.copy"].says


async def test_without_a_host_it_says_that_one_is_needed() -> None:
    look = a_look(Scripted())
    old, new = (a_server(name, 5432, address="192.0.2.7") for name in ("old", "new"))
    found = await looked(Look(a_profile(old, new), look.sessions))
    without = ("net.page", "net.session", "net.clocks")
    assert [found[check].verdict for check in without] == ["pass"] * 3
    assert "measured by SQL, from here" in found["net.clocks"].evidence
    rest = [each for check, each in found.items() if check not in without]
    assert {each.verdict for each in rest} == {"unknown"}
    assert "needs a host" in found["net.loss"].figure


def test_the_newest_of_each_road_is_kept_until_all_are_looked_at_again() -> None:
    night = Night()
    at = [datetime(2026, 3, 1, 1, minute, tzinfo=UTC) for minute in range(3)]
    for origin in ("this machine", "new"):
        for minute in (1, 2, 0):
            night.apply(
                Probed(phase="network", origin=origin, target="old:1", cycle=minute, at=at[minute])
            )
    assert [(road.origin, road.cycle) for road in night.roads.values()] == [
        ("new", 2),
        ("this machine", 2),
    ]
    assert not night.told
    night.apply(ChecksBegan(seq=1, phase="servers"))
    assert night.roads
    night.apply(ChecksBegan(seq=2, phase="network"))
    assert not night.roads


def test_the_last_of_a_probe_stands_in_journal_and_report() -> None:
    hops = (
        ProbedHop(ttl=1, standing="silent", loss_percent=100.0, sent=20),
        ProbedHop(ttl=2, name="db-old", avg_ms=24.94, jitter_ms=0.61, sent=20, target=True),
    )
    last = Probed(seq=1, phase="network", origin="new", target="old:5432", hops=hops, final=True)
    night = fold([last, last])
    assert [*night.told] == [last]
    page = report(night.told)
    assert "## The road from new to old:5432" in page
    assert "| 1 | ??? | silent | 100.0 % |  |  |" in page
    assert "| 2 | db-old | fine | 0.0 % | 24.9 ms | 0.6 ms |" in page
