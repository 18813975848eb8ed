"""The network test's probe and mtr as commands, and what both print, in one shape.

Knows how each is run on a host of a road; must not know what is true there.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

import msgspec

from checks.network.hops import Reading, Standing, read, readings
from checks.network.measure import shell_line
from profiles.errors import DeadlineError, HostError
from rehearsal.processes import THIS_MACHINE
from rehearsal.road import Road

OURS, MTR, MTR_TCP = "this probe", "mtr", "mtr --tcp"
DEADLINE_S = 60.0


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What a prober prints of a hop; times in milliseconds, None where nothing came back."""

    hop: int
    sent: int
    received: int
    avg_ms: float | None
    stdev_ms: float | None
    jitter_ms: float | None
    standing: Standing | None = None
    """What our probe makes of it; mtr leaves that to its reader."""
    real_loss: float | None = None
    """The share that our probe says is really lost up to here."""

    @property
    def loss(self) -> float:
        """The share that was not answered."""
        return 1 - self.received / self.sent


class MtrHub(msgspec.Struct, frozen=True):
    """A hop of mtr's JSON."""

    count: int
    sent: int = msgspec.field(name="Snt")
    received: int = msgspec.field(name="Rcv")
    avg_ms: float = msgspec.field(name="Avg")
    stdev_ms: float = msgspec.field(name="StDev")
    jitter_ms: float = msgspec.field(name="Javg")


class MtrHubs(msgspec.Struct, frozen=True):
    """The hops."""

    hubs: list[MtrHub]


class MtrReport(msgspec.Struct, frozen=True):
    """What mtr prints."""

    report: MtrHubs


def probed(laid: Road, port: str, prober: str, probes: int, interval_s: float) -> list[Figures]:
    """What a prober finds on the way to that port, every hop probed so often.

    Ours runs as any user, mtr as one who may open raw sockets. Raises HostError, DeadlineError.
    """
    if prober == OURS:
        cycles = ["--cycles", str(probes), "--interval", str(interval_s)]
        line = shell_line("probe", [laid.far_address, port, *cycles])
        return _of_ours(printed(OURS, laid.near.words(["/bin/sh", "-c", line])))
    kind = ["--tcp", "--port", port] if prober == MTR_TCP else []
    asked = ["--no-dns", "--interval", str(interval_s), "--report-cycles", str(probes)]
    words = ["mtr", "--json", "--order", "SRAVM", *asked, *kind, laid.far_address]
    return _of_mtr(printed(prober, laid.near.as_root(words)))


def printed(what: str, words: Sequence[str]) -> str:
    """What a command prints. Raises HostError, DeadlineError."""
    try:
        ran = subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    except subprocess.TimeoutExpired:
        said = f"not through within {DEADLINE_S:g} s"
        raise DeadlineError(THIS_MACHINE, f"run {what}", said) from None
    if ran.returncode:
        raise HostError(THIS_MACHINE, f"run {what}", ran.stderr.strip())
    return ran.stdout


def _of_ours(printed: str) -> list[Figures]:
    return [_figures(reading) for reading in readings(read(printed.splitlines()).hops)]


def _figures(reading: Reading) -> Figures:
    hop, real_percent = reading.hop, reading.real_loss_percent
    return Figures(
        hop=hop.ttl,
        sent=hop.sent,
        received=hop.received,
        avg_ms=hop.avg_ms,
        stdev_ms=hop.stdev_ms,
        jitter_ms=hop.jitter_ms,
        standing=reading.standing,
        real_loss=None if real_percent is None else real_percent / 100,
    )


def _of_mtr(printed: str) -> list[Figures]:
    return [
        Figures(
            hop=hub.count,
            sent=hub.sent,
            received=hub.received,
            avg_ms=hub.avg_ms,
            stdev_ms=hub.stdev_ms,
            jitter_ms=hub.jitter_ms,
        )
        for hub in msgspec.json.decode(printed, type=MtrReport).report.hubs
    ]
