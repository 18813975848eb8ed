"""Which connection a client of a tunnel is given."""

from __future__ import annotations

from typing import cast

import pytest

from connections import tunnel_lines
from connections.ssh import Ssh
from connections.ssh_link import Link
from connections.tcp_info import TcpInfo
from connections.tunnel_lines import MOST_LINES, Lines
from profiles.errors import UnreachableError

OWN = cast(Ssh, object())


class FakeLink:
    """A link that opens at once, or that is refused; those made of it are kept."""

    made: list[FakeLink]
    refuses = False

    def __init__(self, name: str, host: object, passwords: object) -> None:
        self.name, self.host, self.passwords = name, host, passwords
        self.ssh = cast(Ssh, object())
        self.round_trip_ms: float | None = None
        self.closed = False
        FakeLink.made.append(self)

    def road(self) -> TcpInfo | None:
        ms = self.round_trip_ms
        return None if ms is None else TcpInfo(ms + 5, 1.0, ms, 0, 1500)

    async def open(self, deadline_s: float) -> Ssh:
        if FakeLink.refuses:
            raise UnreachableError("host of old", "log in", "too many")
        return self.ssh

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> FakeLink:
    monkeypatch.setattr(tunnel_lines, "Link", FakeLink)
    monkeypatch.setattr(FakeLink, "made", [], raising=False)
    monkeypatch.setattr(FakeLink, "refuses", False)
    return FakeLink("old", "host", "passwords")


def lines_of(own: FakeLink) -> Lines:
    return Lines(cast(Link, own))


@pytest.mark.parametrize("round_trip_ms", [None, 19.9])
async def test_on_a_short_road_all_share_one(own: FakeLink, round_trip_ms: float | None) -> None:
    own.round_trip_ms = round_trip_ms
    lines = lines_of(own)
    assert [await lines.take(client, OWN) for client in range(6)] == [OWN] * 6
    assert FakeLink.made == [own]


async def test_on_a_long_road_each_has_its_own_until_there_are_enough(own: FakeLink) -> None:
    own.round_trip_ms = 80
    lines = lines_of(own)
    taken = [await lines.take(client, OWN) for client in range(MOST_LINES + 1)]
    further = [link.ssh for link in FakeLink.made[1:]]
    assert taken == [OWN, *further, OWN]
    assert len(FakeLink.made) == MOST_LINES
    assert {(link.name, link.host, link.passwords) for link in FakeLink.made} == {
        ("old", "host", "passwords")
    }


async def test_a_client_keeps_its_own_and_leaves_it_to_the_next(own: FakeLink) -> None:
    own.round_trip_ms = 80
    lines = lines_of(own)
    await lines.take("first", OWN)
    second = await lines.take("second", OWN)
    assert await lines.take("second", OWN) is second is not OWN
    lines.leave("first")
    assert await lines.take("third", OWN) is OWN
    lines.leave("second")
    assert await lines.take("fourth", OWN) is second


async def test_where_a_further_one_is_refused_all_share_the_first(own: FakeLink) -> None:
    own.round_trip_ms = 80
    FakeLink.refuses = True
    lines = lines_of(own)
    assert [await lines.take(client, OWN) for client in range(5)] == [OWN] * 5
    assert len(FakeLink.made) == 2  # asked once, and not again


async def test_the_tunnels_own_link_stays_when_the_others_are_closed(own: FakeLink) -> None:
    own.round_trip_ms = 80
    lines = lines_of(own)
    for client in range(3):
        await lines.take(client, OWN)
    await lines.close()
    assert [link.closed for link in FakeLink.made] == [False, True, True]
