"""4 Network test: not built in this version, and it says so."""

from __future__ import annotations

from tui.phase import UnbuiltScreen


class NetworkScreen(UnbuiltScreen):
    """Says that nobody looked."""

    PHASE = "network"
    CSS_PATH = "network.tcss"
    HELP_WORDS = (
        "Loss, jitter, path MTU and throughput from the destination's host to the source's "
        "database port can only be measured on that host. enter goes on without it."
    )
