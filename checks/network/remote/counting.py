"""The figures of each hop, counted as mtr counts them."""

from typing import Any, Dict, Optional

from checks.network.remote.replies import HOP, TARGET, Reply


class Statistics:
    """Round trips in milliseconds, as mtr counts them; the jitter is the mean change (its Javg)."""

    def __init__(self) -> None:
        self.sent = self.received = 0
        self.last: Optional[float] = None
        self.best: Optional[float] = None
        self.worst: Optional[float] = None
        self.mean = self.squares = self.changes = 0.0

    def add(self, ms: float) -> None:
        """Count one round trip."""
        if self.last is not None:
            self.changes += abs(ms - self.last)
        self.received += 1
        self.last = ms
        self.best = ms if self.best is None else min(self.best, ms)
        self.worst = ms if self.worst is None else max(self.worst, ms)
        away = ms - self.mean
        self.mean += away / self.received
        self.squares += away * (ms - self.mean)

    def figures(self) -> Dict[str, Optional[float]]:
        """The figures so far; None where nothing came back."""
        some, several = self.received > 0, self.received > 1
        found = {
            "last_ms": self.last,
            "avg_ms": self.mean if some else None,
            "best_ms": self.best,
            "worst_ms": self.worst,
            "stdev_ms": (self.squares / (self.received - 1)) ** 0.5 if several else None,
            "jitter_ms": self.changes / (self.received - 1) if several else None,
        }
        return {name: None if ms is None else round(ms, 3) for name, ms in found.items()}


class Hop:
    """What answers at one TTL; a path that is balanced over several lines has several addresses."""

    def __init__(self, ttl: int) -> None:
        self.ttl = ttl
        self.addresses: Dict[str, int] = {}
        self.forget()

    def forget(self) -> None:
        """Begin to count anew; the addresses stay."""
        self.statistics = Statistics()
        self.marks: Dict[str, int] = {}
        self.waiting = 0

    def count(self, reply: Reply, ms: float) -> None:
        """Count what came back for one probe."""
        if reply.address:
            self.addresses[reply.address] = self.addresses.get(reply.address, 0) + 1
        if reply.kind in (HOP, TARGET) or reply.address:
            self.statistics.add(ms)
        mark = "refused" if reply.refused else reply.kind
        if mark and mark not in (HOP, TARGET):
            self.marks[mark] = self.marks.get(mark, 0) + 1

    def shown(self, is_target: bool) -> Dict[str, Any]:
        """The hop as it is printed; what is still on its way counts as not sent."""
        addresses = sorted(self.addresses, key=lambda address: -self.addresses[address])
        shown: Dict[str, Any] = {
            "ttl": self.ttl,
            "address": addresses[0] if addresses else None,
            "also": addresses[1:],
            "target": is_target,
            "sent": self.statistics.sent - self.waiting,
            "received": self.statistics.received,
            "marks": self.marks,
        }
        shown.update(self.statistics.figures())
        return shown
