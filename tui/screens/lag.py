"""8 Lag meter: how far behind, how fast, and when it catches up."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tui.keys import Offer
from tui.phase import PhaseScreen
from tui.widgets.lines import Lines
from tui.words import lag
from tui.words.lag import Unit

GRAPH_ROWS = 5
TALL_GRAPH_ROWS = 8
TALL = 30


class LagScreen(PhaseScreen):
    """Figures, graph and gates above the findings."""

    PHASE = "lag"
    CSS_PATH = "lag.tcss"
    HELP_WORDS = (
        "behind: bytes of WAL not yet confirmed by the destination, and seconds by a heartbeat "
        "that really travelled. writes and applied: WAL a second on either side. The gates are "
        "what the cutover waits for. Nothing is changed here."
    )
    _unit: Unit = "bytes"

    def body(self) -> Iterator[Lines]:
        """The meter above the list."""
        meter = Lines(id="meter")
        meter.border_title = "Lag meter"
        yield meter
        yield from super().body()

    def on_mount(self) -> None:
        """What was found has a title of its own."""
        self.listed.border_title = "What was found"

    def draw(self) -> None:
        """Figures and graph first."""
        meter = self.panels["meter"]
        tall = TALL_GRAPH_ROWS if self.size.height >= TALL else GRAPH_ROWS
        lines = lag.stale(self.view, meter.cells)
        lines += lag.meter(self.night, self._unit, meter.cells, tall)
        meter.styles.height = len(lines) + meter.gutter.height
        meter.show(lines)
        super().draw()

    def offers(self) -> list[Offer]:
        """Bytes or seconds, beside what any phase offers."""
        other: Unit = "seconds" if self._unit == "bytes" else "bytes"
        switch = Offer("u", f"In {other}", partial(self.show_in, other), area="view")
        first, *rest = super().offers()
        return [first, switch, *rest]

    def show_in(self, unit: Unit) -> None:
        """The graph is in this unit from now on."""
        self._unit = unit
        self.window.mark_dirty()
