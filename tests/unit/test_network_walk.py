"""Finding the hops of a road: on roads that are made up, so that each can be as bad as it likes."""

from __future__ import annotations

import selectors
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Any, cast

import pytest

from checks.network.remote import walk as walks
from checks.network.remote.probes import Probes
from checks.network.remote.replies import HOP, TARGET, Reply
from checks.network.remote.walk import Sent, Walk, discover, fill, round_trip_ms

FAR = "10.0.0.99"


class MadeUp:
    """A road of so many hops to the target; some are silent, some lose their first probes."""

    def __init__(
        self,
        length: int,
        *,
        name: str = "made up",
        silent: Collection[int] = (),
        loses: Mapping[int, int] = MappingProxyType({}),
        says: Mapping[int, str] = MappingProxyType({}),
    ) -> None:
        self.name = name
        self.length, self.silent, self.loses, self.says = length, silent, loses, says
        self.sent: Counter[int] = Counter()

    def send(self, ttl: int) -> tuple[Any, Reply | None]:
        self.sent[ttl] += 1
        at = min([ttl, self.length, *(hop for hop in self.says if hop <= ttl)])
        key = (ttl, self.sent[ttl])
        if at in self.silent or self.sent[ttl] <= self.loses.get(at, 0):
            return key, None
        if at in self.says:
            return key, Reply(self.says[at], f"10.0.0.{at}")
        if at == self.length:
            return key, Reply(TARGET, FAR)
        return key, Reply(HOP, f"10.0.0.{at}")

    def replies(self, link: Any) -> list[tuple[Any, Reply]]:
        return []

    def forget(self, key: Any) -> None:
        """Nothing is left."""

    def close(self) -> None:
        """Nothing is left."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TIMEOUT_S", "PATIENCE_S", "LAST_PATIENCE_S"):
        monkeypatch.setattr(walks, name, 0.002)


@pytest.fixture
def ready() -> Iterator[selectors.BaseSelector]:
    with selectors.DefaultSelector() as selector:
        yield selector


def walked(road: MadeUp, ready: selectors.BaseSelector) -> Walk:
    walk = Walk(cast("Probes", road), ready)
    discover(walk, lambda ttl, reply: None)
    return walk


def test_every_hop_is_found_with_one_probe_each(ready: selectors.BaseSelector) -> None:
    road = MadeUp(4)
    walk = walked(road, ready)
    assert (walk.length, walk.ends, walk.last(False), walk.last(True)) == (4, None, 4, 3)
    assert road.sent == {1: 1, 2: 1, 3: 1, 4: 1}


def test_lost_probes_do_not_lengthen_the_road(ready: selectors.BaseSelector) -> None:
    assert walked(MadeUp(3, loses={2: 2, 3: 2}), ready).length == 3


@pytest.mark.parametrize("silent", range(1, 12))
def test_a_target_behind_many_silent_hops_is_found(
    ready: selectors.BaseSelector, silent: int
) -> None:
    walk = walked(MadeUp(silent + 2, silent=set(range(2, silent + 2))), ready)
    assert (walk.length, walk.ends) == (silent + 2, None)


def test_a_target_that_drops_is_given_up_and_one_place_kept_for_it(
    ready: selectors.BaseSelector,
) -> None:
    walk = walked(MadeUp(3, silent={3}), ready)
    assert (walk.length, walk.ends) == (None, "silent")
    assert (walk.last(False), walk.last(True)) == (3, 2)


def test_where_nobody_answers_there_is_one_place(ready: selectors.BaseSelector) -> None:
    walk = walked(MadeUp(9, silent=set(range(1, 10))), ready)
    assert (walk.ends, walk.last(False), walk.last(True)) == ("silent", 1, 0)


def test_a_router_that_refuses_ends_the_road_there(ready: selectors.BaseSelector) -> None:
    walk = walked(MadeUp(5, says={3: "!X"}), ready)
    assert (walk.length, walk.ends, walk.last(False)) == (None, "!X", 3)


def test_a_refusal_behind_silent_hops_is_heard(ready: selectors.BaseSelector) -> None:
    walk = walked(MadeUp(20, silent={2, 3, 4, 5, 6}, says={7: "!H"}), ready)
    assert (walk.ends, walk.last(False)) == ("!H", 2)


def test_what_was_sent_to_find_the_hops_is_not_counted(ready: selectors.BaseSelector) -> None:
    walk = walked(MadeUp(2, silent={1}), ready)
    walk.begin()
    assert [walk.hops[ttl].shown(is_target=False)["sent"] for ttl in (1, 2)] == [0, 0]
    walk.send(1)
    walk.send(2)
    walk.listen_out()
    shown = [walk.hops[ttl].shown(is_target=ttl == 2) for ttl in (1, 2)]
    assert [(one["sent"], one["received"]) for one in shown] == [(1, 0), (1, 1)]
    assert shown[1]["address"] == FAR


def test_a_road_that_becomes_shorter_is_noticed(ready: selectors.BaseSelector) -> None:
    road = MadeUp(4)
    walk = walked(road, ready)
    road.length = 3
    walk.send(3)
    assert walk.length == 3


def filled(
    walk: Walk, other: MadeUp, ready: selectors.BaseSelector, *, with_target: bool = False
) -> list[str]:
    """The kind of probe that each hop is probed with in the end."""
    ttls = walk.silent(with_target=with_target)
    fill(walk, cast("Probes", other), ttls, lambda ttl, reply: None)
    return [walk.mode(ttl) for ttl in range(1, (walk.length or 0) + 1)]


def test_a_silent_hop_that_answers_to_another_kind_is_probed_by_that(
    ready: selectors.BaseSelector,
) -> None:
    road, other = MadeUp(5, silent={2, 4}), MadeUp(5, silent={4}, name="other")
    walk = walked(road, ready)
    assert filled(walk, other, ready) == ["made up", "other", "made up", "made up", "made up"]
    assert set(other.sent) == {2, 4}
    walk.begin()
    for ttl in (1, 2, 4):
        walk.send(ttl)
    walk.listen_out()
    shown = [walk.hops[ttl].shown(is_target=False) for ttl in (1, 2, 4)]
    assert [(one["sent"], one["received"]) for one in shown] == [(1, 1), (1, 1), (1, 0)]
    assert shown[1]["address"] == "10.0.0.2"


def test_what_answers_as_something_else_is_not_that_hop(ready: selectors.BaseSelector) -> None:
    walk = walked(MadeUp(4, silent={3}), ready)
    shorter = MadeUp(3, name="other")
    assert filled(walk, shorter, ready) == ["made up"] * 4
    assert walk.length == 4
    assert not walk.hops[3].addresses


def test_the_target_is_asked_by_another_kind_where_its_port_is_spared(
    ready: selectors.BaseSelector,
) -> None:
    walk = walked(MadeUp(3), ready)
    assert walk.last(without_target=True) == 2
    assert filled(walk, MadeUp(3, name="other"), ready, with_target=True)[-1] == "other"
    assert walk.last(without_target=True) == 3


def test_a_target_that_answers_to_no_other_kind_stays_spared(ready: selectors.BaseSelector) -> None:
    walk = walked(MadeUp(3), ready)
    dumb = MadeUp(3, silent={3}, name="other")
    assert filled(walk, dumb, ready, with_target=True) == ["made up"] * 3
    assert walk.last(without_target=True) == 2
    assert walk.answered[3].kind == TARGET


def test_a_road_that_is_silent_to_the_other_kind_too_is_soon_left_alone(
    ready: selectors.BaseSelector,
) -> None:
    walk = walked(MadeUp(12, silent=set(range(2, 12))), ready)
    dumb = MadeUp(12, silent=set(range(1, 13)), name="other")
    filled(walk, dumb, ready)
    assert set(dumb.sent) == {2, 3, 4, 5}


def test_the_kernels_time_counts_where_it_can_be_true() -> None:
    sent = Sent(1, time.time() - 1.0, time.monotonic() - 1.0)
    assert round_trip_ms(sent, Reply(HOP, took_ms=20.5)) == 20.5
    assert round_trip_ms(sent, Reply(HOP, at_s=sent.wall_s + 0.25)) == pytest.approx(250)
    for set_clock in (sent.wall_s - 3600, sent.wall_s + 3600):
        assert round_trip_ms(sent, Reply(HOP, at_s=set_clock)) == pytest.approx(1000, abs=200)
