"""The state of a night: a fold over its events, and nothing else.

Resume, windows and the report all look through this one; none of them remembers anything apart.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from profiles import events as ev
from profiles.findings import Finding, Verdict, worst
from profiles.machine import HostSeen, Proposal
from profiles.phases import PHASES
from profiles.steps import SETTLED_OUTCOMES, LooseEnd, Outcome, Step

SAMPLES_KEPT = 900
JOURNAL_KEPT = 2000


@dataclass
class StepState:
    """What is known of one step: None as outcome and running False means not begun."""

    running: bool = False
    outcome: Outcome | None = None
    evidence: str = ""
    error: str = ""
    by: str | None = None
    began: datetime | None = None
    duration_ms: float = 0.0
    commands: list[ev.CommandRan] = field(default_factory=list)
    log: list[ev.LogSaid] = field(default_factory=list)
    """What came into the servers' logs meanwhile."""

    @property
    def settled(self) -> bool:
        """It needs nothing more: done, found to hold, done by hand or left out with a reason."""
        return self.outcome in SETTLED_OUTCOMES


@dataclass
class LooseEndState:
    """One loose end and whether it is still open."""

    loose_end: LooseEnd
    opened: datetime
    settled: datetime | None = None


@dataclass
class Stretch:
    """The armed stretch of the newest attempt."""

    attempt: int
    armed: ev.Armed
    state: ev.StretchState = "arming"
    at: datetime = ev.EPOCH
    seq: int = 0
    """The number of the last event that changed it while it was under way."""
    paused_at: datetime | None = None
    resumed_at: datetime | None = None
    paused_ms: float | None = None
    says: str = ""
    aborting_means: str = ""
    log: list[ev.LogSaid] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """Nothing of it is under way any more."""
        return self.state in ("moved", "aborted", "disarmed")

    @property
    def turned(self) -> bool:
        """The old server is closed for good."""
        return self.state in ("turned", "opened", "switched", "resumed", "moved")


