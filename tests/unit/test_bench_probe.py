"""What the wire did to a probe, what chance allows, and what the benchmark makes of both."""

from __future__ import annotations

import socket
import struct

import pytest

from benchmarks.passages import Truth, chance, fates, truth
from benchmarks.probe import LIMITED, OPEN, Run, aims, mistaken, worst_average_ms, wrong_losses
from benchmarks.probers import OURS, Figures
from checks.network.hops import Standing
from rehearsal.wire import Passage

NEAR, ROUTER, FAR = "10.77.1.2", "10.77.2.2", "10.77.3.2"
ICMP, TCP, UDP = 1, 6, 17
SYN, SYN_ACK, RST_ACK, ACK = 2, 18, 20, 16


def ip(source: str, to: str, protocol: int, content: bytes, ttl: int = 64) -> bytes:
    addresses = socket.inet_aton(source) + socket.inet_aton(to)
    return struct.pack("!BBHHHBBH", 0x45, 0, 0, 0, 0, ttl, protocol, 0) + addresses + content


def tcp(source: int, to: int, flags: int, number: int = 0, acknowledged: int = 0) -> bytes:
    return struct.pack("!HHIIBBHI", source, to, number, acknowledged, 0x50, flags, 0, 0)


def passage(at_s: float, held_ms: float | None, packet: bytes) -> Passage:
    return Passage(at_s, held_ms, packet[:64].hex())


def exceeded(packet: bytes) -> bytes:
    return ip(ROUTER, NEAR, ICMP, bytes([11]) + bytes(7) + packet[:28])


@pytest.mark.parametrize(
    ("share", "count", "low", "high"),
    [(0.1, 100, 0.0552, 0.1744), (0.0, 200, 0.0, 0.0188), (1.0, 200, 0.9812, 1.0)],
)
def test_chance_stays_within_wilsons_interval(
    share: float, count: int, low: float, high: float
) -> None:
    assert chance(share, count) == pytest.approx((low, high), abs=1e-4)
    assert chance(share, count)[0] <= share <= chance(share, count)[1]


def test_a_beginning_of_a_connection_and_the_answers_to_it() -> None:
    to_router = ip(NEAR, FAR, TCP, tcp(4000, 5432, SYN, 77), ttl=1)
    to_target = ip(NEAR, FAR, TCP, tcp(4001, 5432, SYN, 2**32 - 1), ttl=2)
    refused = ip(NEAR, FAR, TCP, tcp(4002, 5432, SYN, 5), ttl=2)
    unrelated = ip(NEAR, FAR, TCP, tcp(4001, 5432, ACK, 0), ttl=2)
    found = fates(
        [
            passage(1.0, 10.0, to_router),
            passage(1.1, 12.0, exceeded(to_router)),
            passage(1.2, 11.0, to_target),
            passage(1.3, None, ip(FAR, NEAR, TCP, tcp(5432, 4001, SYN_ACK, 9, 0))),
            passage(1.4, 11.0, unrelated),
            passage(2.0, 9.0, refused),
            passage(2.1, 8.0, ip(FAR, NEAR, TCP, tcp(5432, 4002, RST_ACK, 0, 6))),
        ],
        NEAR,
    )
    assert [(one.hop, one.forth_ms, one.answered, one.back_ms) for one in found] == [
        (2, 10.0, True, 12.0),
        (3, 11.0, True, None),
        (3, 9.0, True, 8.0),
    ]


def test_a_probe_that_is_sent_again_stays_lost() -> None:
    probe = ip(NEAR, FAR, TCP, tcp(4000, 5432, SYN, 77), ttl=2)
    found = fates([passage(1.0, None, probe), passage(2.0, 10.0, probe)], NEAR)
    assert [one.forth_ms for one in found] == [None]


