"""The desk: does what windows ask for, one thing after the other, and refuses what cannot be done.

Knows the order of a night (look, plan, run, arm, go) and no SQL; every effect of a request is an
event.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from connections.hands import Hands
from connections.passwords import Passwords
from engine.looks import Looker
from engine.night import LiveNight
from engine.runner import Runner
from engine.sampler import Sampler
from engine.stretch import ArmedStretch
from profiles import events as ev
from profiles import requests as rq
from profiles.errors import NightferryError, RefusedError
from profiles.phases import BY_ID
from profiles.profile import Profile
from profiles.report import report
from profiles.steps import Step
from routes.route import route_of

UNFINISHED = "Settle it first: its step stands in Aftercare."


class Desk:
    """What one night's engine does for its windows."""

    def __init__(
        self, live: LiveNight, profile: Profile, folder: Path, passwords: Passwords
    ) -> None:
        self._live = live
        self._profile = profile
        self._folder = folder
        self._passwords = passwords
        self._hands = Hands(profile, folder, passwords)
        self._runner = Runner(live, self._hands)
        self._route = route_of(profile)
        self._looker = Looker(live, profile, folder, passwords, self._route)
        self._sampler = Sampler(live, profile, passwords)
        self._stretch: ArmedStretch | None = None
        self._looking: asyncio.Lock = asyncio.Lock()

    # The life of an engine

    async def start(self) -> None:
        """Go on where the journal ends: finish or undo a stretch, ask about what is in doubt."""
        state = self._live.state
        if state.stretch is not None and not state.stretch.over:
            await self._recover(state.stretch.armed)
        for step_id in state.in_doubt():
            if step_id in state.steps and not state.steps[step_id].paused:
                await self._runner.ask(state.steps[step_id])
        self._follow()

    async def close(self, reason: str) -> None:
        """Leave everything so that the night can be resumed."""
        self._runner.cancel()
        await self._sampler.stop()
        if self._stretch is not None:
            await self._stretch.leave()

    # Requests

    async def handle(self, request: rq.Request) -> None:
        """Carry out a request. Raises RefusedError, with the reason, when it may not be."""
        match request:
            case rq.Probe():
                await self._probe(request)
            case rq.Confirm():
                self._confirm(request)
            case rq.RunStep():
                await self._run(self._step(request.step), request.id)
            case rq.RunPhase():
                await self._run_phase(request)
            case rq.ByHand():
                await self._by_hand(request)
            case rq.Skip():
                self._skip(request)
            case rq.Cancel():
                if not self._runner.cancel():
                    raise RefusedError("wizard", "cancel", "nothing is under way")
            case rq.Arm():
                await self._arm(request)
            case rq.Go():
                await self._go(request)
            case rq.Abort():
                self._abort()
            case rq.TellSecret():
                self._tell(request)
            case rq.EndNight():
                self._end()
            case rq.Stop():
                self._may_stop()

    async def _probe(self, request: rq.Probe) -> None:
        if request.phase not in BY_ID or not BY_ID[request.phase].built:
            raise RefusedError(request.phase, "look", "this phase is not built yet")
        self._not_armed("look")
        if self._looking.locked():
            raise RefusedError(request.phase, "look", "it is being looked at already")
        async with self._looking:
            await self._looker.look(request.phase)

    def _confirm(self, request: rq.Confirm) -> None:
        names = {name for step in self._live.state.plan(request.phase) for name in step.servers}
        if request.server not in names:
            listed = ", ".join(sorted(names)) or "none"
            raise RefusedError(
                request.phase,
                f"confirm “{request.server}”",
                "no step of this phase is dangerous to a server of that name",
                f"The names are: {listed}.",
            )
        self._live.publish(
            ev.Confirmed(phase=request.phase, server=request.server, request=request.id)
        )

    async def _run(self, step: Step, request: str) -> None:
        self._may_run(step)
        await self._runner.run(step, request)
        self._follow()

    async def _run_phase(self, request: rq.RunPhase) -> None:
        state = self._live.state
        for step in state.plan(request.phase):
            later = step.after_turn and not state.moved
            if later or step.paused or step.by_hand or state.state_of(step.id).settled:
                continue
            self._may_run(step)
            if await self._runner.run(step, request.id) not in ("done", "already"):
                return
            self._follow()

    async def _by_hand(self, request: rq.ByHand) -> None:
        step = self._step(request.step)
        if step.paused:
            raise RefusedError(step.id, "do it by hand", "it is part of the armed stretch")
        await self._runner.done_by_hand(step, request.id)
        self._follow()

    def _skip(self, request: rq.Skip) -> None:
        step = self._step(request.step)
        if step.paused or step.settles:
            raise RefusedError(step.id, "skip", "the night cannot end without it")
        if not request.reason.strip():
            raise RefusedError(step.id, "skip", "there is no reason", "Say why it is left out.")
        self._runner.skip(step, request.reason.strip(), request.id)

    def _tell(self, request: rq.TellSecret) -> None:
        self._passwords.tell(request.server, request.value)
        self._live.publish(ev.Said(text=f"A password for {request.server} was typed."))

    def _end(self) -> None:
        self._not_armed("end the night")
        open_ends = self._live.state.open_loose_ends()
        if open_ends:
            listed = ", ".join(end.loose_end.what for end in open_ends)
            raise RefusedError("night", "end", f"still open: {listed}", UNFINISHED)
        path = self._folder / "report.md"
        self._live.publish(ev.NightEnded(report=str(path)))
        path.write_text(report(self._live.state.told), encoding="utf-8")

    def _may_stop(self) -> None:
        stretch = self._live.state.stretch
        if stretch is not None and stretch.turned and not stretch.over:
            raise RefusedError("engine", "stop", "it is finishing the move", "Wait for its end.")

    # The armed stretch

    async def _arm(self, request: rq.Arm) -> None:
        self._not_armed("arm")
        self._may_arm(request)
        state = self._live.state
        number = state.stretch.attempt + 1 if state.stretch else 1
        thresholds = self._profile.thresholds
        armed = ev.Armed(
            attempt=number,
            direction="forward",
            roles=(),
            may_still_write=tuple(self._profile.source.may_still_write),
            deadline_s=thresholds.by_hand_deadline_s
            if request.by_hand
            else thresholds.pause_deadline_s,
            by_hand=request.by_hand,
            request=request.id,
        )
        stretch = self._new_stretch(armed)
        self._live.publish(armed)
        self._stretch = stretch
        try:
            await stretch.arm()
        except NightferryError as error:
            self._stretch = None
            self._live.publish(ev.StretchMoved(attempt=number, state="disarmed", says=str(error)))
            raise

    async def _go(self, request: rq.Go) -> None:
        stretch = self._stretch
        if stretch is None or stretch.number != request.attempt:
            raise RefusedError("cutover", "go", "this attempt is not armed", "Arm it first.")
        await self._sampler.stop()
        try:
            await stretch.go()
        finally:
            self._over()

    def _abort(self) -> None:
        if self._stretch is None:
            raise RefusedError("cutover", "abort", "nothing is armed")
        self._stretch.abort("the abort key")
        if self._live.state.stretch is not None and self._live.state.stretch.over:
            self._over()

    async def _recover(self, armed: ev.Armed) -> None:
        self._stretch = self._new_stretch(armed)
        try:
            await self._stretch.recover()
        finally:
            self._over()

    def _over(self) -> None:
        self._stretch = None
        self._live.sync()
        self._follow()

    def _new_stretch(self, armed: ev.Armed) -> ArmedStretch:
        return ArmedStretch(
            self._live, self._profile, self._folder, self._hands, self._passwords, armed
        )

    # What may be done now

    def _step(self, step_id: str) -> Step:
        step = self._live.state.steps.get(step_id)
        if step is None:
            raise RefusedError(step_id, "find the step", "no plan has it", "Look again first.")
        return step

    def _may_run(self, step: Step) -> None:
        if step.paused:
            raise RefusedError(step.id, "run", "it is part of the armed stretch", "Arm, then go.")
        if step.by_hand:
            raise RefusedError(step.id, "run", "only a person can do it", "Do it, then say so.")
        if step.after_turn and not self._live.state.moved:
            raise RefusedError(step.id, "run", "the traffic is still on the old server")
        confirmed = self._live.state.confirmed
        missing = [name for name in step.servers if (step.phase, name) not in confirmed]
        if step.danger and missing:
            raise RefusedError(
                step.id,
                "run",
                f"it {step.danger}",
                f"Confirm by typing the name: {', '.join(missing)}.",
            )

    def _not_armed(self, tried: str) -> None:
        if self._live.state.armed:
            raise RefusedError("cutover", tried, "an attempt is armed", "Go, or abort it first.")

    def _may_arm(self, request: rq.Arm) -> None:
        state, source = self._live.state, self._profile.source.name
        if request.typed != source:
            raise RefusedError("cutover", "arm", f"“{request.typed}” is not {source}", "Type it.")
        if state.moved:
            raise RefusedError("cutover", "arm", "the traffic has moved already")
        stops = [found.figure for found in state.findings.values() if found.verdict == "stop"]
        if stops:
            raise RefusedError("cutover", "arm", f"a check says stop: {'; '.join(stops)}")
        self._checklist_is_done()
        closed = [gate.figure for gate in state.gates.values() if not gate.holds]
        if closed or not state.gates:
            waits = "; ".join(closed) or "nothing has been measured yet"
            raise RefusedError("cutover", "arm", f"a gate is closed: {waits}", "Wait for it.")

    def _checklist_is_done(self) -> None:
        state = self._live.state
        before = [
            step
            for phase in ("replication", "cutover")
            for step in state.plan(phase)
            if not step.paused and not step.after_turn
        ]
        if not any(step.phase == "cutover" for step in before):
            raise RefusedError("cutover", "arm", "there is no checklist", "Look again first.")
        open_steps = [step.title for step in before if not state.state_of(step.id).settled]
        if open_steps:
            raise RefusedError(
                "cutover", "arm", f"not done: {'; '.join(open_steps)}", "Do it, or leave it out."
            )

    def _follow(self) -> None:
        self._sampler.follow()
