"""11 Aftercare: who is still on the old server, the loose ends, and the end of the night."""

from __future__ import annotations

from engine.client import new_id
from profiles.requests import EndNight
from tui.keys import Offer
from tui.phase import PhaseScreen
from tui.words import figures, places
from tui.words.rows import Row, heading
from tui.words.text import Line

END = "End the night"


class AftercareScreen(PhaseScreen):
    """Findings, the steps that settle what was left, and what is still open."""

    PHASE = "aftercare"
    CSS_PATH = "aftercare.tcss"
    HELP_WORDS = (
        "Clients still on the old server, and everything the night has left on a server: each "
        "loose end has a step that settles it. The night can be ended once none is open; the "
        "report then says what was done, by whom and by what evidence."
    )

    def rows(self, cells: int) -> list[Row]:
        """Findings and steps, then the loose ends, then the report."""
        listed = [*self.aged("Looked", cells), *places.loose_end_rows(self.night, cells)]
        report = places.report_path(self.night)
        return [*listed, heading("Report", report, cells)] if report else listed

    def detail_of(self, row: Row, cells: int) -> list[Line]:
        """A loose end's own words."""
        if row.key.startswith("loose:"):
            return places.loose_end_detail(self.night, row.key, cells)
        return super().detail_of(row, cells)

    def offers(self) -> list[Offer]:
        """The steps' keys, and the end."""
        enter, *rest = super().offers()
        end = Offer("e", END, self.end, self._why_not_end(), enter.does == END, area="night")
        return [enter, end, *rest]

    def continue_offer(self) -> Offer:
        """Nothing comes after: the night is ended."""
        return Offer("enter", END, self.end, self._why_not_end(), area="night")

    def _why_not_end(self) -> str:
        if self.night.ended:
            return f"it has ended; the report is {places.report_path(self.night)}"
        ends = len(self.night.open_loose_ends())
        return f"{figures.many(ends, 'loose end')} open" if ends else ""

    def end(self) -> None:
        """Ask for the end of the night."""
        self.window.ask(EndNight(id=new_id()))
