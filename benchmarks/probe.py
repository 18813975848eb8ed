"""The network test's probe against mtr on one emulated road, one after the other.

Both are held against what the wire did to each of their probes. On the second road the routers
answer as rarely as Linux lets them by default: what is not answered there is not lost.
"""

from __future__ import annotations

import resource
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from benchmarks import bulk
from benchmarks.beside import first_line
from benchmarks.command import Benchmark, main, progress
from benchmarks.passages import Truth, chance, fates, truth
from benchmarks.probers import MTR, MTR_TCP, OURS, Figures, printed, probed
from benchmarks.results import Aim, Result
from benchmarks.surroundings import version_of
from profiles.errors import HostError
from rehearsal.processes import THIS_MACHINE
from rehearsal.road import Road, road
from rehearsal.wire import Conditions

PYTHON = "python3"
PROBES = 200
INTERVAL_S = 0.1
PROBING = Conditions(delay_ms=10, jitter_ms=3, loss=0.05, remembers=True)
"""In either direction: the round trip is 20 ms and more, 9.75 % of the probes are lost."""
RECOVERY_S = 7.0
"""A Linux router has 6 answers in hand again, one a second (icmp(7), icmp_ratelimit)."""

OPEN, LIMITED = "open", "rate-limited"
RATE_LIMITS_MS = {OPEN: "0", LIMITED: "1000"}
PROBERS = {OPEN: (OURS, MTR, MTR_TCP), LIMITED: (OURS, MTR)}

AVERAGE_AIM_MS = 0.3
NO_CAPABILITY = "0000000000000000"
SAME = 1e-9
"""What two shares may differ by that are the same."""
REPEATED = "`mtr --tcp` hides a loss behind the SYN that the kernel repeats, unless `--timeout 1`."
COLUMNS = (
    "routers",
    "prober",
    "hop",
    "probes",
    "not answered (lost on the wire)",
    "said of it",
    "average, ms (true)",
    "stdev, ms (true)",
    "jitter, ms (true)",
)


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One prober on one road, once."""

    routers: str
    prober: str
    processor_s: float
    wall_s: float
    hops: Sequence[Figures]
    truths: Sequence[Truth]


def measure(runs: int, nights: Path) -> Result:
    """So many of each, by turns. Raises HostError where there is no road or no mtr."""
    if shutil.which("mtr") is None:
        raise HostError(THIS_MACHINE, "find mtr", "there is none", "Install it (Debian: mtr-tiny).")
    with ExitStack() as stack:
        laid = stack.enter_context(road())
        serve = [PYTHON, "-I", bulk.__file__, "serve"]
        port = first_line(stack, laid.far.words(serve))
        right = _capabilities(laid)
        made = [
            _run(laid, port, routers, prober)
            for _ in range(runs)
            for routers, probers in PROBERS.items()
            for prober in probers
        ]
    return _result(made, right)


def _capabilities(laid: Road) -> str:
    """Those of whoever runs our probe (proc(5), CapEff)."""
    words = laid.near.words(["sed", "-n", "s/^CapEff:\\s*//p", "/proc/self/status"])
    return printed("sed", words).strip()


def _run(laid: Road, port: str, routers: str, prober: str) -> Run:
    for router in (laid.near_router, laid.far_router):
        router.set("net.ipv4.icmp_ratelimit", RATE_LIMITS_MS[routers])
    if routers == LIMITED:
        time.sleep(RECOVERY_S)
    laid.be(PROBING)
    began_s, used_s = time.monotonic(), _processor_s()
    hops = probed(laid, port, prober, PROBES, INTERVAL_S)
    wall_s, processor_s = time.monotonic() - began_s, _processor_s() - used_s
    its_fates = fates(laid.be(Conditions()).passages, laid.near_address)
    run = Run(
        routers=routers,
        prober=prober,
        processor_s=processor_s,
        wall_s=wall_s,
        hops=hops,
        truths=[truth(its_fates, hop.hop, hop.sent) for hop in hops],
    )
    progress(f"{routers}, {prober}: {len(hops)} hops, {wall_s:.1f} s")
    return run


def _processor_s() -> float:
    """What all ended processes of ours have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _result(runs: Sequence[Run], capabilities: str) -> Result:
    return Result(
        name="probe",
        title="The probe against mtr on the same road",
        columns=COLUMNS,
        rows=[_row(run, hop, true) for run in runs for hop, true in _hops(run)],
        notes=[_costs(runs), _road(), REPEATED],
        aims=aims(runs, capabilities),
        runs=runs,
    )


