"""The command palette: every offer of the screen that can be done now, and those without a key."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from textual.command import DiscoveryHit, Hit, Hits, Provider

from tui import doing, rehearse, theme
from tui.frame import Frame
from tui.keys import Offer, key_name
from tui.screens.journal import JournalScreen

NO_KEY = "only here"


class Offers(Provider):
    """Offers as ``area: verb``."""

    def _offers(self) -> Iterator[tuple[str, Offer]]:
        screen = self.screen
        seen: set[str] = set()
        for offer in _offered(screen) if isinstance(screen, Frame | JournalScreen) else []:
            name = f"{offer.area}: {offer.does}"
            if not offer.why_not and name not in seen:
                seen.add(name)
                yield name, offer

    async def discover(self) -> Hits:
        """Everything, before a letter is typed."""
        for name, offer in self._offers():
            yield DiscoveryHit(name, offer.do, help=_help(offer))

    async def search(self, query: str) -> Hits:
        """What the typed letters match."""
        matcher = self.matcher(query)
        for name, offer in self._offers():
            score = matcher.match(name)
            if score > 0:
                yield Hit(score, matcher.highlight(name), offer.do, help=_help(offer))


def _offered(screen: Frame | JournalScreen) -> list[Offer]:
    """With what is too seldom wanted for a key of its own."""
    window = screen.window
    colours = "Light colours" if theme.other(window.theme) is theme.DAY else "Dark colours"
    change = Offer("", colours, window.change_colours, area="view")
    return [*screen.all_offers(), change, *_road(screen)]


def _road(screen: Frame | JournalScreen) -> list[Offer]:
    """Of a rehearsal on a road, in a window that may act: its road can be made better or worse."""
    window = screen.window
    now = None if window.watch_only else rehearse.road_of(window.folder)
    if now is None:
        return []
    change = partial(doing.change_road, window, now)
    return [Offer("", "Change the rehearsal's road", lambda: window.begin(change()), area="night")]


def _help(offer: Offer) -> str:
    return f"key {key_name(offer.key)}" if offer.key else NO_KEY
