"""9 Verify: counts, sequences, schema, and a row that really travels."""

from __future__ import annotations

from tui.phase import PhaseScreen
from tui.words.rows import Row


class VerifyScreen(PhaseScreen):
    """What was compared, and how old each answer is."""

    PHASE = "verify"
    CSS_PATH = "verify.tcss"
    HELP_WORDS = (
        "Compares source and destination: schema objects, sequences, row counts; while writes go "
        "on a count passes if the destination's lies between two of the source. The answers age: "
        "the heading says how old they are, p compares again."
    )

    def rows(self, cells: int) -> list[Row]:
        """The findings under a heading that says how old they are."""
        return self.aged("Compared", cells)
