"""5 Host tuning: not built in this version, and it says so."""

from __future__ import annotations

from tui.phase import UnbuiltScreen


class TuningScreen(UnbuiltScreen):
    """Says that nobody looked."""

    PHASE = "tuning"
    CSS_PATH = "tuning.tcss"
    HELP_WORDS = (
        "Memory, disks, clock and kernel settings can only be read on the servers' hosts. "
        "enter goes on without it."
    )
