"""6 Preflight: everything that would lose data or break the night, each with its remedy."""

from __future__ import annotations

from tui.phase import PhaseScreen


class PreflightScreen(PhaseScreen):
    """Findings worst first; the steps that remedy them below."""

    PHASE = "preflight"
    CSS_PATH = "preflight.tcss"
    HELP_WORDS = (
        "Looks for everything that would lose data or break the night, on both servers. enter on "
        "a finding goes to the step that remedies it; the steps change a server and ask for its "
        "name first."
    )
