"""The probes along a road: which hops there are, and what is on its way to them.

Finds the hops one after the other by one kind of probe, then those that are silent to it by another
kind, then probes them as often as it is told to. Must not know how a probe is sent, nor print
anything.
"""

import selectors
import time
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from checks.network.remote.counting import Hop
from checks.network.remote.probes import Key, Probes
from checks.network.remote.replies import HOP, LOST, TARGET, Reply

TIMEOUT_S = 0.9
"""Less than the second after which the kernel repeats a SYN: a repeated one would hide the loss."""
PATIENCE_S = 0.25
LAST_PATIENCE_S = 0.5
MAX_HOPS = 30
MAX_SILENT = 4
"""Then the target is asked whether it is there at all: the hops of some clouds are all silent."""
SILENT = "silent"

Tried = Callable[[int, Reply], None]
"""Called after each try with the TTL and what came back."""


Waiting = Tuple[Probes, Key]
"""Whose probe, and which of them."""


class Sent(NamedTuple):
    """A probe on its way; by two clocks, as the kernel stamps what arrives by the wall clock."""

    ttl: int
    wall_s: float
    clock_s: float


class Walk:
    """The hops, and the probes that are on their way."""

    def __init__(self, probes: Probes, ready: selectors.BaseSelector) -> None:
        self.probes = probes
        self.others: Dict[int, Probes] = {}
        """By TTL, the kind of probe that a hop answers to that is silent to the first kind."""
        self.ready = ready
        self.hops: Dict[int, Hop] = {}
        self.answered: Dict[int, Reply] = {}
        self.waiting: Dict[Waiting, Sent] = {}
        self.length: Optional[int] = None
        self.ends: Optional[str] = None

    def send(self, ttl: int) -> None:
        """Send one probe."""
        hop = self.hops.setdefault(ttl, Hop(ttl))
        hop.statistics.sent += 1
        hop.waiting += 1
        sent = Sent(ttl, time.time(), time.monotonic())
        probes = self.others.get(ttl, self.probes)
        key, reply = probes.send(ttl)
        self.waiting[probes, key] = sent
        if reply:
            self.settle((probes, key), reply)

    def settle(self, which: Waiting, reply: Reply) -> None:
        """Count what came back for a probe; what comes too late is counted as lost already."""
        sent = self.waiting.pop(which, None)
        if sent is None:
            return
        probes, key = which
        probes.forget(key)
        hop = self.hops[sent.ttl]
        hop.waiting -= 1
        hop.count(reply, round_trip_ms(sent, reply))
        if reply.kind:
            self.answered[sent.ttl] = reply
        if reply.kind == TARGET and probes is self.probes:
            self.length = min(self.length or sent.ttl, sent.ttl)

    def listen(self, until_s: float) -> None:
        """Take what comes, until then."""
        while time.monotonic() < until_s:
            self.take(until_s)

    def listen_for(self, ttl: int, until_s: float) -> None:
        """Take what comes, until then or until that hop has answered."""
        while ttl not in self.answered and time.monotonic() < until_s:
            self.take(until_s)

    def listen_out(self) -> None:
        """Take what comes, until nothing is on its way any more."""
        while self.waiting:
            self.take(time.monotonic() + TIMEOUT_S)

    def take(self, until_s: float) -> None:
        """Take what comes next; give up what has waited long enough."""
        for sent in self.waiting.values():
            until_s = min(until_s, sent.clock_s + TIMEOUT_S)
            break  # the others were sent later
        for found, _ in self.ready.select(max(0.0, until_s - time.monotonic())):
            for key, reply in found.data.replies(found.fileobj):
                self.settle((found.data, key), reply)
        late_s = time.monotonic() - TIMEOUT_S
        for which in [which for which, sent in self.waiting.items() if sent.clock_s <= late_s]:
            self.settle(which, LOST)

    def patience_s(self) -> float:
        """How long to wait before the next try: a silent hop need not take long on a fast road."""
        worst_ms = max(hop.statistics.worst or 0.0 for hop in self.hops.values())
        return min(TIMEOUT_S, max(PATIENCE_S, 4 * worst_ms / 1e3))

    def begin(self) -> None:
        """Begin to count anew: what was sent to find the hops counts for nothing."""
        for which in list(self.waiting):
            self.settle(which, LOST)
        for hop in self.hops.values():
            hop.forget()

    def close(self) -> None:
        """Close what is left."""
        for which in list(self.waiting):
            self.settle(which, LOST)
        for probes in {self.probes, *self.others.values()}:
            probes.close()
        self.ready.close()

    def last(self, without_target: bool) -> int:
        """The TTL of the last place worth probing: the target, or one beyond the last router.

        A target that answers to another kind of probe too need not be left out.
        """
        place = self.length or self.last_router() + 1
        return place - (without_target and place not in self.others)

    def last_router(self) -> int:
        """The TTL of the last router that answers; 0 when none does."""
        return max((ttl for ttl, reply in self.answered.items() if reply.kind == HOP), default=0)

    def silent(self, with_target: bool) -> List[int]:
        """The hops that answer to no probe so far, up to the last; with the target if wanted."""
        before = self.length or self.last_router() + 1
        hops = [ttl for ttl in range(1, before) if ttl not in self.answered]
        also = with_target and self.length and self.length not in self.others
        return hops + [before] * bool(also)

    def mode(self, ttl: int) -> str:
        """The name of the kind of probe that hop is probed with."""
        return self.others.get(ttl, self.probes).name


