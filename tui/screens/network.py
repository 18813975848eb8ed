"""4 Network test: the road to the source hop by hop, what it carries, and what that means."""

from __future__ import annotations

from collections.abc import Iterator

from profiles.events import Probed
from profiles.files import write_whole
from tui.keys import Offer
from tui.phase import PhaseScreen
from tui.widgets.lines import Lines
from tui.words import network

ARROWS_ALONE = {"up": -1, "down": 1}


class NetworkScreen(PhaseScreen):
    """The hops, redrawn with every probe, above the verdicts."""

    PHASE = "network"
    CSS_PATH = "network.tcss"
    HELP_WORDS = (
        "Probes the road from the destination's host to the source's database port, as mtr does, "
        "once a second a hop; then packet size, names, connections, and what the road carries. "
        "Needs python3 on the host and no root. Loss counts where it goes on to the source; a "
        "router that answers only some probes loses nothing. No setting is changed; while the "
        "throughput is measured, a port is open on the source's host for those who know a token."
    )
    _jitter = False
    _frozen: Probed | None = None

    def body(self) -> Iterator[Lines]:
        """The road above the list."""
        yield Lines(id="road", can_focus=True)
        yield from super().body()

    def on_mount(self) -> None:
        """What was found has a title of its own; j is taken for the jitter."""
        self.listed.border_title = "What was found"
        self.listed.moves = ARROWS_ALONE

    @property
    def probed(self) -> Probed | None:
        """The probe that is shown."""
        return self._frozen or self.night.probed

    def draw(self) -> None:
        """The hops first."""
        panel, probed = self.panels["road"], self.probed
        panel.border_title = network.title(probed, frozen=self._frozen is not None)
        lines = network.road(self.night, probed, panel.cells, jitter=self._jitter)
        panel.styles.height = len(lines) + panel.gutter.height
        panel.show(lines)
        super().draw()

    def offers(self) -> list[Offer]:
        """Jitter, freezing and the paper, beside what any phase offers."""
        first, *rest = super().offers()
        jitter = "Hide jitter" if self._jitter else "Jitter"
        nothing = "" if self.probed else "nothing was probed yet"
        freeze = "Go on" if self._frozen else "Freeze"
        return [
            first,
            Offer("j", jitter, self.toggle_jitter, area="view"),
            Offer("w", "Write to files", self.write, nothing, area="view"),
            Offer("f", freeze, self.freeze, nothing, area="view"),
            *rest,
        ]

    def toggle_jitter(self) -> None:
        """The column of the jitter, or none."""
        self._jitter = not self._jitter
        self.redraw()

    def freeze(self) -> None:
        """Keep showing what is shown now, or go on with what is newest."""
        self._frozen = None if self._frozen else self.night.probed
        self.redraw()

    def write(self) -> None:
        """The road as text, CSV and JSON into the night's folder."""
        folder, probed = self.window.folder, self.probed
        if folder is None or probed is None:
            return
        papers = network.on_paper(probed, self.night.findings_of(self.PHASE))
        try:
            for ending, text in papers.items():
                write_whole(folder / f"network.{ending}", text.encode())
        except OSError as error:
            self.tell(f"Nothing is written to {folder}: {error.strerror}", trouble=True)
        else:
            names = ", ".join(f"network.{ending}" for ending in papers)
            self.tell(f"Written to {folder}: {names}")
