"""A name with several addresses: a dead one does not keep the others waiting."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from connections import ssh_dial
from connections.ssh_dial import dial
from rehearsal.server import free_port


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def resolves_to(monkeypatch: pytest.MonkeyPatch, *places: tuple[str, int]) -> None:
    async def getaddrinfo(*_: object, **__: object) -> list[tuple[Any, ...]]:
        family = socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", place) for place in places]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)


async def test_the_first_address_that_answers_is_taken(
    listening: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolves_to(monkeypatch, ("127.0.0.1", free_port()), ("127.0.0.1", listening))
    with await dial("db.lan", 22) as opened:
        assert opened.getpeername() == ("127.0.0.1", listening)


async def test_an_address_that_says_nothing_is_not_waited_for(
    listening: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up = asyncio.Event()
    real = ssh_dial._connected

    async def connected(to: ssh_dial.Address) -> socket.socket:
        if to[1][1] == 1:
            try:
                await asyncio.Event().wait()
            finally:
                given_up.set()
        return await real(to)

    monkeypatch.setattr(ssh_dial, "_connected", connected)
    monkeypatch.setattr(ssh_dial, "STAGGER_S", 0.05)
    resolves_to(monkeypatch, ("127.0.0.1", 1), ("127.0.0.1", listening))
    began = time.monotonic()
    (await dial("db.lan", 22)).close()
    assert 0.04 < time.monotonic() - began < 2
    assert given_up.is_set()


async def test_when_none_answers_the_first_error_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = free_port(), free_port()
    resolves_to(monkeypatch, ("127.0.0.1", one), ("127.0.0.1", two))
    with pytest.raises(ConnectionRefusedError, match=str(one)):
        await dial("db.lan", 22)


def test_the_families_take_turns() -> None:
    v4, v6 = socket.AF_INET, socket.AF_INET6
    found = [(v6, "a"), (v6, "b"), (v4, "c"), (v6, "d"), (v4, "e")]
    turns = ssh_dial._interleaved(found)
    assert turns == [(v6, "a"), (v4, "c"), (v6, "b"), (v4, "e"), (v6, "d")]
