"""What was asked of the engine, in words, for as long as it says nothing. Never a typed secret."""

from __future__ import annotations

from profiles import requests as rq
from profiles.fold import Night
from profiles.phases import BY_ID

OTHERS: dict[str, str] = {
    "confirm": "to take the name",
    "cancel": "to cancel",
    "arm": "to arm",
    "go": "to go on",
    "abort": "to abort",
    "tell-secret": "to take the password",
    "accept-host-key": "to take the host key",
    "choose-value": "to take the value",
    "change-profile": "to take the profile",
    "end": "to end the night",
    "stop": "to stop",
}
"""By the request's tag."""


def asked(night: Night, request: rq.Request) -> str:
    """``waiting for the engine to look at Preflight``."""
    return f"waiting for the engine {_what(night, request)}"


def _what(night: Night, request: rq.Request) -> str:
    match request:
        case rq.Probe(phase=phase):
            return f"to look at {_title(phase)}"
        case rq.RunPhase(phase=phase):
            return f"to run {_title(phase)}"
        case rq.TryServer(side=side):
            return f"to try the {side}"
        case rq.RunStep(step=step):
            return f"to run: {_step(night, step)}"
        case rq.UndoStep(step=step):
            return f"to take back: {_step(night, step)}"
        case rq.ByHand(step=step):
            return f"to check: {_step(night, step)}"
        case rq.Skip(step=step):
            return f"to leave out: {_step(night, step)}"
        case _:
            return OTHERS.get(str(request.__struct_config__.tag), "to answer")


def _title(phase: str) -> str:
    return BY_ID[phase].title if phase in BY_ID else phase


def _step(night: Night, step: str) -> str:
    known = night.steps.get(step)
    return known.title if known else step
