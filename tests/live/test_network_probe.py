"""The probe on a road whose truth is known, as a user without any capability."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path as File

import pytest

from checks.network import measure
from checks.network.hops import Path, Standing, read, readings
from checks.network.scripts import one_file
from checks.network.verdicts import Limits, judged
from rehearsal.road import Place, Road
from rehearsal.wire import Conditions
from tests.fix_road import OnPlace, lines_of, listening, piped

pytestmark = pytest.mark.live

PORT = 5432
QUICK = ("--interval", "0.05")


def probed(road: Road, host: str = Road.far_address, *arguments: str, port: int = PORT) -> Path:
    return read(lines_of(piped(road.near.words([]), "probe", host, str(port), *arguments)))


def standings(path: Path) -> list[Standing]:
    return [reading.standing for reading in readings(path.hops)]


def test_nobody_on_the_hosts_has_a_capability(road: Road) -> None:
    ran = subprocess.run(
        road.near.words(["sh", "-c", "id -u; grep CapEff /proc/self/status"]),
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.split() == ["1000", "CapEff:", "0000000000000000"]


@pytest.mark.parametrize("mode", ["tcp", "udp"])
def test_loss_and_round_trip_are_the_roads_own(road: Road, mode: str) -> None:
    cycles, one_way = 120, 0.05
    with listening(road.far, PORT):
        road.be(Conditions(delay_ms=10, loss=one_way))
        words = ("--mode", mode, "--cycles", str(cycles), "--interval", "0.015")
        path = probed(road, Road.far_address, *words)
        truth_ms = 2 * road.be(Conditions()).held_ms
    near, beyond, target = path.hops
    assert path.mode == mode and path.done and target.target
    lost = 1 - (1 - one_way) ** 2
    error = 100 * math.sqrt(lost * (1 - lost) / cycles)
    for hop in (beyond, target):
        assert hop.sent == cycles
        assert hop.loss_percent == pytest.approx(100 * lost, abs=4 * error)
        assert hop.avg_ms == pytest.approx(truth_ms, abs=0.3)
    assert near.loss_percent == 0
    assert near.avg_ms is not None and near.avg_ms < 2
    assert standings(path) == ["fine", "lossy", "lossy"]


def test_jitter_is_the_roads_own(road: Road) -> None:
    road.be(Conditions(delay_ms=10, jitter_ms=4))
    target = probed(road, Road.far_address, "--cycles", "100", "--interval", "0.015").target
    # The mean change of a sum of two even variations of ±4 ms is 56/15 ms; the wire adds its own.
    assert target and target.jitter_ms is not None and 3.0 < target.jitter_ms < 7.0
    assert target.stdev_ms is not None and 2.4 < target.stdev_ms < 6.0


def test_icmp_where_the_host_allows_it_to_this_group(road: Road) -> None:
    denied = piped(road.near.words([]), "probe", Road.far_address, "1", "--mode", "icmp")
    assert [event["event"] for event in denied] == ["hello", "unusable", "error"]
    road.near.set("net.ipv4.ping_group_range", "0 0")
    for host in (Road.far_address, Road.far_address_v6):
        path = probed(road, host, "--mode", "icmp", "--cycles", "3", *QUICK)
        assert [hop.received for hop in path.hops] == [3, 3, 3]
        assert path.target and path.target.address == host


def test_over_ipv6(road: Road) -> None:
    with listening(road.far, PORT):
        for mode in ("tcp", "udp"):
            path = probed(road, Road.far_address_v6, "--mode", mode, "--cycles", "3", *QUICK)
            assert [hop.address for hop in path.hops] == ["fd77:1::1", "fd77:2::2", "fd77:3::2"]
            assert [hop.loss_percent for hop in path.hops] == [0, 0, 0]


def test_a_rate_limited_router_and_a_silent_one_lose_nothing(road: Road) -> None:
    road.near_router.set("net.ipv4.icmp_ratelimit", "1000")
    silence(road.far_router)
    with listening(road.far, PORT):
        path = probed(road, Road.far_address, "--cycles", "20", "--interval", "0.06")
    assert path.hops[0].loss_percent > 30
    assert path.hops[1].address is None
    assert standings(path) == ["limited", "silent", "fine"]
    said = judged(path, Limits())
    assert said["net.loss"].verdict == "pass"
    assert "nothing is lost there" in said["net.loss"].says


def silence(router: Place) -> None:
    """It forwards, and says nothing itself."""
    router.tell("rule add iif lo to 10.77.1.0/24 blackhole")


def test_a_port_behind_a_firewall_that_drops(road: Road) -> None:
    road.far_router.tell(f"rule add ipproto tcp dport {PORT} blackhole")
    path = probed(road, Road.far_address, "--cycles", "2", *QUICK)
    assert path.port_ends == "silent"
    assert path.mode == "udp" and path.target
    reached = judged(path, Limits())["net.reached"]
    assert reached.verdict == "stop"
    assert "The host itself answers (udp)." in reached.says


@pytest.mark.parametrize(("kind", "letters"), [("prohibit", "!X"), ("unreachable", "!N")])
def test_a_router_that_refuses_ends_the_road_at_once(road: Road, kind: str, letters: str) -> None:
    road.far_router.tell(f"rule add to {Road.far_address} {kind}")
    path = probed(road, Road.far_address, "--mode", "tcp", "--cycles", "2", *QUICK)
    assert path.port_ends == letters
    assert [hop.address for hop in path.hops] == ["10.77.1.1", "10.77.2.2"]
    assert path.target is None
    assert judged(path, Limits())["net.loss"].verdict == "unknown"


def test_a_port_where_nothing_listens(road: Road) -> None:
    path = probed(road, Road.far_address, "--cycles", "2", *QUICK)
    assert path.target and path.target.marks == {"refused": 2}
    assert "nothing listens" in judged(path, Limits())["net.reached"].says


def test_a_name_whose_first_address_is_dead(road: Road, tmp_path: File) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text(f"10.77.3.9 two.example\n{Road.far_address} two.example\n")
    ordinary = road.near.words([])
    seen = f'mount --bind {hosts} /etc/hosts && exec "$@"'
    at = ordinary.index("unshare")
    words = [*ordinary[:at], "unshare", "--mount", "sh", "-c", seen, "sh", *ordinary[at:]]
    with listening(road.far, PORT):
        events = piped(words, "probe", "two.example", str(PORT), "--cycles", "2", *QUICK)
    path = read(lines_of(events))
    assert path.address == Road.far_address
    assert [(one.address, one.lives) for one in path.answers] == [
        ("10.77.3.9", False),
        (Road.far_address, True),
    ]
    said = judged(path, Limits())
    assert said["net.reached"].verdict == "pass"
    assert said["net.addresses"].verdict == "warn"
    assert path.names[Road.far_address] == "two.example"


def test_without_the_target_its_port_is_left_alone(road: Road) -> None:
    with listening(road.far, PORT) as connections:
        path = probed(road, Road.far_address, "--no-target", "--cycles", "10", *QUICK)
        assert [hop.received for hop in path.hops] == [10, 10, 10]
        assert [hop.mode for hop in path.hops] == ["tcp", "tcp", "udp"]
        assert path.mode == "tcp" and path.target and path.port_ends is None
        assert connections() <= 2


def test_a_target_that_answers_to_nothing_else_is_left_out_then(road: Road) -> None:
    road.far_router.tell(f"rule add ipproto udp to {Road.far_address} blackhole")
    with listening(road.far, PORT) as connections:
        path = probed(road, Road.far_address, "--no-target", "--cycles", "3", *QUICK)
        assert [hop.received for hop in path.hops] == [3, 3]
        assert path.target is None and path.port_ends is None
        assert connections() <= 2


def test_it_ends_soon_after_nobody_reads_it_any_more(road: Road) -> None:
    process = subprocess.Popen(
        road.near.words([sys.executable, "-", Road.far_address, str(PORT), "--cycles", "60"]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin and process.stdout and process.stderr
    process.stdin.write(one_file("probe"))
    process.stdin.close()
    assert "hello" in process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=5) == 0
    assert process.stderr.read() == ""
    process.stderr.close()


async def test_from_a_host_it_is_heard_while_it_goes_on(road: Road) -> None:
    seen: list[Path] = []
    with listening(road.far, PORT):
        path = await measure.probe(
            OnPlace(road.near), Road.far_address, PORT, cycles=2, changed=seen.append
        )
    assert path.done and path == seen[-1]
    assert {one.cycle for one in seen} == {0, 1, 2}
    assert judged(path, Limits())["net.reached"].verdict == "pass"
