"""Each figure of a road against its limit."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from checks.network import verdicts
from checks.network.copying import Load, foreseen
from checks.network.found import Mtu, Resolver, Shrunk, Throughput, Timed, Timings
from checks.network.hops import Answer, Hop, Path, Tried
from checks.network.verdicts import Limits, judged
from profiles.findings import Verdict

LIMITS = Limits()


def road(*hops: Hop, ends: str | None = None, mode: str = "tcp") -> Path:
    tried = (Tried("tcp", ends is None, ends),)
    return Path(host="db", port=5432, address="10.0.0.3", mode=mode, hops=hops, tried=tried)


def target(
    sent: int = 1000, lost: int = 0, jitter_ms: float = 1.0, marks: dict[str, int] | None = None
) -> Hop:
    return Hop(
        ttl=2,
        address="10.0.0.3",
        target=True,
        sent=sent,
        received=sent - lost,
        avg_ms=20.0,
        jitter_ms=jitter_ms,
        marks=marks or {},
    )


def router(sent: int = 1000, lost: int = 0) -> Hop:
    return Hop(ttl=1, address="10.0.0.1", sent=sent, received=sent - lost, avg_ms=1.0)


@pytest.mark.parametrize(
    ("lost", "verdict"), [(0, "pass"), (1, "pass"), (2, "warn"), (10, "warn"), (11, "stop")]
)
def test_loss_warns_above_a_tenth_of_a_percent_and_stops_above_one(
    lost: int, verdict: Verdict
) -> None:
    assert verdicts.loss(road(router(), target(lost=lost)), LIMITS).verdict == verdict


def test_loss_says_where_it_begins_and_what_cannot_be_seen() -> None:
    said = verdicts.loss(road(router(), target(lost=20)), LIMITS)
    assert said.figure == "2.0 % lost (20 of 1000 probes)"
    assert "It begins at hop 2 (10.0.0.3)." in said.says
    assert "below 30 %" in verdicts.loss(road(target(sent=10)), LIMITS).says
    assert "below 100 %" in verdicts.loss(road(target(sent=1)), LIMITS).says


def test_a_limited_router_is_said_to_be_that_and_is_no_loss() -> None:
    said = verdicts.loss(road(router(lost=600), target()), LIMITS)
    assert said.verdict == "pass"
    assert "10.0.0.1: answers only some probes" in said.says
    assert "nothing is lost there" in said.says


@pytest.mark.parametrize(("jitter_ms", "verdict"), [(0.0, "pass"), (10.0, "pass"), (10.1, "stop")])
def test_jitter_stops_above_ten_milliseconds(jitter_ms: float, verdict: Verdict) -> None:
    assert verdicts.jitter(road(target(jitter_ms=jitter_ms)), LIMITS).verdict == verdict


def test_what_was_not_measured_is_unknown_and_never_a_pass() -> None:
    said = judged(road(router(lost=300)), LIMITS)
    assert said["net.loss"].verdict == said["net.jitter"].verdict == "unknown"


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ("silent", "vanishes"),
        ("!X", "forbids"),
        ("!H", "cannot find the host"),
        ("!N", "no way to that network"),
        ("Network is unreachable", "Network is unreachable"),
    ],
)
def test_a_port_that_is_not_reached_says_why_and_where(ends: str, words: str) -> None:
    said = verdicts.reached(road(router(), ends=ends))
    assert said.verdict == "stop"
    assert words in said.says
    assert said.evidence == "The last hop that answers is 1, 10.0.0.1."


def test_a_host_that_answers_behind_a_port_that_does_not() -> None:
    said = verdicts.reached(road(router(), target(), ends="silent", mode="icmp"))
    assert said.says.endswith("The host itself answers (icmp).")
    assert verdicts.reached(road(ends="silent")).evidence == "No hop answers."


def test_reached_refused_untried_and_unknown_names() -> None:
    assert verdicts.reached(road(target())).verdict == "pass"
    assert "nothing listens" in verdicts.reached(road(target(marks={"refused": 3}))).says
    assert verdicts.reached(Path(host="db", port=1)).verdict == "unknown"
    unknown = judged(Path(host="db", port=1, error="the name db: not known"), LIMITS)
    assert unknown["net.reached"].verdict == "stop"
    assert set(unknown) == {"net.reached"}


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        (("connected", None), "pass"),
        (("silent", "connected"), "warn"),
        (("silent", "Network is unreachable"), "stop"),
    ],
)
def test_dead_addresses_of_a_name(answers: tuple[str | None, ...], verdict: Verdict) -> None:
    asked = tuple(Answer(f"10.0.0.{at}", one) for at, one in enumerate(answers) if one)
    path = Path(host="db", answers=asked)
    assert verdicts.addresses(path).verdict == verdict


def test_a_slow_name() -> None:
    assert verdicts.resolution(3.0, "db", LIMITS).verdict == "pass"
    assert verdicts.resolution(5003.0, "db", LIMITS).verdict == "warn"


def test_a_window_against_the_distance() -> None:
    near = verdicts.window(10e6, 10.0, 2 * 2**20)
    assert near.verdict == "pass"
    far = verdicts.window(100e6, 80.0, 2 * 2**20)
    assert far.verdict == "warn"
    assert "26 MB/s at most" in far.says
    assert far.todo.startswith("Copy over 4 connections")


def test_what_a_page_costs() -> None:
    said = verdicts.page(0.2, 20.0, LIMITS)
    assert said.verdict == "warn"
    assert said.figure == "a page of 50 queries: 10 ms on the way now, 1000 ms after the move"
    assert verdicts.page(20.0, 0.2, LIMITS).verdict == "pass"


def test_packets_that_have_to_be_smaller() -> None:
    said = Shrunk(1, 1400, "10.0.0.1", silently=False)
    hole = Shrunk(1, 1350, "10.0.0.1", silently=True)
    assert verdicts.mtu(Mtu(1500, True, "10.0.0.3")).verdict == "pass"
    assert verdicts.mtu(Mtu(1400, True, "10.0.0.3", (said,))).verdict == "note"
    vanishing = verdicts.mtu(Mtu(1350, True, "10.0.0.3", (said, hole)))
    assert vanishing.verdict == "stop" and "1350" in vanishing.todo
    assert vanishing.says.startswith("Behind 10.0.0.1 larger packets vanish")
    assert verdicts.mtu(Mtu(None, False, None)).verdict == "unknown"
    assert "up to 10.0.0.1" in verdicts.mtu(Mtu(1500, False, "10.0.0.1")).says


def carried(one: float, several: float, ahead_s: float = 0.0) -> Throughput:
    return Throughput(one=one, several=several, channels=4, ahead_s=ahead_s, within_s=0.01)


def test_several_connections_against_one() -> None:
    assert verdicts.parallel(carried(10e6, 11e6)).verdict == "pass"
    assert "faster over 4 connections" in verdicts.parallel(carried(10e6, 25e6)).says
    assert verdicts.parallel(carried(0, 0)).verdict == "stop"


@pytest.mark.parametrize(
    ("ahead_s", "verdict"), [(0.5, "pass"), (2.005, "pass"), (2.02, "warn"), (-2.02, "warn")]
)
def test_clocks_are_apart_only_beyond_what_the_measurement_may_be_off(
    ahead_s: float, verdict: Verdict
) -> None:
    assert verdicts.clocks(carried(1, 1, ahead_s), 2.0).verdict == verdict


def timings(*timed: Timed, resolvers: tuple[Resolver, ...] = ()) -> Timings:
    return Timings(resolvers=resolvers, resolved_ms=1.0, timed=timed)


def test_a_dead_resolver() -> None:
    living, dead = Resolver("10.0.0.53", 1.2), Resolver("10.0.1.53", None)
    assert verdicts.resolvers(timings(resolvers=(living,))).verdict == "pass"
    assert verdicts.resolvers(timings()).figure == "no resolver in resolv.conf"
    said = verdicts.resolvers(timings(resolvers=(dead, living)))
    assert (said.verdict, said.figure) == ("warn", "10.0.1.53 silent, 10.0.0.53 1 ms")


def test_what_a_connection_takes() -> None:
    dead = Timed(address="10.0.0.9", why="timed out")
    plain = Timed(address="10.0.0.3", connect_ms=20.2)
    tls = Timed(address="10.0.0.3", connect_ms=20.2, tls_ms=41.04, tls="TLSv1.3")
    assert verdicts.connecting(timings(dead)).verdict == "stop"
    assert verdicts.connecting(timings(dead, plain)).figure == "connect 20.2 ms, no TLS"
    assert verdicts.connecting(timings(tls)).figure == "connect 20.2 ms, TLSv1.3 41.0 ms"


def test_the_copy_in_time_or_not() -> None:
    now = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)
    fine = foreseen(Load(to_copy=1e9, throughput=1e8, write_rate=0), now)
    never = foreseen(Load(to_copy=1e9, throughput=1e6, write_rate=1e7), now)
    assert verdicts.copy(fine).verdict == "pass"
    assert verdicts.copy(never).verdict == "stop"
