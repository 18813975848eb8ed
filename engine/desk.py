"""The desk: does what windows ask for, one thing after the other, and refuses what cannot be done.

Knows the order of a night (look, plan, run, arm, go) and no SQL; every effect of a request is an
event.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from checks.proposals.made import chosen
from checks.tuning import PHASE as TUNING
from connections.hands import Hands
from connections.hosts import Hosts
from connections.passwords import Passwords
from connections.sessions import Sessions
from engine import rules
from engine.logs import Logs
from engine.looks import Looker
from engine.night import LiveNight
from engine.pulses import Pulses
from engine.runner import Runner
from engine.sampler import Sampler
from engine.stretch import ArmedStretch
from engine.tasks import ended, through
from profiles import events as ev
from profiles import requests as rq
from profiles.errors import NightferryError, RefusedError
from profiles.files import write_whole
from profiles.journal import read_events
from profiles.phases import BY_ID
from profiles.profile import Profile
from profiles.report import report
from profiles.steps import Step
from routes.route import route_of

LOOKED_AT_AFTERWARDS = ("tuning", "preflight", "aftercare")
"""Phases whose steps mend what was found there: what is shown has to be looked at again."""
MEASURED_FOR_LONG = ("network",)
"""Phases whose look holds no other up; what it measures would disturb a pause, though."""


class Desk:
    """What one night's engine does for its windows."""

    def __init__(
        self, live: LiveNight, profile: Profile, folder: Path, passwords: Passwords
    ) -> None:
        self._live = live
        self._profile = profile
        self._folder = folder
        self._passwords = passwords
        self._hosts = Hosts(profile, passwords)
        self._sessions = Sessions(profile, passwords, self._hosts)
        self._hands = Hands(profile, passwords, self._hosts)
        self._logs = Logs(live, self._sessions, self._hosts)
        self._runner = Runner(live, self._hands, self._logs.beside)
        self._route = route_of(profile)
        self._looker = Looker(live, profile, folder, passwords, self._route, self._hosts)
        self._sampler = Sampler(live, self._sessions)
        self._pulses = Pulses(live, self._sessions, self._hosts)
        self._stretch: ArmedStretch | None = None
        self._looking = asyncio.Lock()
        self._measuring: asyncio.Task[None] | None = None
        self._asked: set[str] = set()
        self._closing = False

    # The life of an engine

    async def start(self) -> None:
        """Go on where the journal ends: finish or undo a stretch, ask about what is in doubt."""
        state = self._live.state
        if state.stretch is not None and not state.stretch.over:
            await self._recover(state.stretch.armed)
        for step_id in state.in_doubt():
            if step_id in state.steps and not state.steps[step_id].paused:
                await self._ask(state.steps[step_id])
        self._follow()

    async def close(self, reason: str) -> None:
        """Leave everything so that the night can be resumed."""
        self._closing = True
        await self._runner.stop(f"cancelled: the engine was stopped ({reason})")
        await self._end_measuring()
        await self._sampler.stop()
        await self._pulses.stop()
        if self._stretch is not None:
            await self._stretch.leave()
        await self._logs.close()
        await self._hosts.close()

    async def _ask(self, step: Step) -> None:
        """A server that is away now leaves one step in doubt, and not all of them unasked."""
        try:
            await self._runner.ask(step)
        except NightferryError as error:
            self._live.publish(
                ev.Said(text=f"{step.title} is still in doubt: {error}", trouble=True)
            )

    # Requests

    async def handle(self, request: rq.Request) -> None:
        """Carry out a request. Raises RefusedError, with the reason, when it may not be."""
        rules.fresh(self._live.state, request)
        match request:
            case rq.Probe():
                await self._probe(request)
            case rq.Confirm():
                self._confirm(request)
            case rq.RunStep():
                await self._run(self._step(request.step), request.id)
            case rq.RunPhase():
                await self._run_phase(request)
            case rq.ChooseValue():
                await self._choose(request)
            case rq.UndoStep():
                await self._undo(request)
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
                await self._abort()
            case rq.TellSecret():
                self._tell(request)
            case rq.AcceptHostKey():
                self._looker.accept_host_key(request.server, request.fingerprint)
            case rq.EndNight():
                self._end()
            case rq.Stop():
                rules.may_stop(self._live.state)

    async def _probe(self, request: rq.Probe) -> None:
        if request.phase not in BY_ID:
            raise RefusedError(request.phase, "look", "there is no such phase")
        rules.not_armed(self._live.state, request.phase, "look")
        await self._look(request.phase)

    async def _look(self, phase: str) -> None:
        """One phase after the other: who walks on quickly waits here, and is not sent away.

        What measures for long goes on beside the others, until an attempt is armed.
        """
        if phase in self._asked or phase in self._live.state.looking:
            answered = "it is being looked at already"
            raise RefusedError(phase, "look", answered, "Wait for its end.")
        self._asked.add(phase)
        try:
            async with self._looking:
                # Who waited behind an arming would look in the middle of the stretch.
                rules.not_armed(self._live.state, phase, "look")
                await self._see_taken_back(phase)
                look = asyncio.create_task(self._looker.look(phase))
                await asyncio.sleep(0)  # it has begun, and the night says so, until it says its end
                self._asked.discard(phase)
                if phase in MEASURED_FOR_LONG:
                    self._measuring = look
                else:
                    await through(look)
            await through(look)
        finally:
            self._asked.discard(phase)

    async def _see_taken_back(self, phase: str) -> None:
        """Tuning is taken back by hand, too, and by a restart that would not come up with it."""
        state = self._live.state
        if phase != TUNING or self._runner.busy is not None:
            return
        ours = [step for step in state.plan(phase) if step.id in state.ours]
        with suppress(NightferryError):  # who is away is looked at, and told of, elsewhere
            await self._runner.see_taken_back(s for s in ours if state.state_of(s.id).settled)

    async def _end_measuring(self, why: str = "") -> None:
        """Ends the look that measures for long; returns when nothing of it runs any more."""
        look, self._measuring = self._measuring, None
        if look is None or look.done():
            return
        await ended([look])
        if why:
            self._live.publish(ev.Said(text=f"The network test was ended: {why}."))

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
        rules.may_run(self._live.state, step)
        if await self._runner.run(step, request) == "failed":
            await self._see_taken_back(step.phase)
        self._follow()

    async def _run_phase(self, request: rq.RunPhase) -> None:
        state = self._live.state
        for step in state.plan(request.phase):
            later = step.after_turn and not state.moved
            left_out = step.id not in request.steps if request.steps else step.optional
            settled = state.state_of(step.id).settled
            if later or left_out or step.paused or step.by_hand or settled:
                continue
            rules.may_run(state, step)
            if await self._runner.run(step, request.id) not in ("done", "already"):
                await self._see_taken_back(request.phase)
                return
            self._follow()
        if request.phase in LOOKED_AT_AFTERWARDS:
            await self._look(request.phase)

    async def _choose(self, request: rq.ChooseValue) -> None:
        proposal = rules.may_choose(self._live.state, request.step)
        try:
            value = chosen(proposal, request.value)
        except ValueError as error:
            said = "Type it as the proposed one is written."
            raise RefusedError(request.step, "choose a value", str(error), said) from None
        self._live.publish(ev.Chosen(step=request.step, value=value, request=request.id))
        await self._looker.plan_again(TUNING)

    async def _by_hand(self, request: rq.ByHand) -> None:
        step = self._step(request.step)
        rules.may_do_by_hand(self._live.state, step)
        await self._runner.done_by_hand(step, request.id)
        self._follow()

    async def _undo(self, request: rq.UndoStep) -> None:
        step = self._step(request.step)
        rules.may_undo(self._live.state, step)
        await self._runner.undo(step, request.id)
        self._follow()

    def _skip(self, request: rq.Skip) -> None:
        step = self._step(request.step)
        rules.may_skip(self._live.state, step, request.reason)
        self._runner.skip(step, request.reason.strip(), request.id)

    def _tell(self, request: rq.TellSecret) -> None:
        self._passwords.tell(request.server, request.value)
        self._live.publish(ev.Said(text=f"A password for {request.server} was typed."))

    def _end(self) -> None:
        rules.may_end(self._live.state)
        path = self._folder / "report.md"
        self._live.publish(ev.NightEnded(report=str(path)))
        # From the journal: the state keeps only the newest events, and a night may have more.
        write_whole(path, report(read_events(self._folder).events).encode())

    # The armed stretch

    async def _arm(self, request: rq.Arm) -> None:
        self._may_arm(request)
        async with self._looking:
            await self._end_measuring("an attempt is being armed")
            fenced = await self._looker.look_before_arming()
        self._may_arm(request)
        armed = self._attempt(request, fenced)
        self._live.publish(armed)
        self._stretch = self._new_stretch(armed)
        try:
            await self._stretch.arm()
        except Exception as error:
            self._stretch = None
            says = str(error) if isinstance(error, NightferryError) else type(error).__name__
            if self._live.state.armed:
                self._live.publish(
                    ev.StretchMoved(attempt=armed.attempt, state="disarmed", says=says)
                )
            raise

    def _attempt(self, request: rq.Arm, fenced: tuple[str, ...]) -> ev.Armed:
        before, thresholds = self._live.state.stretch, self._profile.thresholds
        by_key, by_hand = thresholds.pause_deadline_s, thresholds.by_hand_deadline_s
        return ev.Armed(
            attempt=before.attempt + 1 if before else 1,
            direction="forward",
            roles=fenced,
            may_still_write=tuple(self._profile.source.may_still_write),
            deadline_s=by_hand if request.by_hand else by_key,
            by_hand=request.by_hand,
            request=request.id,
        )

    async def _go(self, request: rq.Go) -> None:
        stretch = self._stretch
        if stretch is None or stretch.number != request.attempt:
            raise RefusedError("cutover", "go", "this attempt is not armed", "Arm it first.")
        if stretch.under_way:
            stretch.press()
            return
        try:
            await stretch.go(self._sampler.stop)
        finally:
            self._over()

    async def _abort(self) -> None:
        stretch = self._stretch
        if stretch is None:
            raise RefusedError("cutover", "abort", "nothing is armed")
        stretch.abort("the abort key")
        if stretch.ready:
            await stretch.close()
            self._over()

    async def _recover(self, armed: ev.Armed) -> None:
        self._stretch = self._new_stretch(armed)
        await self._looker.ask_for_secrets()
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
            self._live,
            self._profile,
            self._folder,
            self._hands,
            self._sessions,
            self._logs,
            armed,
        )

    # What may be done now

    def _step(self, step_id: str) -> Step:
        return rules.step_of(self._live.state, step_id)

    def _may_arm(self, request: rq.Arm) -> None:
        rules.may_arm(self._live.state, self._profile, request.typed)
        if self._runner.busy is not None:
            answered = f"“{self._runner.busy.title}” is under way"
            raise RefusedError("cutover", "arm", answered, "Wait for it, or cancel it.")

    def _follow(self) -> None:
        if not self._closing:
            self._sampler.follow()
            self._pulses.follow()