def _hops(run: Run) -> Iterator[tuple[Figures, Truth]]:
    return zip(run.hops, run.truths, strict=True)


def _row(run: Run, hop: Figures, true: Truth) -> list[str]:
    real = "" if hop.real_loss is None else f", {hop.real_loss:.1%} lost"
    return [
        run.routers,
        run.prober,
        str(hop.hop),
        str(hop.sent),
        f"{hop.loss:.1%} ({true.loss:.1%})",
        f"{hop.standing}{real}" if hop.standing else "",
        _beside(hop.avg_ms, true.avg_ms),
        _beside(hop.stdev_ms, true.stdev_ms),
        _beside(hop.jitter_ms, true.jitter_ms),
    ]


def _beside(measured: float | None, true: float | None) -> str:
    first, second = ("???" if ms is None else f"{ms:.2f}" for ms in (measured, true))
    return f"{first} ({second})"


def _costs(runs: Sequence[Run]) -> str:
    costs = [
        f"{run.prober} ({run.routers}) {run.processor_s:.2f} s of a processor in {run.wall_s:.1f} s"
        for run in runs
    ]
    return f"{PROBES} cycles, one every {INTERVAL_S:g} s: {', '.join(costs)}."


def _road() -> str:
    away = PROBING.loss
    return (
        f"The wire: {PROBING.delay_ms:g} ± {PROBING.jitter_ms:g} ms and {away:.0%} loss in either"
        f" direction, {1 - (1 - away) ** 2:.2%} both ways; the first hop lies before it."
        f" mtr {version_of([shutil.which('mtr') or 'mtr', '--version'])}."
    )


def aims(runs: Sequence[Run], capabilities: str) -> list[Aim]:
    """What was hoped for of our probe."""
    ours = [run for run in runs if run.prober == OURS]
    off_ms = [off for run in ours if (off := worst_average_ms(run)) is not None]
    wrong = [wrong_losses(run) for run in ours if run.routers == OPEN]
    misled = [mistaken(run) for run in ours if run.routers == LIMITED]
    hops = [sum(len(run.hops) for run in ours if run.routers == each) for each in PROBERS]
    return [
        Aim(
            f"averages within {AVERAGE_AIM_MS:g} ms",
            f"{max(off_ms):.2f} ms at worst",
            max(off_ms) <= AVERAGE_AIM_MS,
        ),
        Aim(
            "loss within chance of the truth at every hop",
            f"{hops[0] - sum(wrong)} of {hops[0]}",
            not sum(wrong),
        ),
        Aim(
            "never misled by routers that limit their answers",
            f"{hops[1] - sum(misled)} of {hops[1]} hops read rightly",
            not sum(misled),
        ),
        Aim("no root", f"capabilities {capabilities}", capabilities == NO_CAPABILITY),
    ]


def worst_average_ms(run: Run) -> float | None:
    """How far an average is off at most, of the hops that answered; milliseconds."""
    off_ms = [
        abs(hop.avg_ms - true.avg_ms)
        for hop, true in _hops(run)
        if hop.avg_ms is not None and true.avg_ms is not None
    ]
    return max(off_ms, default=None)


def wrong_losses(run: Run) -> int:
    """Of how many hops the loss is further from the truth than chance would take it."""
    return sum(not _between(hop.loss, [true], hop.sent) for hop, true in _hops(run))


def mistaken(run: Run) -> int:
    """Of how many hops our probe says something that is not so.

    A hop that leaves probes unanswered must be said to limit itself. What is lost up to it is then
    known no better than what is lost up to a hop behind it: one of these truths it must be.
    """
    return sum(not _read_rightly(hop, run.truths[at:]) for at, hop in enumerate(run.hops))


def _read_rightly(hop: Figures, onward: Sequence[Truth]) -> bool:
    limits_itself = not _between(hop.loss, onward[:1], hop.sent)
    if hop.real_loss is None or limits_itself != (hop.standing == "limited"):
        return False
    return _between(hop.real_loss, onward if limits_itself else onward[:1], hop.sent)


def _between(loss: float, truths: Sequence[Truth], sent: int) -> bool:
    """Whether chance takes one of these losses there."""
    bounds = [bound for true in truths for bound in chance(true.loss, sent)]
    return min(bounds) - SAME <= loss <= max(bounds) + SAME


BENCHMARK = Benchmark("probe", 1, measure)

if __name__ == "__main__":
    raise SystemExit(main(BENCHMARK))
