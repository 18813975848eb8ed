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
        "Probes the road from the destination's host to where it reaches the source, as mtr does, "
        "once a second a hop; then packet size, names, connections, and what the road carries; "
        "last the roads from this machine to both servers, which d shows. "
        "Needs python3 on the host and no root. Loss counts where it goes on to the target; a "
        "router that answers only some probes loses nothing. No setting is changed; while the "
        "throughput is measured, a port is open on the source's host for those who know a token."
    )
    _jitter = False
    _frozen: Probed | None = None
    _direction: tuple[str, str] = ("", "")

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
        """The probe that is shown: of the road that replication takes, unless d chose another."""
        roads = self.night.roads
        first = next(iter(roads.values()), None)
        return self._frozen or roads.get(self._direction, first)

    def draw(self) -> None:
        """The hops first."""
        panel, probed = self.panels["road"], self.probed
        frozen = self._frozen is not None
        panel.border_title = network.title(self.night, probed, panel.cells, frozen=frozen)
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
            Offer("d", "Direction", self.turn, self._why_not_turn(), area="view"),
            Offer("f", freeze, self.freeze, nothing, area="view"),
            Offer("w", "Write to files", self.write, nothing, area="view"),
            *rest,
        ]

    def toggle_jitter(self) -> None:
        """The column of the jitter, or none."""
        self._jitter = not self._jitter
        self.redraw()

    def turn(self) -> None:
        """The next road, from another machine or to another server."""
        probed, known = self.probed, [*self.night.roads]
        if probed is not None:
            at = known.index((probed.origin, probed.target))
            self._direction = known[(at + 1) % len(known)]
        self.redraw()

    def _why_not_turn(self) -> str:
        if self._frozen:
            return "it is frozen; f goes on"
        return "" if len(self.night.roads) > 1 else "no other road was probed"

    def freeze(self) -> None:
        """Keep showing what is shown now, or go on with what is newest."""
        self._frozen = None if self._frozen else self.probed
        self.redraw()

    def write(self) -> None:
        """The road as text, CSV and JSON into the night's folder."""
        folder, probed = self.window.folder, self.probed
        if folder is None or probed is None:
            return
        papers = network.on_paper(self.night, probed)
        try:
            for name, text in papers.items():
                write_whole(folder / name, text.encode())
        except OSError as error:
            self.tell(f"Nothing is written to {folder}: {error.strerror}", trouble=True)
        else:
            self.tell(f"Written to {folder}: {', '.join(papers)}")
