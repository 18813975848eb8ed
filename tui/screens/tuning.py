"""5 Host tuning: what is, what should be and why, on both hosts; applied when marked."""

from __future__ import annotations

from functools import partial

import msgspec

from engine.client import new_id
from profiles.machine import Proposal
from profiles.requests import RunPhase, UndoStep
from profiles.steps import Step
from tui import doing
from tui.keys import Offer
from tui.phase import PhaseScreen
from tui.words import detail, tuning
from tui.words.rows import Row
from tui.words.text import Line


class TuningScreen(PhaseScreen):
    """The settings under the findings; nothing is changed that was not marked."""

    PHASE = "tuning"
    CSS_PATH = "tuning.tcss"
    HELP_WORDS = (
        "Looks at both hosts and proposes settings, each with its reason, its arithmetic and the "
        "rule's source. space marks one, e edits its value, a applies what is marked once the "
        "commands were shown and the server's name was typed; the live value is read back. u "
        "takes the focused one back. Import-only settings must be undone before traffic arrives."
    )

    def __init__(self) -> None:
        super().__init__()
        self._marked: set[str] = set()

    def rows(self, cells: int) -> list[Row]:
        """Findings, settings, hosts."""
        return tuning.listed(self.night, self._still_marked(), cells)

    def detail_of(self, row: Row, cells: int) -> list[Line]:
        """A setting's reason and arithmetic before its commands."""
        proposal, step = self.night.proposals.get(row.key), self.night.steps.get(row.key)
        if proposal is None or step is None:
            return super().detail_of(row, cells)
        said = tuning.proposal_lines(self.night, proposal, cells)
        step = msgspec.structs.replace(step, why="")  # it is the proposal's
        return [*said, *detail.step_lines(self.night, step, cells)]

    @property
    def focused_proposal(self) -> Proposal | None:
        """The setting under the cursor."""
        row = self.listed.current
        return None if row is None else self.night.proposals.get(row.key)

    def offers(self) -> list[Offer]:
        """Marking, applying, editing and taking back, beside what any phase offers."""
        first, *rest = super().offers()
        proposal, none = self.focused_proposal, "no setting is focused"
        done = self._why_over(self.focused_step)
        marks = "" if self._still_marked() else "nothing is marked: space marks"
        return [
            first,
            Offer("space", "Mark", self.mark, "" if proposal and not done else done or none),
            Offer("a", "Apply marked", self.apply, self._why_busy() or marks),
            Offer("e", "Edit value", self.edit, "" if proposal and not done else done or none),
            Offer("u", "Undo", self.undo, self._why_not_undone()),
            *[offer for offer in rest if offer.key != "a"],
        ]

    def enter_offer(self, step: Step | None) -> Offer:
        """Enter runs what is focused; nothing here has to be done before going on."""
        if step is not None and not self.night.state_of(step.id).settled:
            return Offer("enter", "Run step", partial(self.run_step, step), self._why_not_run(step))
        return self.continue_offer()

    def mark(self) -> None:
        """Mark the focused setting, or take its mark away; the cursor goes on."""
        if self.focused_proposal is not None:
            self._marked ^= {self.focused_proposal.id}
            self.redraw()

    def apply(self) -> None:
        """Apply what is marked, in the order in which it is listed."""
        steps = [step for step in self.steps() if step.id in self._still_marked()]
        request = RunPhase(id=new_id(), phase=self.PHASE, steps=tuple(step.id for step in steps))
        self.window.begin(doing.shown_and_confirmed(self.window, steps, request))

    def edit(self) -> None:
        """Have another value typed."""
        if self.focused_proposal is not None:
            self.window.begin(doing.choose_value(self.window, self.focused_proposal))

    def undo(self) -> None:
        """Take back what the focused step changed."""
        step = self.focused_step
        if step is not None:
            request = UndoStep(id=new_id(), step=step.id)
            self.window.begin(doing.confirmed(self.window, [step], request))

    def _still_marked(self) -> set[str]:
        """Marks of what is listed and not settled."""
        listed = {step.id for step in self.steps() if step.id in self.night.proposals}
        return {each for each in self._marked & listed if not self.night.state_of(each).settled}

    def _why_not_undone(self) -> str:
        step = self.focused_step
        if step is None:
            return "no step is focused"
        done = self.night.state_of(step.id).outcome == "done"
        return self._why_busy() or ("" if done and step.undo else "the wizard has not changed it")
