"""What may be done now, judged by the night as it stands: every refusal, with its reason.

Knows the fold and the profile; asks no server and changes nothing.
"""

from __future__ import annotations

from checks.catalogue import AGAIN_BEFORE_ARMING
from profiles import requests as rq
from profiles.errors import RefusedError
from profiles.findings import Finding
from profiles.fold import Night
from profiles.machine import Proposal
from profiles.profile import Profile
from profiles.steps import Step, Words

LOOK_AGAIN = "Look at it again, then press the key."

ALWAYS_TAKEN = (rq.Hello, rq.Probe, rq.Abort, rq.Cancel, rq.TellSecret, rq.AcceptHostKey, rq.Stop)
"""What only looks, only ends something, or hands over a password: never too late."""

UNDONE_ALONE = ("tuning", "preflight")
"""Phases whose steps do not rest on one another."""


def fresh(night: Night, request: rq.Request) -> None:
    """Refuses what was asked by a window that had not seen the stretch as it is now."""
    stretch = night.stretch
    if isinstance(request, ALWAYS_TAKEN) or stretch is None or request.seen_seq >= stretch.seq:
        return
    raise RefusedError(
        "cutover",
        str(request.__struct_config__.tag),
        f"the armed stretch has changed since this was asked: {stretch.state}",
        LOOK_AGAIN,
    )


def not_armed(night: Night, where: str, tried: str) -> None:
    """Refuses while an attempt is armed or under way."""
    if night.armed:
        raise RefusedError(where, tried, "an attempt is armed", "Go, or abort it first.")


def step_of(night: Night, step_id: str) -> Step:
    """The step of that id; refused when no plan has it."""
    step = night.steps.get(step_id)
    if step is None:
        raise RefusedError(step_id, "find the step", "no plan has it", "Look again first.")
    return step


def may_run(night: Night, step: Step) -> None:
    """Refuses a step that is not ours to run, not yet, or not without a typed name."""
    if step.paused:
        raise RefusedError(step.id, "run", "it is part of the armed stretch", "Arm, then go.")
    if step.by_hand:
        raise RefusedError(step.id, "run", "only a person can do it", "Do it, then say so.")
    not_armed(night, step.id, "run")
    if step.after_turn and not night.moved:
        raise RefusedError(step.id, "run", "the traffic is still on the old server")
    if step.before_turn and night.moved:
        answered = "the traffic is on the new server by now"
        raise RefusedError(step.id, "run", answered, "Do it by hand, at a time of your choosing.")
    _confirmed(night, step, "run")


def may_undo(night: Night, step: Step) -> None:
    """Refuses what is not ours to undo, or stands in an order that only Aftercare knows."""
    if step.phase not in UNDONE_ALONE:
        answered = "other steps rest on it"
        raise RefusedError(step.id, "undo", answered, "It is settled in Aftercare, in order.")
    if not step.undo or any(isinstance(command, Words) for command in step.undo):
        raise RefusedError(step.id, "undo", "there is nothing that the wizard could undo")
    if step.id not in night.ours:
        raise RefusedError(step.id, "undo", "the wizard has changed nothing here")
    not_armed(night, step.id, "undo")
    _confirmed(night, step, "undo")


def may_choose(night: Night, step_id: str) -> Proposal:
    """Refuses a value for what is not proposed, or is set already."""
    proposal = night.proposals.get(step_id)
    if proposal is None:
        raise RefusedError(step_id, "choose a value", "nothing of that name is proposed")
    not_armed(night, step_id, "choose a value")
    if night.state_of(step_id).settled:
        raise RefusedError(step_id, "choose a value", "it is set already", "Undo it first.")
    return proposal


def may_do_by_hand(night: Night, step: Step) -> None:
    """Refuses what only the armed sequence does, and everything while it does."""
    if step.paused:
        raise RefusedError(step.id, "do it by hand", "it is part of the armed stretch")
    not_armed(night, step.id, "do it by hand")


def may_skip(night: Night, step: Step, reason: str) -> None:
    """Refuses to leave out what the night cannot do without, and leaving out without a reason."""
    if step.paused or step.settles:
        raise RefusedError(step.id, "skip", "the night cannot end without it")
    if not reason.strip():
        raise RefusedError(step.id, "skip", "there is no reason", "Say why it is left out.")
    not_armed(night, step.id, "skip")


def may_arm(night: Night, profile: Profile, typed: str) -> None:
    """Refuses to arm before everything that can be done beforehand is done, and holds."""
    source = profile.source.name
    not_armed(night, "cutover", "arm")
    if typed != source:
        raise RefusedError("cutover", "arm", f"“{typed}” is not {source}", "Type it.")
    if night.moved:
        raise RefusedError("cutover", "arm", "the traffic has moved already")
    stops = [found.figure for found in night.findings.values() if _stands(found)]
    if stops:
        raise RefusedError("cutover", "arm", f"a check says stop: {'; '.join(stops)}")
    _nothing_is_relaxed(night)
    _checklist_is_done(night)
    closed = [gate.figure for gate in night.gates.values() if not gate.holds]
    if closed or not night.gates:
        waits = "; ".join(closed) or "nothing has been measured yet"
        raise RefusedError("cutover", "arm", f"a gate is closed: {waits}", "Wait for it.")


def may_end(night: Night) -> None:
    """Refuses to end a night that has left something lying about."""
    not_armed(night, "night", "end")
    if open_ends := night.open_loose_ends():
        listed = ", ".join(end.loose_end.what for end in open_ends)
        raise RefusedError(
            "night",
            "end",
            f"still open: {listed}",
            "Settle it first: its step stands in Aftercare.",
        )


def may_stop(night: Night) -> None:
    """Refuses to end an engine that is finishing a move: it would only be started again."""
    stretch = night.stretch
    if stretch is not None and stretch.turned and not stretch.over:
        raise RefusedError("engine", "stop", "it is finishing the move", "Wait for its end.")


def _stands(found: Finding) -> bool:
    """A stop, unless it is looked at again before arming anyway."""
    return found.verdict == "stop" and found.check not in AGAIN_BEFORE_ARMING


def _confirmed(night: Night, step: Step, tried: str) -> None:
    """Refuses a danger whose server's name was typed in no phase that has the step."""
    phases = {step.phase, *(phase for phase, ids in night.plans.items() if step.id in ids)}
    missing = [
        name
        for name in step.servers
        if not any((phase, name) in night.confirmed for phase in phases)
    ]
    if step.danger and missing:
        remedy = f"Confirm by typing the name: {', '.join(missing)}."
        raise RefusedError(step.id, tried, f"it {step.danger}", remedy)


def _nothing_is_relaxed(night: Night) -> None:
    """Clients never write where a setting for the copy alone is still in force."""
    left = [end.loose_end for end in night.open_loose_ends() if end.loose_end.before_traffic]
    if left:
        raise RefusedError(
            "cutover",
            "arm",
            f"only for the copy, and still in force: {'; '.join(end.what for end in left)}",
            f"Settle it first, in the checklist: {', '.join(end.settled_by for end in left)}.",
        )


def _checklist_is_done(night: Night) -> None:
    before = [
        step
        for phase in ("replication", "cutover")
        for step in night.plan(phase)
        if not step.paused and not step.after_turn
    ]
    if not any(step.phase == "cutover" for step in before):
        raise RefusedError("cutover", "arm", "there is no checklist", "Look again first.")
    open_steps = [step.title for step in before if not night.state_of(step.id).settled]
    if open_steps:
        raise RefusedError(
            "cutover", "arm", f"not done: {'; '.join(open_steps)}", "Do it, or leave it out."
        )
