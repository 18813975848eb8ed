"""The checks of the Network test over a machine that prints what a probe would."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from checks import road
from checks.catalogue import for_phase
from checks.check import Look
from checks.network.verdicts import Limits
from checks.runner import run_checks
from connections.host import Ran
from profiles.errors import HostError, NightferryError
from profiles.events import Event, Probed, ProbedHop, is_journalled
from profiles.findings import Finding
from profiles.fold import Night, fold
from profiles.profile import Address, LocalHost, Profile, Thresholds
from profiles.report import report
from tests.fix_looks import MadeUpSession, a_profile, a_server

HERE = LocalHost()
WAL = [{"lsn": "0/1000"}]
PROBE = (
    {"event": "hello", "host": "127.0.0.1", "port": 5416, "address": "127.0.0.1", "resolved_ms": 1},
    {"event": "path", "mode": "tcp", "reached": True, "ends": None},
    {"event": "counting", "mode": "tcp", "cycles": 20},
)
MTU = {"event": "mtu", "mtu": 1500, "target": True, "carried_to": "127.0.0.1", "shrunk": []}
TIMINGS = (
    {"event": "resolver", "address": "192.0.2.53", "took_ms": 2.0},
    {"event": "resolved", "took_ms": 1.0},
    {"event": "timed", "address": "127.0.0.1", "connect_ms": 0.4, "tls_ms": 2.0, "tls": "TLSv1.3"},
)
SERVING = {"event": "serving", "port": 4711}
CARRIED = (
    {"event": "clock", "ahead_s": 0.0, "within_s": 0.001},
    {"event": "carried", "channels": 1, "bytes_a_second": 100e6},
    {"event": "carried", "channels": 4, "bytes_a_second": 100e6},
)


def cycle(number: int, received: int) -> dict[str, Any]:
    """A road of a router and the target, after so many probes."""
    figures = {"avg_ms": 1.0, "last_ms": 1.0, "jitter_ms": 0.1}
    near = {"ttl": 1, "address": "10.0.0.1", "sent": number, "received": number, **figures}
    far = {"ttl": 2, "address": "127.0.0.1", "target": True, "sent": number, "received": received}
    return {"event": "cycle", "cycle": number, "hops": [near, {**far, **figures}]}


class Scripted:
    """A machine on which every script prints what this test wants."""

    def __init__(self, lost: int = 0, *, broken: str = "") -> None:
        self.name = "made up"
        self.ran: list[str] = []
        self._lost = lost
        self._broken = broken

    async def run(
        self,
        line: str,
        *,
        deadline_s: float,
        env: Mapping[str, str] = {},
        on_line: Callable[[str], None] | None = None,
    ) -> Ran:
        what = next(name for name, sign in SIGNS if sign in line)
        self.ran.append(what)
        if what == self._broken:
            raise HostError(self.name, "run it", "it does not run")
        for event in self._events(what):
            assert on_line is not None
            on_line(json.dumps(event))
        return Ran(0, "", "")

    def _events(self, what: str) -> tuple[dict[str, Any], ...]:
        if what == "probe":
            return (*PROBE, cycle(1, 1), cycle(20, 20 - self._lost), {"event": "done"})
        return {"mtu": (MTU,), "timings": TIMINGS, "serve": (SERVING,), "pull": CARRIED}[what]


SIGNS = (
    ("probe", "-I - 127.0.0.1 5416 --cycles"),
    ("serve", "-I - serve "),
    ("pull", "-I - pull "),
    ("timings", "-I - 127.0.0.1 5416"),
    ("mtu", "-I - 127.0.0.1"),
)


def the_profile(**more: Any) -> Profile:
    old, new = a_server("old", 5416, host=HERE), a_server("new", 5418, host=HERE)
    return a_profile(old, new, **more)


def a_look(machine: Scripted, told: list[Event] | None = None, **more: Any) -> Look:
    """Both servers on one machine."""
    amount = [{"tables": 1, "table_bytes": 2e9, "index_bytes": 0, "estimated_rows": 1}]
    answers: dict[str, Any] = {"SELECT 1": [{"one": 1}], "pg_current_wal": WAL, "pg_": amount}
    profile = more.pop("profile", None) or the_profile(**more)
    sessions = {side: MadeUpSession(answers) for side in ("source", "destination")}
    machines: dict[str, Any] = {"old": machine, "new": machine}
    tell = (lambda event: None) if told is None else told.append
    return Look(profile, sessions, {}, machines, tell=tell)


async def looked(look: Look) -> dict[str, Finding]:
    return {found.check: found async for found in run_checks(for_phase("network"), look)}


async def test_a_road_that_is_fine_has_a_figure_for_everything_and_is_probed_once() -> None:
    machine = Scripted()
    found = await looked(a_look(machine))
    assert {each.verdict for each in found.values()} == {"pass"}
    assert found["net.loss"].figure == "0.0 % lost (0 of 20 probes)"
    assert found["net.mtu"].figure == "path MTU 1500 B"
    assert found["net.connecting"].figure == "connect 0.4 ms, TLSv1.3 2.0 ms"
    assert "The copy of 2.0 GB takes 20 s at 100 MB/s" in found["net.copy"].says
    assert "no network is between them" in found["net.throughput"].says
    assert sorted(machine.ran) == ["mtu", "probe", "pull", "serve", "timings"]


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
    found = await looked(Look(look.profile, look.sessions))
    assert found["net.page"].verdict == "pass"
    rest = [each for check, each in found.items() if check != "net.page"]
    assert {each.verdict for each in rest} == {"unknown"}
    assert "needs a host" in found["net.loss"].figure


@pytest.mark.parametrize("seen", [None, Address(address="10.9.0.5", port=6000)])
def test_the_target_is_where_the_destination_sees_the_source(seen: Address | None) -> None:
    old = a_server("old", 5416, address="/run/postgresql", seen_from_destination=seen)
    look = Look(a_profile(old, a_server("new", 5418)))
    if seen is None:
        with pytest.raises(NightferryError, match="reached by a socket"):
            road.target_of(look)
    else:
        assert road.target_of(look) == ("10.9.0.5", 6000)


def test_the_newest_probe_is_kept_and_an_older_one_changes_nothing() -> None:
    night = Night()
    at = [datetime(2026, 3, 1, 1, minute, tzinfo=UTC) for minute in range(3)]
    for minute in (1, 2, 0):
        probed = Probed(phase="network", origin="new", target="old:1", cycle=minute, at=at[minute])
        night.apply(probed)
    assert night.probed is not None
    assert night.probed.cycle == 2
    assert not night.told


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
