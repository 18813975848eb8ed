"""2 Servers: source, destination and the endpoints clients use; what each says of itself."""

from __future__ import annotations

from tui.keys import Offer
from tui.phase import PhaseScreen
from tui.screens.profile import ProfileScreen
from tui.words import places, rows
from tui.words.rows import Row
from tui.words.text import Line


class ServersScreen(PhaseScreen):
    """The servers of the move above what was found about them."""

    PHASE = "servers"
    CSS_PATH = "servers.tcss"
    HELP_WORDS = (
        "Tries every server and endpoint of the profile: version, rights of the wizard's role, "
        "TLS, clock difference. Looking changes nothing on any server. e opens the profile in a "
        "form; it can be another one as long as no step has begun."
    )

    def __init__(self) -> None:
        super().__init__()
        self._opened = False

    def entered(self) -> None:
        """Look; of a night whose profile is no profile yet, go on entering it, once."""
        if not self.night.draft:
            super().entered()
        elif self.window.arrived and not self.view.watch and not self._opened:
            self._opened = True
            self.edit()

    def nothing(self) -> str:
        """Said where nothing was found."""
        if self.night.draft:
            return "The profile is not whole yet: e goes on entering it."
        return super().nothing()

    def offers(self) -> list[Offer]:
        """Editing the profile, before what any phase offers."""
        watch = "this window only watches" if self.view.watch else ""
        fixed = "" if self.night.draft else self.night.why_fixed()
        edit = Offer("e", "Edit", self.edit, watch or fixed, area="profile")
        first, *rest = super().offers()
        return [edit, *rest] if self.night.draft else [first, edit, *rest]

    def edit(self) -> None:
        """Enter the profile in a form."""
        self.app.push_screen(ProfileScreen(self.night.profile))

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
