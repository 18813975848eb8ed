"""What the losses of a road mean: told from simulated roads whose truth is known."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import composite

from checks.network.hops import Answer, Hop, Path, Tried, by_chance, loss_begins, read, readings


def hop(ttl: int, sent: int, lost: int, *, target: bool = False) -> Hop:
    return Hop(ttl=ttl, address=f"10.0.0.{ttl}", sent=sent, received=sent - lost, target=target)


@composite
def roads(draw: st.DrawFn) -> list[Hop]:
    """Any counts at all, the last hop the target."""
    sent = draw(st.integers(1, 200))
    lost = draw(st.lists(st.integers(0, sent), min_size=1, max_size=8))
    last = len(lost)
    return [hop(ttl, sent, one, target=ttl == last) for ttl, one in enumerate(lost, 1)]


@given(roads())
def test_the_real_loss_never_falls_along_the_road_and_ends_as_the_targets(road: list[Hop]) -> None:
    seen = readings(road)
    real = [one.real_loss_percent for one in seen if one.real_loss_percent is not None]
    assert len(real) == len(road)
    assert real == sorted(real)
    assert seen[-1].real_loss_percent == road[-1].loss_percent
    answering = [(one, own) for one, own in zip(real, road, strict=True) if own.received]
    assert all(one <= own.loss_percent for one, own in answering)


@given(roads())
def test_where_the_target_loses_nothing_nobody_is_said_to(road: list[Hop]) -> None:
    fine = [*road[:-1], hop(len(road), road[-1].sent, 0, target=True)]
    seen = readings(fine)
    assert not loss_begins(seen)
    assert {one.real_loss_percent for one in seen} == {0.0}
    assert not {one.standing for one in seen} & {"lossy", "unclear"}


@given(st.integers(1, 200), st.data())
def test_hops_that_lose_the_same_are_never_called_limited(sent: int, data: st.DataObject) -> None:
    lost = data.draw(st.integers(0, sent))
    road = [hop(ttl, sent, lost, target=ttl == 4) for ttl in range(1, 5)]
    assert "limited" not in {one.standing for one in readings(road)}


def simulated(seed: int, loss: tuple[float, ...], limited: tuple[int, ...], cycles: int) -> Path:
    """A road with that loss on each of its lines; the limited hops answer every third time."""
    dice = random.Random(seed)
    counts = [0] * len(loss)
    for cycle in range(cycles):
        for at in range(len(loss)):
            arrives = all(dice.random() >= one for one in loss[: at + 1])
            counts[at] += arrives and (at not in limited or cycle % 3 == 0)
    hops = (
        hop(at + 1, cycles, cycles - came, target=at + 1 == len(loss))
        for at, came in enumerate(counts)
    )
    return Path(hops=tuple(hops))


@pytest.mark.parametrize("seed", range(20))
def test_a_limited_router_on_a_road_without_loss(seed: int) -> None:
    seen = readings(simulated(seed, (0, 0, 0, 0), limited=(0, 2), cycles=30).hops)
    assert [one.standing for one in seen] == ["limited", "fine", "limited", "fine"]
    assert loss_begins(seen) is None


@pytest.mark.parametrize("seed", range(20))
def test_real_loss_is_found_behind_a_limited_router(seed: int) -> None:
    seen = readings(simulated(seed, (0, 0, 0.2, 0), limited=(1,), cycles=200).hops)
    assert [one.standing for one in seen] == ["fine", "limited", "lossy", "lossy"]
    begins = loss_begins(seen)
    assert begins and (begins.first.ttl, begins.seen.ttl) == (2, 3)
    assert seen[1].real_loss_percent is not None
    assert seen[1].real_loss_percent <= seen[2].hop.loss_percent


def test_chance_alone_calls_hardly_ever_a_router_limited() -> None:
    called = [
        reading.standing
        for seed in range(200)
        for reading in readings(simulated(seed, (0.1, 0, 0, 0), limited=(), cycles=60).hops)
    ]
    assert called.count("limited") <= 6


def test_a_silent_hop_says_nothing_about_the_road() -> None:
    seen = readings([hop(1, 10, 0), hop(2, 10, 10), hop(3, 10, 0, target=True)])
    assert [one.standing for one in seen] == ["fine", "silent", "fine"]
    assert [one.real_loss_percent for one in seen] == [0.0, 0.0, 0.0]


def test_a_target_that_never_answers_loses_everything() -> None:
    seen = readings([hop(1, 10, 0), hop(2, 10, 10, target=True)])
    assert [one.standing for one in seen] == ["fine", "lossy"]
    assert [one.real_loss_percent for one in seen] == [0.0, 100.0]


def test_without_the_target_the_last_routers_loss_is_not_known_to_be_real() -> None:
    seen = readings([hop(1, 10, 0), hop(2, 10, 3), hop(3, 10, 10)])
    assert [one.standing for one in seen] == ["fine", "unclear", "silent"]
    assert [one.real_loss_percent for one in seen] == [0.0, None, None]


def test_the_exact_test_is_fishers() -> None:
    # Of 20 probes with 3 lost, all 3 at the first ten: 10·9·8 / (20·19·18).
    assert by_chance(hop(1, 10, 3), hop(2, 10, 0)) == pytest.approx(720 / 6840)
    assert by_chance(hop(1, 10, 0), hop(2, 10, 0)) == 1.0
    assert by_chance(hop(1, 0, 0), hop(2, 0, 0)) == 1.0


def line(event: str, **fields: Any) -> str:
    return json.dumps({"event": event, **fields})


SHOWN = {
    "ttl": 1,
    "address": "10.0.0.1",
    "also": [],
    "target": True,
    "sent": 4,
    "received": 3,
    "marks": {"refused": 3},
    "last_ms": 2.0,
    "avg_ms": 1.5,
    "best_ms": 1.0,
    "worst_ms": 2.0,
    "stdev_ms": 0.5,
    "jitter_ms": 1.0,
}


def test_the_events_become_a_path() -> None:
    path = read(
        [
            line("waiting", what="the address of db"),
            line("address", address="10.0.0.9", answer="silent", took_ms=2000.0),
            line("hello", host="db", port=5432, address="10.0.0.1", resolved_ms=1.0, python="3.6"),
            line("tried", mode="tcp", ttl=1, answer=None, address=None),
            line("path", mode="tcp", reached=False, ends="silent", took_s=5.0),
            line("path", mode="udp", reached=True, ends=None, took_s=0.1),
            line("counting", mode="udp", cycles=4),
            line("cycle", cycle=4, cycles=4, hops=[SHOWN]),
            line("name", address="10.0.0.1", name="gate.example"),
            line("done", cycles=4),
        ]
    )
    assert path.answers == (Answer("10.0.0.9", "silent"),) and not path.answers[0].lives
    assert path.tried == (Tried("tcp", False, "silent"), Tried("udp", True))
    assert path.port_ends == "silent"
    assert (path.host, path.port, path.address, path.mode) == ("db", 5432, "10.0.0.1", "udp")
    assert path.target and path.target.loss_percent == 25.0
    assert path.names == {"10.0.0.1": "gate.example"}
    assert path.done and path.cycle == path.cycles == 4


def test_an_error_is_kept() -> None:
    assert read([line("error", what="the name db: unknown")]).error == "the name db: unknown"
