"""What must be true before going on, with the figure it waits for."""

from __future__ import annotations

from dataclasses import dataclass

from profiles.events import Sampled


@dataclass(frozen=True)
class Behind:
    """The destination is less than so far behind, and has been for a while; both in seconds."""

    less_than_s: float
    for_s: float
    id: str = "behind"

    def holds(self, sample: Sampled) -> bool:
        """Only a figure that was measured counts, and no trouble beside it."""
        return (
            not sample.trouble
            and sample.behind_s is not None
            and sample.behind_s < self.less_than_s
        )

    def figure(self, sample: Sampled, held_s: float) -> str:
        """The gate in words, with its figure."""
        wanted = f"behind < {self.less_than_s:g} s for {self.for_s:g} s"
        if sample.trouble:
            return f"{wanted}: {sample.trouble}"
        if sample.behind_s is None:
            return f"{wanted}: no heartbeat has arrived yet"
        return f"{wanted}: {sample.behind_s:.2f} s, held {held_s:.0f} s"
