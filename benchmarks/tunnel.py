"""The wizard's tunnel against `ssh -L`, on loopback and over a long road, by turns in one run.

Everything stands on the hosts of a road: a real OpenSSH server, what sends and receives behind it,
and each tunnel in a process of its own. Beside them, what the road carries without any tunnel.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec

from benchmarks import bulk
from benchmarks.beside import first_line
from benchmarks.command import Benchmark, main, progress
from benchmarks.hosts import LOOPBACK, serve_ssh
from benchmarks.results import Aim, Result
from benchmarks.surroundings import version_of
from profiles.errors import DeadlineError, HostError
from rehearsal.road import Place, Road, road
from rehearsal.wire import Conditions

ROUND_TRIP_MS = 80
SEVERAL = 4
SAME_CIPHER = "aes128-gcm@openssh.com"
"""What the wizard's tunnel and an OpenSSH server agree on."""

ONE_AIM = 0.8
SEVERAL_AIM = 2.0

NONE = "no tunnel"
OURS = "the wizard's tunnel"
SSH = "ssh -L, its own cipher"
SSH_SAME = "ssh -L, the wizard's cipher"
CIPHERS: dict[str, list[str]] = {SSH: [], SSH_SAME: ["-c", SAME_CIPHER]}
FREE_PORTS = count(7001)
"""Nobody else listens on that host."""
WAYS = ("down", "up")
NOTE = (
    f"The {ROUND_TRIP_MS} ms are those of an emulated wire, on the processors that everything else"
    " runs on too; what it carries without a tunnel is the most that can be reached there."
)
COLUMNS = ("road", "tunnel", "connections", "down, MB/s", "up, MB/s", "all down", "all up")


class Case(NamedTuple):
    """What is measured: so many connections at once through that."""

    tunnel: str
    connections: int


class Ground(NamedTuple):
    """A road, what is measured on it, and for how long: a long road takes time to fill."""

    name: str
    cases: tuple[Case, ...]
    warm_up_s: float
    seconds: float


