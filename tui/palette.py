"""The command palette: every offer of the screen that can be done now, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from textual.command import DiscoveryHit, Hit, Hits, Provider

from tui.frame import Frame
from tui.keys import Offer, key_name


class Offers(Provider):
    """Offers as ``area: verb``."""

    def _offers(self) -> Iterator[tuple[str, Offer]]:
        screen = self.screen
        seen: set[str] = set()
        for offer in screen.all_offers() if isinstance(screen, Frame) else []:
            name = f"{offer.area}: {offer.does}"
            if not offer.why_not and name not in seen:
                seen.add(name)
                yield name, offer

    async def discover(self) -> Hits:
        """Everything, before a letter is typed."""
        for name, offer in self._offers():
            yield DiscoveryHit(name, offer.do, help=f"key {key_name(offer.key)}")

    async def search(self, query: str) -> Hits:
        """What the typed letters match."""
        matcher = self.matcher(query)
        for name, offer in self._offers():
            score = matcher.match(name)
            if score > 0:
                yield Hit(
                    score, matcher.highlight(name), offer.do, help=f"key {key_name(offer.key)}"
                )
