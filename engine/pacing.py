"""Holds the copy against what the Network test foresaw, and says when that is no longer true.

Said once a change, as an event of the night; knows the figures only by the finding that has them.
"""

from __future__ import annotations

from datetime import UTC, datetime

from checks.pace import Pace, is_slow, sentence
from checks.progress import CopyProgress
from engine.night import LiveNight
from profiles.events import Said

FORECAST = ("net.copy", None, None)
"""The finding with what was foreseen."""


class Pacer:
    """What was said last of one copy."""

    def __init__(self, live: LiveNight) -> None:
        self._live = live
        self._slow = False

    def read(self, copy: CopyProgress) -> None:
        """Take how far it has come; without a forecast, or a beginning, nothing is said."""
        pace = self._pace(copy)
        if pace is None or is_slow(pace, was=self._slow) is self._slow:
            return
        self._slow = not self._slow
        self._live.publish(Said(text=sentence(pace, slow=self._slow), trouble=self._slow))

    def _pace(self, copy: CopyProgress) -> Pace | None:
        finding = self._live.state.findings.get(FORECAST)
        foreseen = None if finding is None else finding.figures.get("throughput_bytes_s")
        total = sum(table.bytes_estimated for table in copy.tables)
        began = self._began()
        if foreseen is None or began is None or copy.fraction is None:
            return None
        return Pace(
            total=total,
            done=copy.fraction * total,
            began=began,
            now=datetime.now(UTC),
            foreseen=foreseen,
        )

    def _began(self) -> datetime | None:
        """The copy begins with the subscription."""
        states = self._live.state.states.items()
        began = (state.began for step, state in states if step.startswith("subscription@"))
        return next(began, None)
