"""When a person is needed, and what the terminal's title says. From the night's state alone."""

from __future__ import annotations

from profiles.fold import Night
from profiles.phases import BY_ID
from tui.words import figures
from tui.words.view import View, ground_of, profile_of

NAME = "nightferry"


def occasions(night: Night) -> frozenset[str]:
    """Everything that a person was called for and that still stands, each under its own name."""
    failed = {f"failed {step} {began}" for step, began in _failed(night)}
    asked = {f"secret {name}" for name in night.secrets_wanted}
    keys = {f"key {name} {shown.fingerprint}" for name, shown in night.keys_wanted.items()}
    opened = {f"gate {gate.gate}" for gate in night.gates.values() if gate.holds}
    return frozenset([*failed, *asked, *keys, *opened, *_of_the_stretch(night), *_copied(night)])


def _failed(night: Night) -> list[tuple[str, object]]:
    states = night.states.items()
    return [(step, state.began) for step, state in states if state.outcome == "failed"]


def _of_the_stretch(night: Night) -> list[str]:
    last = night.stretch
    aborted = last is not None and last.state == "aborted"
    said = [f"aborted {last.attempt}"] if last is not None and aborted else []
    stopped = night.writes_stopped
    return said if stopped is None else [*said, f"writes stopped: {stopped.why}"]


def _copied(night: Night) -> list[str]:
    return ["copied"] if night.plans.get("replication") and night.phase_done("replication") else []


def needs_a_person(night: Night) -> bool:
    """Nothing goes on until somebody does something."""
    asked = night.secrets_wanted or night.keys_wanted or night.writes_stopped
    return bool(asked or _failed(night))


def title(view: View) -> str:
    """The night and its state, in front a mark where a person is needed; without running figures:
    it is not to be written anew every second."""
    night = view.night
    if not view.open:
        return NAME
    profile, ground = profile_of(night), ground_of(night)
    named = f"{NAME} {profile.name if profile else night.name}".strip()
    word = " (rehearsal)" if ground == "rehearsal" else ""
    mark = "! " if needs_a_person(night) or view.lost else ""
    return printable(f"{mark}{named}{word}: {_state(view)}")


def printable(text: str) -> str:
    """Without what a terminal would take for an order."""
    return "".join(letter for letter in text if letter.isprintable())


def _state(view: View) -> str:
    night, last = view.night, view.night.stretch
    if view.lost and not night.ended:
        return "no engine is heard"
    if night.writes_stopped is not None:
        return "WRITES STOPPED"
    if last is not None and night.armed:
        return "WRITES PAUSED" if last.paused_at and not last.resumed_at else "ARMED"
    if night.keys_wanted:
        return "waiting for a host key to be compared"
    if night.secrets_wanted:
        return "waiting for a password"
    return _calm(night)


def _calm(night: Night) -> str:
    if night.ended:
        return "ended"
    failed = _failed(night)
    running = night.running()
    if running:
        return running[0].title + _share(night, running[0].id)
    if failed:
        step = night.steps.get(failed[0][0])
        return f"failed: {step.title if step else failed[0][0]}"
    if night.moved:
        return "moved"
    return BY_ID[night.current_phase()].title


def _share(night: Night, step: str) -> str:
    progress = night.progress.get(step)
    part = figures.share(progress.done, progress.total) if progress else None
    return "" if part is None else f" {part * 100:.0f} %"
