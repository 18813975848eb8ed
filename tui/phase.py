"""A phase as a list above a detail: its findings and steps, and the keys that act on them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import cast

from engine.client import new_id
from profiles.fold import StepState
from profiles.phases import BY_ID, PHASES
from profiles.requests import ByHand, Probe, RunPhase, RunStep
from profiles.steps import Step
from tui import doing
from tui.frame import Frame
from tui.keys import Offer
from tui.widgets.lines import Lines
from tui.widgets.rows import Rows
from tui.words import detail, figures, helps, rows
from tui.words.rows import Row
from tui.words.text import Line, text_of


class PhaseScreen(Frame):
    """Findings worst first, then steps; below them all there is to know of the focused row."""

    PROBES = True
    """Looking at this phase is asked for when it is entered and nobody has looked."""

    STEPS_FIRST = False
    """The cursor begins at the first step that wants doing, not at the worst finding."""

    def __init__(self) -> None:
        super().__init__()
        self._next_step: str | None = None

    def body(self) -> Iterator[Lines]:
        """The list and the detail."""
        listed = Rows(id="rows")
        listed.border_title = BY_ID[self.PHASE].title
        yield listed
        yield Lines(id="detail", can_focus=True)

    def rows(self, cells: int) -> list[Row]:
        """What is listed; a phase with more to show has its own."""
        return rows.phase_rows(self.night, self.PHASE, cells)

    def aged(self, did: str, cells: int) -> list[Row]:
        """What is listed under a heading that says how old the answers are."""
        listed = rows.phase_rows(self.night, self.PHASE, cells)
        looked = self.night.looked.get(self.PHASE)
        if looked is None or not listed:
            return listed
        return [rows.heading(did, figures.ago(looked, self.view.now), cells), *listed]

    def nothing(self) -> str:
        """What is said where there is no row yet."""
        if self.PHASE in self.night.looking:
            return "Looking …"
        if self.PHASE in self.night.looked:
            return "Looked, and there is nothing to say."
        return "Not looked at yet: p looks." if self.PROBES else "Nothing is planned yet."

    def detail_of(self, row: Row, cells: int) -> list[Line]:
        """All there is to know of a row."""
        finding = detail.finding_of(self.night, row.key)
        if finding is not None:
            return detail.finding_lines(self.night, finding, cells)
        step = self.night.steps.get(row.key)
        return [] if step is None else detail.step_lines(self.night, step, cells)

    def draw(self) -> None:
        """Fill list and detail."""
        listed = self.listed
        found = self.rows(listed.row_cells)
        listed.show_rows(found or [rows.heading(self.nothing())])
        self._follow()
        panel = self.panels["detail"]
        row = listed.current
        lines = [] if row is None else self.detail_of(row, listed.cells)
        panel.set_class(bool(lines), "-shown")
        panel.show(lines)

    def _follow(self) -> None:
        """Stand on what comes next, unless the operator stands somewhere else."""
        unsettled = [
            step.id
            for step in self.night.plan(self.PHASE)
            if not self.night.state_of(step.id).settled and not step.optional
        ]
        first_look = self._next_step is None and self.STEPS_FIRST and bool(unsettled)
        stands_there = self.listed.key == self._next_step
        if unsettled and (first_look or (stands_there and self._next_step not in unsettled)):
            self.listed.go_to(unsettled[0])
        self._next_step = self.listed.key if self.listed.key in unsettled else self._next_step

    def entered(self) -> None:
        """Look, where nobody has looked yet."""
        night = self.night
        unseen = self.PHASE not in night.looked and self.PHASE not in night.looking
        if self.PROBES and unseen and self.window.arrived and not self.view.watch:
            self.probe()

    def on_rows_moved(self) -> None:
        """Another row has another detail, and other keys."""
        self.tell("")
        self.panels["detail"].scroll_home(animate=False)
        self.redraw()

    @property
    def listed(self) -> Rows:
        """The list of rows."""
        return cast(Rows, self.panels["rows"])

    @property
    def focused_step(self) -> Step | None:
        """The step under the cursor."""
        row = self.listed.current
        return None if row is None else self.night.steps.get(row.key)

    def steps(self) -> list[Step]:
        """The steps of this phase that run by themselves."""
        return [step for step in self.night.plan(self.PHASE) if not step.paused]

    def unsettled(self) -> list[Step]:
        """What this phase still wants done."""
        state = self.night.state_of
        return [step for step in self.steps() if not state(step.id).settled and not step.optional]

    def focus_words(self) -> str:
        """What the row under the cursor is, or that the panel below it can be scrolled."""
        focused = self.focused
        if focused is not self.listed:
            return "" if focused is None else helps.PANELS.get(str(focused.id), "")
        row = self.listed.current
        return "" if row is None else helps.ROWS[row.kind]

    # What is offered

    def all_offers(self) -> list[Offer]:
        """While a filter is typed its keys come first."""
        offers, narrowing = super().all_offers(), self.listed.narrowing
        every = Offer("escape", "Show all rows", self.listed.end_narrowing, area="view")
        if narrowing.typing:
            return [Offer("enter", "Keep the filter", lambda: None, area="view"), every, *offers]
        begin = Offer("/", "Filter", self.listed.begin_narrowing, quiet=True, area="view")
        return [*offers, begin, *([every] if narrowing.on else [])]

    def offers(self) -> list[Offer]:
        """Enter, the keys of steps where there are steps, looking again, copying."""
        step = self.focused_step
        steps = self._step_offers(step) if self.steps() else []
        look = [Offer("p", "Look again", self.probe, self._busy_looking(), area="phase")]
        nothing = "" if self.listed.current else "no row is focused"
        return [
            self.enter_offer(step),
            *steps,
            *(look if self.PROBES else []),
            Offer("y", "Copy", self.copy, nothing, area="step"),
        ]

    def enter_offer(self, step: Step | None) -> Offer:
        """Enter runs the focused step, else goes to what wants doing, else goes on."""
        if step is not None and not self.night.state_of(step.id).settled:
            return Offer("enter", "Run step", partial(self.run_step, step), self._why_not_run(step))
        target = self._wants_doing()
        if target is not None:
            return Offer("enter", "Go to step", partial(self.listed.go_to, target.id))
        return self.continue_offer()

    def continue_offer(self) -> Offer:
        """On to the next phase."""
        following = PHASES[min(BY_ID[self.PHASE].number, len(PHASES) - 1)]
        stops = sum(found.verdict == "stop" for found in self.night.findings_of(self.PHASE))
        why = f"{stops} × ✗ stop; ] goes on all the same" if stops else ""
        to = partial(self.window.go_to, following.id)
        return Offer("enter", f"On to {following.title}", to, why, area="go to")

    def _wants_doing(self) -> Step | None:
        """The remedy of the focused finding, or the first step that is not settled."""
        row = self.listed.current
        finding = detail.finding_of(self.night, row.key) if row else None
        remedy = self.night.steps.get(finding.remedy or "") if finding else None
        if remedy is not None and not self.night.state_of(remedy.id).settled:
            return remedy
        unsettled = self.unsettled()
        return unsettled[0] if unsettled else None

    def _step_offers(self, step: Step | None) -> list[Offer]:
        no_step = "" if step else "no step is focused"
        done = self._why_over(step)
        no_rest = "" if self.unsettled() else "every step is settled"
        return [
            Offer("a", "Run all", self.run_all, self._why_busy() or no_rest),
            Offer("m", "Done by hand", self.by_hand, no_step or done or self._why_paused(step)),
            Offer("s", "Skip", self.skip, no_step or done or self._why_paused(step)),
            *self._again_offers(step),
        ]

    def _again_offers(self, step: Step | None) -> list[Offer]:
        """A settled step: what it made may be gone again; where it still holds nothing is run."""
        if step is None or step.paused or step.by_hand or not self.night.state_of(step.id).settled:
            return []
        return [Offer("R", "Run again", partial(self.run_step, step), self._why_busy(), quiet=True)]

    def _why_busy(self) -> str:
        running = self.night.running()
        return f"{running[0].title} is running; x cancels it" if running else ""

    def _why_over(self, step: Step | None) -> str:
        state = self.night.state_of(step.id) if step else StepState()
        return "it is settled" if state.settled else "it is running" if state.running else ""

    def _why_paused(self, step: Step | None) -> str:
        return "it belongs to the armed stretch" if step and step.paused else ""

    def _why_not_run(self, step: Step) -> str:
        by_hand = "only a person can do it: do it, then m" if step.by_hand else ""
        armed = "the stretch runs it: t arms, g goes" if step.paused else ""
        return armed or by_hand or self._why_busy()

    def _busy_looking(self) -> str:
        return "it is being looked at" if self.PHASE in self.night.looking else ""

    # What is done

    def probe(self) -> None:
        """Have the checks of this phase run."""
        self.window.ask(Probe(id=new_id(), phase=self.PHASE))

    def run_step(self, step: Step) -> None:
        """Run a step, once what it endangers was confirmed."""
        self.window.begin(doing.confirmed(self.window, [step], RunStep(id=new_id(), step=step.id)))

    def run_all(self) -> None:
        """Run what is not settled, in order, until one fails."""
        request = RunPhase(id=new_id(), phase=self.PHASE)
        self.window.begin(doing.confirmed(self.window, self.steps(), request))

    def by_hand(self) -> None:
        """Have it checked that what was done by hand holds."""
        if self.focused_step is not None:
            self.window.ask(ByHand(id=new_id(), step=self.focused_step.id))

    def skip(self) -> None:
        """Leave the focused step out, with a reason."""
        if self.focused_step is not None:
            self.window.begin(doing.skip(self.window, self.focused_step))

    def copy(self) -> None:
        """Copy the commands of the focused step, or the evidence of the focused finding."""
        row = self.listed.current
        if row is None:
            return
        text = detail.copied(self.night, row.key) or text_of(self.detail_of(row, 1000))
        self.window.copy_text(text)
