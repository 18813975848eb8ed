"""Marks and their words: a verdict or an outcome is never told by colour alone."""

from __future__ import annotations

from collections.abc import Iterable

from profiles.findings import Verdict
from profiles.fold import Night, StepState
from profiles.phases import Phase
from tui.words.text import Span, Tone

VERDICTS: dict[Verdict, str] = {
    "pass": "✓",
    "note": "·",
    "warn": "!",
    "stop": "✗",
    "unknown": "?",
}
OUTCOMES: dict[str, tuple[str, Tone]] = {
    "done": ("✓", "pass"),
    "already": ("✓", "pass"),
    "by-hand": ("✓", "pass"),
    "skipped": ("–", "note"),
    "failed": ("✗", "stop"),
    "in-doubt": ("?", "unknown"),
    "undone": ("–", "warn"),
}
OUTCOME_WORDS = {
    "already": "held already",
    "by-hand": "done by hand",
    "in-doubt": "in doubt",
    "undone": "undone",
}
SEVERITIES: dict[str, Verdict] = {"WARNING": "warn"}
"""What a server calls it, where that is no error."""
RUNNING = "●"
CURSOR = "▸"


def verdict(of: Verdict) -> Span:
    """Mark and word of a verdict: ``✗ stop``."""
    return Span(f"{VERDICTS[of]} {of}", of)


def severity(of: str) -> Span:
    """Mark and word of a line in a server's log, in the server's own word: ``! WARNING``."""
    tone = severity_tone([of])
    return Span(f"{VERDICTS[tone]} {of}", tone)


def severity_tone(of: Iterable[str]) -> Verdict:
    """The tone of the worst of them."""
    found = {SEVERITIES.get(each, "stop") for each in of}
    return "stop" if "stop" in found else "warn"


def step_mark(state: StepState) -> Span:
    """The one-cell mark of a step."""
    if state.running:
        return Span(RUNNING, "note")
    if state.outcome is None:
        return Span(" ")
    return Span(*OUTCOMES[state.outcome])


def step_word(state: StepState) -> str:
    """What became of a step, in a word; empty when it has not begun."""
    if state.running:
        return "running"
    return "" if state.outcome is None else OUTCOME_WORDS.get(state.outcome, state.outcome)


def phase_mark(night: Night, phase: Phase, here: str) -> Span:
    """The rail's mark of a phase: where we are, what it found, or that nobody looked."""
    if phase.id == here:
        return Span(CURSOR, "strong")
    if phase.id == "sessions":
        return Span("✓", "pass") if night.profile else Span(" ")
    if any(night.state_of(step.id).running for step in night.plan(phase.id)):
        return Span(RUNNING, "note")
    worst = night.verdict(phase.id)
    if worst in ("stop", "unknown", "warn"):
        return Span(VERDICTS[worst], worst)
    return Span("✓", "pass") if night.phase_done(phase.id) else Span(" ")
