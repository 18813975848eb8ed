"""A road in network namespaces, and what runs on its hosts: scripts, listeners, host lines."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from checks.network.scripts import one_file
from connections.host import Ran, ThisMachine
from profiles.errors import HostError
from rehearsal import road as roads
from rehearsal.road import Place, Road

SCRIPT_S = 40.0
LISTENER = """
import socket, sys
door = socket.create_server(
    (sys.argv[1], int(sys.argv[2])), family=socket.AF_INET6, dualstack_ipv6=True
)
print("listening", flush=True)
while True:
    door.accept()[0].close()
    print("accepted", flush=True)
"""

Event = dict[str, Any]


@pytest.fixture
def road() -> Iterator[Road]:
    """A road whose routers answer every probe."""
    try:
        with roads.road() as made:
            for place in (made.near_router, made.far_router, made.far):
                answer_always(place)
            yield made
    except HostError as error:
        if "namespace" not in error.tried:
            raise
        pytest.skip(str(error))


def answer_always(place: Place) -> None:
    """Take away the limit of one ICMP message a second (icmp(7), icmp_ratelimit)."""
    place.set("net.ipv4.icmp_ratelimit", "0")
    place.set("net.ipv6.icmp.ratelimit", "0")


class OnPlace:
    """The hosts of a road as `connections.host.Host` runs lines on them."""

    def __init__(self, place: Place) -> None:
        self.name = place.name
        self._place = place

    async def run(
        self,
        line: str,
        *,
        deadline_s: float,
        env: Mapping[str, str] = {},
        on_line: Callable[[str], None] | None = None,
    ) -> Ran:
        there = shlex.join(self._place.words(["/bin/sh", "-c", line]))
        return await ThisMachine(self.name).run(
            f"exec {there}", deadline_s=deadline_s, env=env, on_line=on_line
        )


def piped(
    words: Sequence[str], script: str, *arguments: str, python: str = sys.executable
) -> list[Event]:
    """The events of a script that comes over standard input; `words` lead to where it runs."""
    ran = subprocess.run(
        [*words, python, "-W", "error", "-", *arguments],
        input=one_file(script),
        capture_output=True,
        text=True,
        timeout=SCRIPT_S,
        check=False,
    )
    assert not ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


def lines_of(events: Sequence[Event]) -> list[str]:
    """The events as they were printed."""
    return [json.dumps(event) for event in events]


@contextmanager
def listening(place: Place, port: int) -> Iterator[Callable[[], int]]:
    """A listener there, on IPv4 and IPv6; gives how many connections it got, at its end."""
    listener = subprocess.Popen(
        place.words([sys.executable, "-c", LISTENER, "::", str(port)]),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert listener.stdout
    assert listener.stdout.readline() == "listening\n"
    accepted = ""

    def ended() -> int:
        nonlocal accepted
        listener.terminate()
        accepted += listener.communicate(timeout=5)[0]
        return accepted.count("accepted")

    try:
        yield ended
    finally:
        if listener.poll() is None:
            ended()
