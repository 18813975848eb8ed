"""3 Route: which way of moving is possible for this database, and what it costs."""

from __future__ import annotations

from tui.phase import PhaseScreen


class RouteScreen(PhaseScreen):
    """The routes as findings: possible or not and why, what each predicts."""

    PHASE = "route"
    CSS_PATH = "route.tcss"
    HELP_WORDS = (
        "Each way of moving this database: possible or not and why, how long the copy and the "
        "write pause are expected to take, and whether there is a way back. Nothing is changed."
    )
