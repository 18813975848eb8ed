"""2 Servers: source, destination and the endpoints clients use; what each says of itself."""

from __future__ import annotations

from tui.phase import PhaseScreen
from tui.words import places, rows
from tui.words.rows import Row
from tui.words.text import Line


class ServersScreen(PhaseScreen):
    """The servers of the move above what was found about them."""

    PHASE = "servers"
    CSS_PATH = "servers.tcss"
    HELP_WORDS = (
        "Tries every server and endpoint of the profile: version, rights of the wizard's role, "
        "TLS, clock difference. Looking changes nothing on any server."
    )

    def rows(self, cells: int) -> list[Row]:
        """The servers, the endpoints, and the findings."""
        found = rows.phase_rows(self.night, self.PHASE, cells)
        said = [] if found else [rows.heading(self.nothing())]
        listed = places.server_rows(self.night, cells)
        if not listed:
            return found
        return [*listed, rows.heading("What was found"), *found, *said]

    def detail_of(self, row: Row, cells: int) -> list[Line]:
        """A server's or an endpoint's own words from the profile."""
        if row.key.startswith(("server:", "endpoint:")):
            return places.server_detail(self.night, row.key, cells)
        return super().detail_of(row, cells)
