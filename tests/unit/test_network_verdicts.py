"""Each figure of a road against its limit."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from checks.network import verdicts
from checks.network.copying import Load, foreseen
from checks.network.found import Clock, Mtu, Names, Resolver, Shrunk, Throughput, Timed, Window
from checks.network.hops import Answer, Hop, Path, Tried
from checks.network.verdicts import Asked, Limits, judged
from connections.tcp_info import TcpInfo
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


def test_a_hop_that_hides_its_own_loss_is_not_blamed_for_what_is_lost_behind_it() -> None:
    said = verdicts.loss(road(router(lost=900), target(lost=65)), LIMITS)
    assert "It begins between hop 1, which hides its own, and hop 2 (10.0.0.3)." in said.says


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
    for number in ("10.0.0.5", "fd77::5"):
        assert "nothing to look up" in verdicts.resolution(0.1, number, LIMITS).figure


SENDING = Window(bytes=4 << 20, what="net.ipv4.tcp_wmem", where="db-old")
RECEIVING = Window(bytes=2 << 20, what="net.ipv4.tcp_rmem", where="db-new", share=0.5)
CHANNEL = Window(bytes=1 << 20, what="an SSH channel", where="db-new", setting=False)


def test_a_window_that_reaches_over_the_distance() -> None:
    said = verdicts.window(10e6, 10.0, [SENDING, RECEIVING], [])
    assert (said.verdict, said.todo) == ("pass", "")
    assert said.figure == "one connection carries 210 MB/s at most at 10.0 ms"
    assert said.evidence == "db-old: net.ipv4.tcp_wmem → 4.2 MB\ndb-new: net.ipv4.tcp_rmem → 2.1 MB"


def test_a_window_that_is_too_narrow_names_the_setting_and_its_figure() -> None:
    said = verdicts.window(100e6, 80.0, [SENDING, RECEIVING], [])
    assert said.verdict == "warn"
    assert said.figure == "one connection carries 26 MB/s at most at 80.0 ms"
    assert said.todo == (
        "Copy over 4 connections at once, or raise the third figure of net.ipv4.tcp_rmem on db-new "
        "to 16000000 or more."
    )


def test_the_window_of_an_ssh_channel_cannot_be_raised() -> None:
    said = verdicts.window(100e6, 80.0, [SENDING, RECEIVING, CHANNEL], [])
    assert said.todo == "Copy over 8 connections at once."


def test_a_window_of_which_not_all_is_known_is_no_pass() -> None:
    said = verdicts.window(1e6, 10.0, [RECEIVING], ["db-old: needs a host."])
    assert said.verdict == "note"
    assert said.says.endswith("Not looked at: db-old: needs a host.")
    unmeasured = verdicts.window(None, 10.0, [RECEIVING], [])
    assert unmeasured.verdict == "note"
    assert "was not measured" in unmeasured.says


@pytest.mark.parametrize(
    ("path", "verdict", "figure"),
    [
        (road(target()), "pass", "port: 0.0 % lost, 20.0 ms"),
        (road(target(lost=20)), "warn", "port: 2.0 % lost, 20.0 ms"),
        (road(target(jitter_ms=30.0)), "warn", "port: 0.0 % lost, 20.0 ms"),
        (road(router()), "note", "port: answers"),
        (road(router(), ends="silent"), "warn", "port: not reached"),
        (Path(host="db", port=1, error="the name db: not known"), "warn", "port: not reached"),
    ],
)
def test_a_road_from_here_never_stops_the_night(path: Path, verdict: Verdict, figure: str) -> None:
    said = verdicts.from_here(path, "port", LIMITS)
    assert (said.verdict, said.figure) == (verdict, figure)


def info(again: int) -> TcpInfo:
    return TcpInfo(24.25, 0.5, 20.23, again, 1500)


@pytest.mark.parametrize(("again", "verdict"), [(3, "pass"), (4, "warn")])
def test_what_was_sent_again_below_a_session_while_it_was_asked(
    again: int, verdict: Verdict
) -> None:
    said = verdicts.session(Asked(50, 20.5), info(3), info(again), LIMITS)
    assert said.verdict == verdict
    assert said.figure.startswith("round trip 24.2 ms, 20.2 ms at best; ")
    assert said.figure.endswith("no packet sent again" if again == 3 else "1 packet sent again")


def test_a_session_whose_road_nobody_sees_has_its_answers_alone() -> None:
    said = verdicts.session(Asked(50, 20.5), None, None, LIMITS)
    assert (said.verdict, said.figure) == ("note", "answers after 20.5 ms at best")
    assert "is not known" in said.says


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


def carried(one: float, several: float) -> Throughput:
    return Throughput(one=one, several=several, channels=4, clock=Clock(0.0, 0.01))


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
    said = verdicts.clocks(Clock(ahead_s, 0.01), 2.0, "from host to host")
    assert said.verdict == verdict
    assert said.figure == f"{ahead_s * 1e3:+.1f} ms ± 10.0 ms"


def names(*resolvers: Resolver) -> Names:
    return Names(resolvers=resolvers, resolved_ms=1.0)


def test_a_dead_resolver() -> None:
    living, dead = Resolver("10.0.0.53", 1.2), Resolver("10.0.1.53", None)
    assert verdicts.resolvers(names(living)).verdict == "pass"
    assert verdicts.resolvers(names()).figure == "no resolver in resolv.conf"
    said = verdicts.resolvers(names(dead, living))
    assert (said.verdict, said.figure) == ("warn", "10.0.1.53 silent, 10.0.0.53 1 ms")


def test_what_a_connection_takes() -> None:
    dead = Timed(address="10.0.0.9", why="timed out")
    plain = Timed(address="10.0.0.3", connect_ms=20.2)
    tls = Timed(address="10.0.0.3", connect_ms=20.2, tls_ms=41.04, tls="TLSv1.3")
    assert verdicts.connecting([dead]).verdict == "stop"
    assert verdicts.connecting([dead, plain]).figure == "connect 20.2 ms, no TLS"
    assert verdicts.connecting([tls]).figure == "connect 20.2 ms, TLSv1.3 41.0 ms"


def test_a_connection_to_sshd_is_not_asked_for_tls() -> None:
    said = verdicts.connecting([Timed(address="10.0.0.3", connect_ms=20.2)], tls=False)
    assert said.figure == "connect 20.2 ms, to sshd"


def test_the_copy_in_time_or_not() -> None:
    now = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)
    fine = foreseen(Load(to_copy=1e9, throughput=1e8, write_rate=0), now)
    never = foreseen(Load(to_copy=1e9, throughput=1e6, write_rate=1e7), now)
    assert verdicts.copy(fine).verdict == "pass"
    assert verdicts.copy(never).verdict == "stop"
