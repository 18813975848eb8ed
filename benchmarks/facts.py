"""What a look at a host takes over a road of 20 ms: one script, against an ssh for every file.

Both over a connection that stands, by turns in one run. How often they went there and back is what
the wire saw, not what either says of itself.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.beside import CHECKOUT
from benchmarks.command import Benchmark, main, progress
from benchmarks.hosts import serve_ssh
from benchmarks.results import Aim, Result
from benchmarks.surroundings import version_of
from benchmarks.survey import FILES, Told
from profiles.errors import HostError
from rehearsal.road import Road, road
from rehearsal.wire import Conditions, Passage
from tui.surveying import WATCHED_S

OURS = "one script"
EACH = "an ssh for each file"
WAYS = {OURS: "script", EACH: "files"}
ONE_WAY_MS = 10.0
MEASURED = Conditions(delay_ms=ONE_WAY_MS, remembers=True)
AIM_S = 1.0
ENDING_S = 10.0
V4, TCP = 4, 6
COLUMNS = (
    "look",
    "in all, s",
    "of it watching, s",
    "the rest, s",
    "all of these",
    "asked",
    "there and back",
    "packets",
    "logging in before, s",
)
NOTE = (
    f"{len(FILES)} files of those that the script reads, and their counters again after the"
    " watching; it runs some forty other questions besides. The connection of `ssh` is kept"
    " (ControlMaster). Three times there and back: for the session, for its shell, for the answer."
)


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One look."""

    way: str
    login_s: float
    look_s: float
    watched_s: float
    asked: int
    """How many lines were run there, each in an SSH session of its own."""
    round_trips: int
    packets: int

    @property
    def rest_s(self) -> float:
        """What was not watching."""
        return self.look_s - self.watched_s


def measure(runs: int, nights: Path) -> Result:
    """So many of each, by turns. Raises HostError where there is no road, ssh or sshd."""
    with road() as laid, ExitStack() as stack:
        config = asyncio.run(serve_ssh(laid, nights, stack))
        made = [_run(laid, config, way) for _ in range(runs) for way in WAYS]
    return _result(made)


def _run(laid: Road, config: Path, way: str) -> Run:
    laid.be(MEASURED)
    words = (WAYS[way], config, laid.far.name, f"{WATCHED_S:g}")
    with _looking(laid, words) as told:
        login = told("")
        laid.be(MEASURED)
        look = told("look\n")
        passages = laid.be(Conditions()).passages
    run = Run(
        way=way,
        login_s=login.took_s,
        look_s=look.took_s,
        watched_s=WATCHED_S,
        asked=look.asked,
        round_trips=round_trips(passages, laid.near_address),
        packets=len(passages),
    )
    progress(f"{way}: {run.look_s:.2f} s, {run.round_trips} times there and back")
    return run


@contextmanager
def _looking(laid: Road, words: Sequence[str | Path]) -> Iterator[Callable[[str], Told]]:
    """Whoever looks; told a line, or nothing, it says how long that took. Raises HostError."""
    process = subprocess.Popen(
        laid.near.words([sys.executable, "-m", "benchmarks.survey", *words]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
    )
    sending, answering = process.stdin, process.stdout
    assert sending and answering

    def told(line: str) -> Told:
        sending.write(line)
        sending.flush()
        if not (said := answering.readline()):
            raise HostError("the near host", f"look by {words[0]}", "it has ended")
        return msgspec.json.decode(said, type=Told)

    try:
        yield told
        process.communicate(timeout=ENDING_S)
    finally:
        process.kill()
        process.communicate()


def round_trips(passages: Iterable[Passage], near: str) -> int:
    """How often the near end of a connection spoke after it had heard something new.

    Only what carries data counts (RFC 9293): an acknowledgement is nothing that anybody waits for.
    """
    home = socket.inet_aton(near)
    spoken = sorted(
        (passage.came_s, True) if packet[12:16] == home else (_arrived_s(passage), False)
        for passage in passages
        if passage.held_ms is not None and has_data(packet := bytes.fromhex(passage.begins))
    )
    speakers = [False, *(by_near for _, by_near in spoken)]
    return sum(now and not before for before, now in pairwise(speakers))


def _arrived_s(passage: Passage) -> float:
    return passage.came_s + (passage.held_ms or 0.0) / 1e3


def has_data(packet: bytes) -> bool:
    """Whether it is IPv4 and TCP, with more in it than the two headers."""
    if packet[0] >> 4 != V4 or packet[9] != TCP:
        return False
    header = (packet[0] & 15) * 4
    return int.from_bytes(packet[2:4]) > header + (packet[header + 12] >> 4) * 4


def _result(runs: Sequence[Run]) -> Result:
    return Result(
        name="facts",
        title=f"The facts of a host over {2 * ONE_WAY_MS:g} ms",
        columns=COLUMNS,
        rows=[_row([run for run in runs if run.way == way]) for way in WAYS],
        notes=[_times(runs), NOTE, f"OpenSSH {version_of(['ssh', '-V'])}."],
        aims=aims(runs),
        runs=runs,
    )


def _row(its: Sequence[Run]) -> list[str]:
    return [
        its[0].way,
        f"**{median(run.look_s for run in its):.2f}**",
        f"{its[0].watched_s:.2f}",
        f"**{median(run.rest_s for run in its):.2f}**",
        " ".join(f"{run.rest_s:.2f}" for run in its),
        f"{its[0].asked}",
        f"{median(run.round_trips for run in its):g}",
        f"{median(run.packets for run in its):g}",
        f"{median(run.login_s for run in its):.2f}",
    ]


def _times(runs: Sequence[Run]) -> str:
    ours, theirs = (median(run.rest_s for run in runs if run.way == way) for way in WAYS)
    return f"Watching apart, an ssh for each file takes {theirs / ours:.1f} times as long."


def aims(runs: Sequence[Run]) -> list[Aim]:
    """In all, with the watching; and how often it goes there and back, as the wire counts."""
    ours = [run for run in runs if run.way == OURS]
    look_s, trips = median(run.look_s for run in ours), median(run.round_trips for run in ours)
    return [
        Aim(f"the facts within {AIM_S:g} s", f"{look_s:.2f} s", look_s <= AIM_S),
        Aim("once there and back", f"{trips:g} times", trips <= 1),
    ]


BENCHMARK = Benchmark("facts", 5, measure)

if __name__ == "__main__":
    raise SystemExit(main(BENCHMARK))
