"""What a check says, as plain data."""

from __future__ import annotations

from typing import Literal

import msgspec

Verdict = Literal["pass", "note", "warn", "stop", "unknown"]
"""``unknown``: could not look, and says why; never shown as a pass."""

WORST_FIRST: tuple[Verdict, ...] = ("stop", "unknown", "warn", "note", "pass")


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One finding: the figure, then the verdict, then what to do."""

    check: str
    """The check's stable id, such as ``pg.wal_level``."""
    phase: str
    verdict: Verdict
    figure: str
    """What was measured or seen, with its unit: ``wal_level = replica``."""
    says: str = ""
    """What that means for the night, in a sentence."""
    server: str | None = None
    database: str | None = None
    evidence: str = ""
    """What the answer rests on: the query and what it returned."""
    todo: str = ""
    """What to do about it, in words."""
    remedy: str | None = None
    """The id of the step that would do it, where the route has one."""
    wants: str = ""
    """The value that step would set, where it sets one."""
    figures: dict[str, float] = {}
    """What others reckon with, by name; the unit is the name's: ``throughput_bytes_s``."""

    @property
    def key(self) -> tuple[str, str | None, str | None]:
        """A later finding with the same key replaces an earlier one."""
        return (self.check, self.server, self.database)


def worst(findings: list[Finding]) -> Verdict | None:
    """The worst verdict among them; None when there are none."""
    verdicts = {finding.verdict for finding in findings}
    return next((verdict for verdict in WORST_FIRST if verdict in verdicts), None)
