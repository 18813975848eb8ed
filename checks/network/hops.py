"""The probe's events as the hops of a road, and what their losses mean.

Pure: knows the events' shapes and statistics, no socket. A router answers a probe when it has time
for it and forwards without asking itself; so a loss counts only where it goes on to the target.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import comb
from typing import Any, Literal, NamedTuple

import msgspec

CHANCE = 0.001
"""A difference in loss that would come about by chance less often than this is none of chance."""

Standing = Literal["fine", "silent", "limited", "lossy", "unclear"]
"""``limited``: it answers only some probes, and forwards; ``unclear``: what is behind it is not
known, so that its own loss cannot be told from its not answering."""


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """What answers at one TTL; round trips in milliseconds, None where nothing came back."""

    ttl: int
    mode: str = ""
    """The kind of probe it answers to: ``tcp``, ``udp`` or ``icmp``."""
    address: str | None = None
    also: tuple[str, ...] = ()
    """Other addresses at the same TTL: the road is balanced over several lines."""
    target: bool = False
    sent: int = 0
    received: int = 0
    marks: dict[str, int] = {}
    """How often it answered with something else: ``refused``, or traceroute's ``!X`` and so on."""
    last_ms: float | None = None
    avg_ms: float | None = None
    best_ms: float | None = None
    worst_ms: float | None = None
    stdev_ms: float | None = None
    jitter_ms: float | None = None
    """The mean change from one round trip to the next."""

    @property
    def lost(self) -> int:
        """How many probes nothing came back for."""
        return self.sent - self.received

    @property
    def loss_percent(self) -> float:
        """The share of probes nothing came back for; 0 before the first."""
        return 100 * self.lost / self.sent if self.sent else 0.0


class Tried(msgspec.Struct, frozen=True):
    """One kind of probe: whether it reached the target, and else why it ended before."""

    mode: str
    reached: bool
    ends: str | None = None


class Answer(msgspec.Struct, frozen=True):
    """What one of several addresses of the target said to a connection."""

    address: str
    answer: str

    @property
    def lives(self) -> bool:
        """Whether anything answered there."""
        return self.answer in ("connected", "refused")


class Path(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a road so far."""

    host: str = ""
    port: int = 0
    address: str = ""
    resolved_ms: float | None = None
    mode: str = ""
    cycle: int = 0
    cycles: int = 0
    hops: tuple[Hop, ...] = ()
    names: dict[str, str] = {}
    tried: tuple[Tried, ...] = ()
    answers: tuple[Answer, ...] = ()
    """Of a target with several addresses: those that were asked, in the resolver's order."""
    error: str = ""
    """Why nothing could be probed."""
    done: bool = False

    @property
    def target(self) -> Hop | None:
        """The hop that is the target, where it is measured."""
        return next((hop for hop in self.hops if hop.target), None)

    @property
    def port_ends(self) -> str | None:
        """Why the port itself is not reached, though perhaps its host; None when it is."""
        port = next((way for way in self.tried if way.mode == "tcp"), None)
        return port.ends if port else None


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a hop's figures mean."""

    hop: Hop
    standing: Standing
    real_loss_percent: float | None
    """The loss on the road up to here; None where nothing behind it answers.

    Of a hop that is ``silent`` or ``limited`` the most it can be: what is behind it loses so much.
    """


class Begins(NamedTuple):
    """From the first hop that may lose probes to the first that is seen to."""

    first: Hop
    """It and those behind it hide their own loss, unless it is the other one already."""
    seen: Hop


def read(lines: Iterable[str]) -> Path:
    """The road from all that a probe printed; raises msgspec.DecodeError on another language."""
    path = Path()
    for line in lines:
        path = told(path, line)
    return path


def told(path: Path, line: str) -> Path:
    """The road after one more line of the probe; events of no interest here change nothing."""
    event: dict[str, Any] = msgspec.json.decode(line)
    match event["event"]:
        case "hello":
            known = {key: event[key] for key in ("host", "port", "address", "resolved_ms")}
            return msgspec.structs.replace(path, **known)
        case "address":
            answer = Answer(event["address"], event["answer"])
            return msgspec.structs.replace(path, answers=(*path.answers, answer))
        case "path":
            way = Tried(event["mode"], event["reached"], event["ends"])
            return msgspec.structs.replace(path, tried=(*path.tried, way))
        case "counting":
            return msgspec.structs.replace(path, mode=event["mode"], cycles=event["cycles"])
        case "cycle":
            hops = msgspec.convert(event["hops"], tuple[Hop, ...])
            return msgspec.structs.replace(path, cycle=event["cycle"], hops=hops)
        case "name":
            names = {**path.names, event["address"]: event["name"]}
            return msgspec.structs.replace(path, names=names)
        case "error":
            return msgspec.structs.replace(path, error=event["what"])
        case "done":
            return msgspec.structs.replace(path, done=True)
    return path


def readings(hops: Sequence[Hop]) -> tuple[Reading, ...]:
    """What each hop's figures mean, in the light of the hops behind it."""
    return tuple(_reading(hops[at:]) for at in range(len(hops)))


def _reading(onward: Sequence[Hop]) -> Reading:
    hop, answering = onward[0], [other for other in onward if other.received or other.target]
    if not answering:
        return Reading(hop=hop, standing="silent", real_loss_percent=None)
    best = min(answering, key=lambda other: other.loss_percent)
    known = best.lost == 0 or any(other.target for other in onward)
    real_percent = best.loss_percent if known else None
    return Reading(hop=hop, standing=_standing(hop, best, known), real_loss_percent=real_percent)


def _standing(hop: Hop, best: Hop, known: bool) -> Standing:
    if hop.sent and not hop.received and not hop.target:
        return "silent"
    if hop is not best and by_chance(hop, best) < CHANCE:
        return "limited"
    if not known:
        return "unclear" if hop.lost else "fine"
    return "lossy" if best.lost else "fine"


def by_chance(worse: Hop, better: Hop) -> float:
    """How likely one loses so many more than the other though the road is the same to both.

    The exact test of R. A. Fisher (The Design of Experiments, 1935), one-sided.
    """
    lost, all_ = worse.lost + better.lost, worse.sent + better.sent
    most = min(lost, worse.sent)
    ways = sum(
        comb(worse.sent, one) * comb(better.sent, lost - one)
        for one in range(worse.lost, most + 1)
        if lost - one <= better.sent
    )
    return ways / comb(all_, lost) if all_ else 1.0


def loss_begins(seen: Sequence[Reading]) -> Begins | None:
    """Where the first probes are really lost; None when none are."""
    hidden: Hop | None = None
    for one in seen:
        if one.standing in ("silent", "limited"):
            hidden = hidden or one.hop
        elif one.real_loss_percent:
            return Begins(hidden or one.hop, one.hop)
        else:
            hidden = None
    return None
