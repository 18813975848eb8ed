"""In a rehearsal: the card of a phase, and the faults that are made from it.

They are made by another process (`tui.rehearse`); here is only what is shown and asked.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from profiles.phases import BY_ID
from rehearsal.faults import BY_NAME, offered
from tui import rehearse
from tui.keys import Offer
from tui.widgets.card import Card
from tui.widgets.dialogs import Choice
from tui.words.card import card_lines, choice_says

if TYPE_CHECKING:
    from tui.app import Nightferry

CARD_CELLS = 70


def offers(window: Nightferry, phase: str) -> list[Offer]:
    """The card's key, in a rehearsal alone and where this window may act."""
    if window.ground != "rehearsal" or window.watch_only:
        return []
    return [Offer("c", "Card", lambda: window.begin(show(window, phase)), area="night")]


async def show(window: Nightferry, phase: str) -> None:
    """The card; what is chosen on it is done, and said."""
    at_work = await asyncio.to_thread(rehearse.faults_of, window.folder)
    lines = card_lines(phase, at_work, CARD_CELLS)
    choices = [
        Choice(str(number), choice_says(fault, at_work), fault.name)
        for number, fault in enumerate(offered(phase), start=1)
    ]
    name = await window.push_screen_wait(Card(f"Card: {BY_ID[phase].title}", lines, choices))
    if name is None:
        return
    undo = name in at_work
    window.tell(f"{BY_NAME[name].title}: being {'taken back' if undo else 'made'} …")
    window.tell(await asyncio.to_thread(rehearse.fault, window.folder, name, undo=undo))