SHORT = Ground(
    "loopback", tuple(Case(tunnel, 1) for tunnel in (NONE, OURS, SSH, SSH_SAME)), 0.3, 1.0
)
LONG = Ground(
    f"{ROUND_TRIP_MS} ms",
    tuple(Case(tunnel, count) for tunnel in (NONE, OURS, SSH) for count in (1, SEVERAL)),
    1.2,
    1.8,
)


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement."""

    road: str
    tunnel: str
    connections: int
    way: str
    """``down``: towards the client, as a copy goes; ``up``: from it."""
    megabytes_a_second: float


def measure(runs: int, nights: Path) -> Result:
    """So many of each, by turns. Raises HostError where there is no road, ssh or sshd."""
    with road() as laid, ExitStack() as stack:
        config = asyncio.run(serve_ssh(laid, nights, stack))
        short = _entrances(laid, laid.near, LOOPBACK, config, stack)
        made = _measured(laid.near, SHORT, short, runs)
        laid.be(Conditions(delay_ms=ROUND_TRIP_MS / 2))
        long = _entrances(laid, laid.far, laid.far_address, config, stack)
        made += _measured(laid.near, LONG, long, runs)
    return _result(made)


def _entrances(
    laid: Road, far: Place, address: str, config: Path, stack: ExitStack
) -> dict[str, tuple[str, int]]:
    """Where a client on the near host connects to, through each tunnel and through none."""
    file = str(config)
    port = first_line(stack, far.words([sys.executable, "-I", bulk.__file__, "serve"]))
    ferry = [sys.executable, "-m", "benchmarks.ferry", file, far.name, LOOPBACK, port]
    entrances = {
        NONE: (address, int(port)),
        OURS: (LOOPBACK, int(first_line(stack, laid.near.words(ferry)))),
    }
    for tunnel, cipher in CIPHERS.items():
        entrance = (LOOPBACK, next(FREE_PORTS))
        leads = f"{entrance[1]}:{LOOPBACK}:{port}"
        told = ["-o", "PermitLocalCommand=yes", "-o", "LocalCommand=echo ready"]
        ssh = ["ssh", "-N", "-F", file, *cipher, *told, "-L", leads, far.name]
        first_line(stack, laid.near.words(ssh))
        entrances[tunnel] = entrance
    return entrances


def _measured(
    near: Place, ground: Ground, entrances: Mapping[str, tuple[str, int]], runs: int
) -> list[Run]:
    made = []
    for number in range(runs):
        for case in ground.cases:
            for way in WAYS:
                run = _run(near, ground, case, entrances[case.tunnel], way)
                said = f"{case.tunnel}, {case.connections}, {way}: {run.megabytes_a_second:.1f}"
                progress(f"{number + 1}/{runs} {ground.name}, {said} MB/s")
                made.append(run)
    return made


def _run(near: Place, ground: Ground, case: Case, to: tuple[str, int], way: str) -> Run:
    wanted = (*to, way, case.connections, ground.warm_up_s, ground.seconds)
    words = near.words([sys.executable, "-I", bulk.__file__, "carry", *map(str, wanted)])
    deadline_s = bulk.PATIENCE_S + ground.warm_up_s + ground.seconds
    try:
        ran = subprocess.run(words, capture_output=True, text=True, timeout=deadline_s, check=False)
    except subprocess.TimeoutExpired:
        said = f"not through within {deadline_s:g} s"
        raise DeadlineError(case.tunnel, f"carry {way}", said) from None
    if ran.returncode:
        raise HostError(case.tunnel, f"carry {way}", ran.stderr.strip())
    return Run(
        road=ground.name,
        tunnel=case.tunnel,
        connections=case.connections,
        way=way,
        megabytes_a_second=float(ran.stdout) / 1e6,
    )


def _result(runs: Sequence[Run]) -> Result:
    return Result(
        name="tunnel",
        title="The wizard's tunnel against `ssh -L`",
        columns=COLUMNS,
        rows=[_row(runs, ground, case) for ground in (SHORT, LONG) for case in ground.cases],
        notes=[NOTE, f"OpenSSH {version_of(['ssh', '-V'])}."],
        aims=aims(runs),
        runs=runs,
    )


def _row(runs: Sequence[Run], ground: Ground, case: Case) -> list[str]:
    down, up = (_rates(runs, ground, case, way) for way in WAYS)
    medians = [f"**{median(rates):.1f}**" for rates in (down, up)]
    every = [" ".join(f"{rate:.1f}" for rate in rates) for rates in (down, up)]
    return [ground.name, case.tunnel, str(case.connections), *medians, *every]


def _rates(runs: Sequence[Run], ground: Ground, case: Case, way: str) -> list[float]:
    wanted = (ground.name, *case, way)
    return [
        run.megabytes_a_second
        for run in runs
        if (run.road, run.tunnel, run.connections, run.way) == wanted
    ]


def aims(runs: Sequence[Run]) -> list[Aim]:
    """Of each way, by the medians: one channel, and several over the long road."""
    made = []
    for way in WAYS:
        for tunnel in (SSH, SSH_SAME):
            reached = _times(runs, SHORT, way, Case(OURS, 1), Case(tunnel, 1))
            wanted = f"{SHORT.name}, {way}: ≥ {ONE_AIM:g} of {tunnel}"
            made.append(Aim(wanted, f"{reached:.2f}", reached >= ONE_AIM))
        reached = _times(runs, LONG, way, Case(OURS, SEVERAL), Case(SSH, 1))
        wanted = (
            f"{LONG.name}, {way}, {SEVERAL} connections: ≥ {SEVERAL_AIM:g} times ssh -L with one"
        )
        made.append(Aim(wanted, f"{reached:.2f} times", reached >= SEVERAL_AIM))
    return made


def _times(runs: Sequence[Run], ground: Ground, way: str, one: Case, other: Case) -> float:
    ours, theirs = (median(_rates(runs, ground, case, way)) for case in (one, other))
    return ours / theirs


BENCHMARK = Benchmark("tunnel", 3, measure)

if __name__ == "__main__":
    raise SystemExit(main(BENCHMARK))