def test_datagrams_and_echoes_are_known_by_what_comes_back_of_them() -> None:
    datagram = ip(NEAR, FAR, UDP, struct.pack("!HHHH", 4000, 33500, 8, 0), ttl=1)
    echo = ip(NEAR, FAR, ICMP, struct.pack("!BBHHH", 8, 0, 0, 4711, 3), ttl=2)
    answered = ip(FAR, NEAR, ICMP, struct.pack("!BBHHH", 0, 0, 0, 4711, 3))
    v6 = bytes([0x60]) + bytes(63)
    found = fates(
        [
            passage(1.0, 1.0, datagram),
            passage(1.1, 2.0, exceeded(datagram)),
            passage(1.2, 3.0, echo),
            passage(1.3, 4.0, answered),
            passage(1.4, 5.0, v6),
        ],
        NEAR,
    )
    assert [(one.hop, one.forth_ms, one.back_ms) for one in found] == [(2, 1.0, 2.0), (3, 3.0, 4.0)]


def test_the_truth_is_of_the_last_probes_and_of_what_was_answered() -> None:
    probes = [ip(NEAR, FAR, UDP, struct.pack("!HHHH", 1, n, 8, 0), ttl=1) for n in range(6)]
    held_ms = (None, 10.0, 12.0, None, 10.0, 10.0)
    there = [passage(n, held_ms[n], packet) for n, packet in enumerate(probes)]
    back = [
        passage(1.5, 10.0, exceeded(probes[1])),
        passage(2.5, 11.0, exceeded(probes[2])),
        passage(4.5, None, exceeded(probes[4])),  # to the sixth the router says nothing
    ]
    found = truth(fates([*there, *back], NEAR), 2, 5)
    assert found.sent == 5
    assert found.loss == pytest.approx(1 - (4 / 5) * (2 / 3))
    assert found.avg_ms == pytest.approx(21.5)
    assert found.jitter_ms == pytest.approx(3.0)
    assert found.stdev_ms == pytest.approx(4.5**0.5)


def test_before_the_wire_nothing_is_lost_and_it_takes_no_time() -> None:
    assert truth([], 1, 200) == Truth(200, 0.0, 0.0, 0.0, 0.0)


def figures(
    hop: int, received: int, avg_ms: float, standing: Standing, real_loss: float
) -> Figures:
    return Figures(
        hop=hop,
        sent=200,
        received=received,
        avg_ms=avg_ms,
        stdev_ms=1.0,
        jitter_ms=1.0,
        standing=standing,
        real_loss=real_loss,
    )


def run(routers: str, *hops: Figures, losses: tuple[float, ...]) -> Run:
    truths = [Truth(200, loss, 20.0, 1.0, 1.0) for loss in losses]
    return Run(routers=routers, prober=OURS, processor_s=0.1, wall_s=20.0, hops=hops, truths=truths)


def test_a_loss_that_chance_would_not_bring_is_wrong() -> None:
    right = figures(2, 182, 20.2, "lossy", 0.09)
    wrong = figures(3, 140, 20.0, "lossy", 0.3)
    measured = run(OPEN, right, wrong, losses=(0.1, 0.1))
    assert wrong_losses(measured) == 1
    assert worst_average_ms(measured) == pytest.approx(0.2)


def test_a_hop_that_limits_itself_is_to_be_called_that() -> None:
    target = figures(3, 180, 20.0, "lossy", 0.1)
    seen = figures(2, 30, 20.0, "limited", 0.1)
    blamed = figures(2, 30, 20.0, "lossy", 0.85)
    unseen = figures(2, 30, 20.0, "fine", 0.1)
    for hop, misled in ((seen, 0), (blamed, 1), (unseen, 1)):
        assert mistaken(run(LIMITED, hop, target, losses=(0.0, 0.1))) == misled


def test_the_aims_are_told_apart() -> None:
    open_ = run(OPEN, figures(3, 180, 20.31, "lossy", 0.1), losses=(0.1,))
    limited = run(LIMITED, figures(3, 180, 20.0, "lossy", 0.1), losses=(0.1,))
    assert [aim.met for aim in aims([open_, limited], "0" * 16)] == [False, True, True, True]
    assert [aim.met for aim in aims([limited, open_], "f" * 16)] == [False, True, True, False]
