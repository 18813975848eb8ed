"""A TCP connection with whichever address of a name answers first, none waiting for a dead one."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

STAGGER_S = 0.25
"""How long one address is waited for before the next is tried beside it (RFC 8305, section 8)."""

Address = tuple[int, Any]
"""The family of a socket and where it is to connect."""


async def dial(host: str, port: int, family: int = socket.AF_UNSPEC) -> socket.socket:
    """A connected socket. Raises OSError, of the first address when none answers.

    It has no deadline of its own: a firewall that drops everything keeps it waiting.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
    left = _interleaved((kind, address) for kind, _, _, _, address in found)
    waiting: set[asyncio.Task[socket.socket]] = set()
    failed: list[OSError] = []
    try:
        while left or waiting:
            if left:
                waiting.add(asyncio.create_task(_connected(left.pop(0))))
            stagger_s = STAGGER_S if left else None
            done, _ = await asyncio.wait(
                waiting, timeout=stagger_s, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                waiting.discard(task)
                try:
                    return task.result()
                except OSError as error:
                    failed.append(error)
        raise failed[0]
    finally:
        await _give_up(waiting)


def _interleaved(addresses: Iterable[Address]) -> list[Address]:
    """The families take turns, as RFC 8305 has it (section 4), the resolver's first one first."""
    by_family: dict[int, list[Address]] = {}
    for family, address in addresses:
        by_family.setdefault(family, []).append((family, address))
    turns = itertools.zip_longest(*by_family.values())
    return [address for turn in turns for address in turn if address is not None]


async def _connected(to: Address) -> socket.socket:
    family, address = to
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setblocking(False)
        await asyncio.get_running_loop().sock_connect(opened, address)
    except BaseException:
        opened.close()
        raise
    return opened


async def _give_up(waiting: Iterable[asyncio.Task[socket.socket]]) -> None:
    """Ends the attempts that were not first, one that came second in the same moment too."""
    for task in waiting:
        task.cancel()
    for task in waiting:
        with suppress(asyncio.CancelledError, OSError):
            (await task).close()
