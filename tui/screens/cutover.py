"""10 Cutover checklist: before the pause, while writes are paused, after."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from profiles.steps import Step
from tui import doing
from tui.keys import Offer
from tui.phase import PhaseScreen
from tui.words import checklist, figures
from tui.words.lag import gate_line
from tui.words.rows import Row
from tui.words.text import Line


class CutoverScreen(PhaseScreen):
    """Read and done line by line; then one key runs the paused stretch, or one key a step."""

    PHASE = "cutover"
    STEPS_FIRST = True
    CSS_PATH = "cutover.tcss"
    HELP_WORDS = (
        "Before the pause every line is run, done by hand or skipped with a reason. t arms: the "
        "source's name is typed, nothing is paused yet. g then pauses writes, closes the old "
        "server, waits for the last write, turns, opens the new one and resumes, within the "
        "deadline; until the turn a takes it all back. G does the same one key a step."
    )

    def rows(self, cells: int) -> list[Row]:
        """The checklist in its three parts."""
        return checklist.rows(self.night, cells)

    def detail_of(self, row: Row, cells: int) -> list[Line]:
        """A gate's figure, or the step's commands."""
        gate = self.night.gates.get(row.key.removeprefix("gate:"))
        if gate is not None and row.kind == "plain":
            return [gate_line(gate)]
        return super().detail_of(row, cells)

    def steps(self) -> list[Step]:
        """Those that run now: before the pause, and after it once traffic has moved."""
        before, _, after = checklist.parts(self.night)
        return [*before, *(after if self.night.moved else [])]

    def offers(self) -> list[Offer]:
        """The steps' keys, and those of the stretch."""
        enter, *rest = super().offers()
        named = [offer for offer in rest if offer.key not in ("a", "p", "y")]
        quiet = [offer for offer in rest if offer.key in ("p", "y")]
        if self.night.armed:
            enter, *named = [replace(offer, quiet=True) for offer in (enter, *named)]
        return [enter, *named, *self._stretch_offers(), *quiet]

    def continue_offer(self) -> Offer:
        """On only once it has moved; before that, say what is next."""
        if self.night.moved:
            return super().continue_offer()
        why = "the stretch is still to come: t arms, then g goes"
        return Offer("enter", "On to Aftercare", lambda: None, why, area="go to")

    def _stretch_offers(self) -> list[Offer]:
        if self.night.armed:
            return []
        moved = "it has moved already" if self.night.moved else ""
        waiting = len(checklist.unsettled_before(self.night))
        closed = checklist.closed_gates(self.night)
        shut = f"a gate is closed: {closed[0]}" if closed else ""
        before = f"{figures.many(waiting, 'step')} before the pause not settled" if waiting else ""
        why = moved or before or shut or self._why_busy()
        return [
            Offer("t", "Arm", partial(self.arm, False), why, area="cutover"),
            Offer("g", "Go", lambda: None, moved or "arm first: t", area="cutover"),
            Offer("G", "One key a step", partial(self.arm, True), why, True, area="cutover"),
            Offer("a", "Abort", lambda: None, moved or "nothing is armed", True, area="cutover"),
        ]

    def arm(self, by_hand: bool) -> None:
        """Have the source's name typed, then arm."""
        self.window.begin(doing.arm(self.window, by_hand=by_hand))
