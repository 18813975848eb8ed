"""What goes to the terminal of an update: the cells that were marked to be painted, and no others.

Textual 8.2.8 cuts an update at its right end only, and paints each line again from the left edge of
its panel; over a slow line that is most of what it sends.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.control import Control
from textual._compositor import ChopsUpdate


class NarrowUpdate(ChopsUpdate):
    """The same update, cut at its left end too."""

    def render_segments(self, console: Console) -> str:
        """What to write to the terminal: to each run of cells, and the run."""
        return "".join(self._runs(console))

    def _runs(self, console: Console) -> Iterator[str]:
        for y, first, last in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                left, right = max(x, first), min(end, last)
                if strip is not None and left < right:
                    yield Control.move_to(left, y).segment.text
                    yield strip.crop(left - x, right - x).render(console)


def narrowed(update: RenderableType | None) -> RenderableType | None:
    """An update of some cells as a narrow one; anything else as it is."""
    if type(update) is ChopsUpdate:
        return NarrowUpdate(update.chops, update.spans, update.chop_ends)
    return update