@dataclass
class Night:
    """Everything a window, a report or a resuming engine knows of a night."""

    name: str = ""
    seq: int = 0
    at: datetime = ev.EPOCH
    began: datetime | None = None
    version: str = ""
    profile: dict[str, Any] = field(default_factory=dict)
    draft: bool = False
    """The profile is not whole yet."""
    changed: datetime | None = None
    """When the profile became what it is; None: the night began on it."""
    tried: dict[ev.Side, ev.Tried] = field(default_factory=dict)
    """What was found of each server when it was entered last."""
    engine_pid: int | None = None
    servers: dict[str, ev.ServerSeen] = field(default_factory=dict)
    hosts: dict[str, HostSeen] = field(default_factory=dict)
    proposals: dict[str, Proposal] = field(default_factory=dict)
    """By the id of the step that carries one out; with the operator's own value where there is."""
    not_proposed: tuple[str, ...] = ()
    chosen: dict[str, str] = field(default_factory=dict)
    findings: dict[tuple[str, str | None, str | None], Finding] = field(default_factory=dict)
    looked: dict[str, datetime] = field(default_factory=dict)
    looking: set[str] = field(default_factory=set)
    plans: dict[str, tuple[str, ...]] = field(default_factory=dict)
    steps: dict[str, Step] = field(default_factory=dict)
    states: dict[str, StepState] = field(default_factory=dict)
    ours: set[str] = field(default_factory=set)
    """Steps of which a command of ours has run, and which were not undone since."""
    loose_ends: dict[str, LooseEndState] = field(default_factory=dict)
    confirmed: set[tuple[str, str]] = field(default_factory=set)
    gates: dict[str, ev.GateRead] = field(default_factory=dict)
    samples: deque[ev.Sampled] = field(default_factory=lambda: deque(maxlen=SAMPLES_KEPT))
    pulses: dict[str, ev.HostSampled] = field(default_factory=dict)
    """The newest reading of each server's host."""
    progress: dict[str, ev.Progressed] = field(default_factory=dict)
    roads: dict[tuple[str, str], ev.Probed] = field(default_factory=dict)
    """What was told last of each, by origin and target; the one of the replication first."""
    stretch: Stretch | None = None
    writes_stopped: ev.WritesStopped | None = None
    secrets_wanted: dict[str, str] = field(default_factory=dict)
    keys_wanted: dict[str, ev.HostKeyAsked] = field(default_factory=dict)
    said: list[ev.Said] = field(default_factory=list)
    told: deque[ev.Event] = field(default_factory=lambda: deque(maxlen=JOURNAL_KEPT))
    ended: bool = False

    def apply(self, event: ev.Event) -> None:
        """Take one event in. Events that were taken already (by number) change nothing."""
        passing = _passing(event)
        if event.seq and event.seq <= self.seq and not passing:
            return
        self.seq = max(self.seq, event.seq)
        self.at = max(self.at, event.at)
        self.name = event.night or self.name
        if not passing:
            self.told.append(event)
        handler = getattr(self, "_" + str(event.__struct_config__.tag).replace("-", "_"), None)
        if handler is not None:
            handler(event)

    def state_of(self, step_id: str) -> StepState:
        """What is known of a step, also of one that never began."""
        return self.states.get(step_id, StepState())

    def plan(self, phase: str) -> list[Step]:
        """The steps of a phase, in order."""
        return [self.steps[step_id] for step_id in self.plans.get(phase, ())]

    def running(self) -> list[Step]:
        """The steps under way."""
        return [
            self.steps[step_id]
            for step_id, state in self.states.items()
            if state.running and step_id in self.steps
        ]

    def in_doubt(self) -> list[str]:
        """Steps of which the journal does not know what became of them."""
        return [name for name, state in self.states.items() if state.outcome == "in-doubt"]

    def open_loose_ends(self) -> list[LooseEndState]:
        """What is still lying about on a server."""
        return [end for end in self.loose_ends.values() if end.settled is None]

    def findings_of(self, phase: str) -> list[Finding]:
        """The findings of a phase, as they were found."""
        return [finding for finding in self.findings.values() if finding.phase == phase]

    def verdict(self, phase: str) -> Verdict | None:
        """The worst finding of a phase; None where nobody looked."""
        return worst(self.findings_of(phase))

    def phase_done(self, phase: str) -> bool:
        """Looked at without a stop, and every step of it settled; never true of what was not."""
        looked = phase in self.looked or bool(self.plans.get(phase))
        steps_settled = all(
            self.state_of(step.id).settled or step.optional for step in self.plan(phase)
        )
        return looked and steps_settled and self.verdict(phase) != "stop"

    def current_phase(self) -> str:
        """The first phase that still wants something from the operator.

        One that was passed over, and never looked at, wants nothing.
        """
        if not self.profile:
            return "sessions"
        phases = [phase.id for phase in PHASES[1:]]
        come_to = [at for at, id_ in enumerate(phases) if id_ in self.looked or self.plans.get(id_)]
        for at in come_to:
            if not self.phase_done(phases[at]):
                return phases[at]
        return phases[min(come_to[-1] + 1 if come_to else 0, len(phases) - 1)]

    @property
    def armed(self) -> bool:
        """An armed stretch is under way, or waits for its first key."""
        return self.stretch is not None and not self.stretch.over

    def why_fixed(self) -> str:
        """Why the profile cannot be another one any more; empty while it can."""
        if self.armed:
            return "an attempt is armed"
        begun = [self.steps[id_].title if id_ in self.steps else id_ for id_ in self.states]
        return f"a step of this night has begun: {begun[0]}" if begun else ""

    @property
    def moved(self) -> bool:
        """The traffic is on the new server."""
        return self.stretch is not None and self.stretch.state == "moved"

    # One handler for each kind that changes the state; the name is the event's tag.

    def _night_began(self, event: ev.NightBegan) -> None:
        self.profile, self.version, self.began = event.profile, event.version, event.at
        self.draft = event.draft

    def _profile_changed(self, event: ev.ProfileChanged) -> None:
        """Nothing was done yet, and what was found and planned is of no server any more."""
        anew = Night(self.name, self.seq, self.at, self.began, self.version, event.profile)
        anew.changed, anew.engine_pid = event.at, self.engine_pid
        anew.said, anew.told = self.said, self.told
        vars(self).update(vars(anew))

    def _tried(self, event: ev.Tried) -> None:
        self.tried[event.side] = event

    def _engine_started(self, event: ev.EngineStarted) -> None:
        self.engine_pid = event.pid
        for phase in self.looking:
            self.looked.pop(phase, None)  # its findings went when the look began
        self.looking.clear()
        self.progress.clear()
        self.gates.clear()  # for how long one has held is known to whoever measured it
        for state in self.states.values():
            if state.running:
                state.running, state.outcome = False, "in-doubt"

    def _engine_stopped(self, event: ev.EngineStopped) -> None:
        self.engine_pid = None

    def _server_seen(self, event: ev.ServerSeen) -> None:
        self.servers[event.server or ""] = event
        self.secrets_wanted.pop(event.server or "", None)

    def _checks_began(self, event: ev.ChecksBegan) -> None:
        self.looking.add(event.phase)
        stale = [key for key, found in self.findings.items() if found.phase == event.phase]
        for key in stale:
            del self.findings[key]
        self.roads = {key: road for key, road in self.roads.items() if road.phase != event.phase}

    def _host_looked(self, event: ev.HostLooked) -> None:
        self.hosts[event.seen.host] = event.seen

    def _proposed(self, event: ev.Proposed) -> None:
        self.proposals = {each.id: self._as_chosen(each) for each in event.proposals}
        self.not_proposed = event.skipped

    def _chosen(self, event: ev.Chosen) -> None:
        step = event.step or ""
        self.chosen[step] = event.value
        if step in self.proposals:
            self.proposals[step] = self._as_chosen(self.proposals[step])

    def _as_chosen(self, proposal: Proposal) -> Proposal:
        value = self.chosen.get(proposal.id, proposal.proposed)
        return msgspec.structs.replace(proposal, proposed=value)

    def _found(self, event: ev.Found) -> None:
        self.findings[event.finding.key] = event.finding

    def _checks_ended(self, event: ev.ChecksEnded) -> None:
        self.looking.discard(event.phase)
        if event.cut_short:
            self.looked.pop(event.phase, None)
        else:
            self.looked[event.phase] = event.at

    def _planned(self, event: ev.Planned) -> None:
        self.plans[event.phase] = tuple(step.id for step in event.steps)
        self.steps.update({step.id: step for step in event.steps})

    def _confirmed(self, event: ev.Confirmed) -> None:
        self.confirmed.add((event.phase, event.server or ""))

    def _step_began(self, event: ev.StepBegan) -> None:
        self.states[event.step or ""] = StepState(running=True, began=event.at, by=event.by)

    def _command_ran(self, event: ev.CommandRan) -> None:
        self.states.setdefault(event.step or "", StepState()).commands.append(event)
        if event.ok:
            self.ours.add(event.step or "")

    def _step_ended(self, event: ev.StepEnded) -> None:
        state = self.states.setdefault(event.step or "", StepState())
        state.running = False
        state.outcome, state.evidence, state.error = event.outcome, event.evidence, event.error
        state.by, state.duration_ms = event.by or state.by, event.duration_ms
        self.progress.pop(event.step or "", None)
        if event.outcome == "undone":
            self.ours.discard(event.step or "")

    def _log_said(self, event: ev.LogSaid) -> None:
        if event.step:
            self.states.setdefault(event.step, StepState()).log.append(event)
        elif self.stretch is not None and self.stretch.attempt == event.attempt:
            self.stretch.log.append(event)

    def _loose_end_opened(self, event: ev.LooseEndOpened) -> None:
        self.loose_ends[event.loose_end.id] = LooseEndState(event.loose_end, event.at)

    def _loose_end_settled(self, event: ev.LooseEndSettled) -> None:
        if event.id in self.loose_ends:
            self.loose_ends[event.id].settled = event.at

    def _gate_read(self, event: ev.GateRead) -> None:
        self.gates[event.gate] = event

    def _sampled(self, event: ev.Sampled) -> None:
        if not self.samples or event.at > self.samples[-1].at:
            self.samples.append(event)

    def _host_sampled(self, event: ev.HostSampled) -> None:
        known = self.pulses.get(event.server or "")
        if known is None or event.at > known.at:
            self.pulses[event.server or ""] = event

    def _progressed(self, event: ev.Progressed) -> None:
        self.progress[event.step or event.what] = event

    def _probed(self, event: ev.Probed) -> None:
        known = self.roads.get((event.origin, event.target))
        if known is None or event.at >= known.at:
            told = {**self.roads, (event.origin, event.target): event}
            self.roads = dict(sorted(told.items(), key=_from_this_machine))

    def _armed(self, event: ev.Armed) -> None:
        self.stretch = Stretch(event.attempt or 0, event, at=event.at, seq=event.seq)
        self.writes_stopped = None

    def _stretch_moved(self, event: ev.StretchMoved) -> None:
        stretch = self.stretch
        if stretch is None or event.attempt != stretch.attempt:
            return
        if not stretch.over:
            stretch.seq = event.seq
        stretch.state, stretch.at, stretch.says = event.state, event.at, event.says
        stretch.aborting_means = event.aborting_means
        if event.paused_ms is not None:
            stretch.paused_ms = event.paused_ms
        if event.state == "paused":
            stretch.paused_at = event.at
        elif event.state in ("resumed", "aborted"):
            stretch.resumed_at = event.at
        if event.state in ("moved", "aborted"):
            self.writes_stopped = None

    def _writes_stopped(self, event: ev.WritesStopped) -> None:
        self.writes_stopped = event

    def _secret_asked(self, event: ev.SecretAsked) -> None:
        self.secrets_wanted[event.server or ""] = event.prompt

    def _host_key_asked(self, event: ev.HostKeyAsked) -> None:
        self.keys_wanted[event.server or ""] = event

    def _host_key_accepted(self, event: ev.HostKeyAccepted) -> None:
        self.keys_wanted.pop(event.server or "", None)

    def _said(self, event: ev.Said) -> None:
        self.said.append(event)

    def _night_ended(self, event: ev.NightEnded) -> None:
        self.ended = True


def _from_this_machine(road: tuple[tuple[str, str], ev.Probed]) -> bool:
    """Such roads stand behind the one that the data takes."""
    return road[1].origin == ev.THIS_MACHINE


def _passing(event: ev.Event) -> bool:
    """Of the moment only; of what is measured on and on, the last of a probe is told for good."""
    last_of_a_probe = isinstance(event, ev.Probed) and event.final
    return isinstance(event, ev.WINDOW_ONLY) and not last_of_a_probe


def fold(events: Iterable[ev.Event]) -> Night:
    """The state after all of these events."""
    night = Night()
    for event in events:
        night.apply(event)
    return night