def round_trip_ms(sent: Sent, reply: Reply) -> float:
    """The kernel's figure where there is one that can be true (a clock may have been set)."""
    noticed_ms = (time.monotonic() - sent.clock_s) * 1e3
    stamped_ms = (reply.at_s - sent.wall_s) * 1e3 if reply.at_s else 0.0
    for exact_ms in (reply.took_ms or 0.0, stamped_ms):
        if 0 < exact_ms <= noticed_ms:
            return exact_ms
    return noticed_ms


def discover(walk: Walk, tried: Tried) -> None:
    """Find the hops, and why the road ends before the target, where it does."""
    silent = 0
    for ttl in range(1, MAX_HOPS + 1):
        reply = first_answer(walk, ttl, tried)
        if reply.kind is None:
            silent += 1
            if silent == MAX_SILENT and not walk.length:
                reply = first_answer(walk, MAX_HOPS, tried)  # behind many silent hops, or nowhere
                walk.ends = None if reply.kind else SILENT
        else:
            silent = 0
        if reply.kind not in (HOP, TARGET, None):
            walk.ends = reply.kind
        if walk.ends or (walk.length or MAX_HOPS + 1) <= ttl:
            return
    walk.ends = SILENT


def first_answer(walk: Walk, ttl: int, tried: Tried) -> Reply:
    """Try a hop until it answers: one lost probe must not lengthen the path."""
    for patience_s in (0.0, 0.0, LAST_PATIENCE_S):
        walk.send(ttl)
        walk.listen_for(ttl, time.monotonic() + max(patience_s, walk.patience_s()))
        reply = walk.answered.get(ttl, LOST)
        tried(ttl, reply)
        if reply.kind:
            return reply
    return LOST


def fill(walk: Walk, probes: Probes, ttls: Sequence[int], tried: Tried) -> None:
    """Try hops with another kind of probe; those that answer to it are probed with it from now on.

    A road where hop after hop is silent to that kind as well is left alone.
    """
    silent = 0
    for ttl in ttls:
        silent = 0 if answers(walk, probes, ttl, tried) else silent + 1
        if silent == MAX_SILENT:
            return


def answers(walk: Walk, probes: Probes, ttl: int, tried: Tried) -> bool:
    """Whether a hop answers to another kind of probe, as what it is; it keeps it then."""
    hop, was = walk.hops[ttl], walk.answered.pop(ttl, None)
    addresses = dict(hop.addresses)
    walk.others[ttl] = probes
    reply = first_answer(walk, ttl, tried)
    if reply.kind == (TARGET if ttl == walk.length else HOP):
        return True
    del walk.others[ttl]
    walk.answered.pop(ttl, None)
    if was:
        walk.answered[ttl] = was
    hop.addresses = addresses
    return False
