"""A machine on which every script of the network test prints what the test wants."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from checks.catalogue import for_phase
from checks.check import HERE, Look
from checks.network import measure
from checks.runner import run_checks
from connections.host import Ran
from connections.tcp_info import TcpInfo
from profiles.errors import HostError
from profiles.events import Event
from profiles.findings import Finding
from profiles.profile import (
    LocalHost,
    Profile,
    SshHost,
)
from tests.fix_looks import MadeUpSession, a_profile, a_server

LOCAL = LocalHost()
SSH = SshHost(ssh="192.0.2.7", user="ferry", port=2222, config="/dev/null")
A_ROAD = TcpInfo(1.2, 0.1, 1.0, 3, 1500)
WAL = [{"lsn": "0/1000"}]
NOW = [{"at": datetime.now(UTC)}]
PROBE = (
    {"event": "hello", "host": "127.0.0.1", "port": 5416, "address": "127.0.0.1", "resolved_ms": 1},
    {"event": "path", "mode": "tcp", "reached": True, "ends": None},
    {"event": "counting", "mode": "tcp", "cycles": 20},
)
MTU = {"event": "mtu", "mtu": 1500, "target": True, "carried_to": "127.0.0.1", "shrunk": []}
NAMES = (
    {"event": "resolver", "address": "192.0.2.53", "took_ms": 2.0},
    {"event": "resolved", "took_ms": 1.0},
)
TIMINGS = (
    {"event": "timed", "address": "127.0.0.1", "connect_ms": 0.4, "tls_ms": 2.0, "tls": "TLSv1.3"},
)
NO_TLS = ({"event": "timed", "address": "10.9.0.5", "connect_ms": 0.4},)
SERVING = {"event": "serving", "port": 4711}
CARRIED = (
    {"event": "clock", "ahead_s": 0.0, "within_s": 0.001},
    {"event": "carried", "channels": 1, "bytes_a_second": 100e6},
    {"event": "carried", "channels": 4, "bytes_a_second": 100e6},
)


def cycle(number: int, received: int) -> dict[str, Any]:
    """A road of a router and the target, after so many probes."""
    figures = {"avg_ms": 1.0, "last_ms": 1.0, "jitter_ms": 0.1}
    near = {"ttl": 1, "address": "10.0.0.1", "sent": number, "received": number, **figures}
    far = {"ttl": 2, "address": "127.0.0.1", "target": True, "sent": number, "received": received}
    return {"event": "cycle", "cycle": number, "hops": [near, {**far, **figures}]}


class Scripted:
    """A machine on which every script prints what this test wants."""

    def __init__(
        self,
        lost: int = 0,
        *,
        broken: str = "",
        trips_ms: Mapping[str, float | None] = MappingProxyType({}),
        rate: float = 100e6,
        files: Mapping[str, str] = MappingProxyType({}),
        ahead_s: float = 0.0,
    ) -> None:
        self.name = "made up"
        self.ran: list[str] = []
        self.lines: list[str] = []
        self._lost = lost
        self._broken = broken
        self._trips_ms = trips_ms
        self._rate = rate
        self._files = files
        self._ahead_s = ahead_s

    async def run(
        self,
        line: str,
        *,
        deadline_s: float,
        env: Mapping[str, str] = {},
        on_line: Callable[[str], None] | None = None,
    ) -> Ran:
        what = next(name for name, sign in SIGNS if sign in line)
        self.ran.append(what)
        self.lines.append(line)
        if what == self._broken:
            raise HostError(self.name, "run it", "it does not run")
        if what == "date":
            return Ran(0, f"{time.time() + self._ahead_s:.6f}\n", "")
        if what == "buffers":
            return Ran(0, "4096 131072 6291456\n4096 16384 4194304\n", "")
        for event in self._events(what, line):
            assert on_line is not None
            on_line(json.dumps(event))
        return Ran(0, "", "")

    async def read(self, path: str) -> str:
        if path not in self._files:
            raise HostError(self.name, f"read {path}", "Permission denied")
        return self._files[path]

    def words(self, what: str) -> list[str]:
        """What the last such script was told."""
        line = next(line for line in reversed(self.lines) if dict(SIGNS)[what] in line)
        return line.partition("-I - ")[2].partition(" <<")[0].split()

    def _events(self, what: str, line: str) -> Sequence[Mapping[str, Any]]:
        if what == "probe":
            return (*PROBE, cycle(1, 1), cycle(20, 20 - self._lost), {"event": "done"})
        if what == "pull":
            carried = [{**one, "bytes_a_second": self._rate} for one in CARRIED[1:]]
            return (CARRIED[0], *carried)
        if what == "trips":
            words = self.words("trips")
            return [self._trip(*place) for place in zip(words[::2], words[1::2], strict=True)]
        timings = NO_TLS if "--no-tls" in line.partition("<<")[0] else TIMINGS
        return {"mtu": (MTU,), "timings": timings, "names": NAMES, "serve": (SERVING,)}[what]

    def _trip(self, host: str, port: str) -> dict[str, Any]:
        took_ms = self._trips_ms.get(host, 0.3)
        why = {} if took_ms else {"why": "timed out"}
        return {"event": "trip", "host": host, "port": int(port), "took_ms": took_ms, **why}


SIGNS = (
    ("date", measure.CLOCK_LINE),
    ("buffers", "/proc/sys/net/ipv4/tcp_rmem"),
    ("probe", 'prog="probe"'),
    ("serve", "-I - serve "),
    ("pull", "-I - pull "),
    ("timings", 'prog="timings"'),
    ("mtu", 'prog="mtu"'),
    ("names", "MOST_RESOLVERS"),
    ("trips", "HOST PORT [HOST PORT ...]"),
)


def the_profile(**more: Any) -> Profile:
    old, new = a_server("old", 5416, host=LOCAL), a_server("new", 5418, host=LOCAL)
    return a_profile(old, new, **more)


def a_look(machine: Scripted, told: list[Event] | None = None, **more: Any) -> Look:
    """Both servers on one machine."""
    amount = [{"tables": 1, "table_bytes": 2e9, "index_bytes": 0, "estimated_rows": 1}]
    answers: dict[str, Any] = {
        "SELECT 1": [{"one": 1}],
        "pg_current_wal": WAL,
        "clock": NOW,
        "pg_": amount,
    }
    profile = more.pop("profile", None) or the_profile(**more)
    sessions = {
        side: MadeUpSession(answers, roads=[A_ROAD, A_ROAD]) for side in ("source", "destination")
    }
    machines: dict[str, Any] = dict.fromkeys(("old", "new", "pool", HERE), machine)
    tell = (lambda event: None) if told is None else told.append
    return Look(profile, sessions, {}, machines, tell=tell)


async def looked(look: Look) -> dict[str, Finding]:
    """The findings by their check; of those on both servers the destination's."""
    found = [found async for found in run_checks(for_phase("network"), look)]
    return {each.check: each for each in found if each.server != "old"}
