"""What a window may ask of the engine. Idempotent by id; refused, with the reason, when stale."""

from __future__ import annotations

from typing import Any

import msgspec

from profiles.events import Side
from profiles.secrets import MASK

PROTOCOL = 1


class Request(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", omit_defaults=True):
    """One request; ``seen_seq`` is the number of the last event the window had seen."""

    id: str
    seen_seq: int = 0


class Hello(Request, frozen=True, kw_only=True, tag="hello"):
    """The first line of a window: who it is, and which events it has already."""

    protocol: int = PROTOCOL
    watch: bool = False
    """Read-only: every later request but this one is refused."""
    after_seq: int = 0
    """Only events after this one are wanted."""


class Probe(Request, frozen=True, kw_only=True, tag="probe"):
    """Look: run the checks of a phase, and render its steps from what was found."""

    phase: str


class TryServer(Request, frozen=True, kw_only=True, tag="try-server"):
    """Say what is found of one server of a profile that is still being entered."""

    side: Side
    server: dict[str, Any]
    """As it would stand in the profile."""
    database: str
    """The one that moves; empty while it has not been entered."""


class ChangeProfile(Request, frozen=True, kw_only=True, tag="change-profile"):
    """Another profile for the night; refused once a step of it has begun."""

    profile: dict[str, Any]


class Confirm(Request, frozen=True, kw_only=True, tag="confirm"):
    """The operator typed a server's name: dangerous steps on it may run in this phase."""

    phase: str
    server: str


class RunStep(Request, frozen=True, kw_only=True, tag="run"):
    """Run a step, unless it already holds."""

    step: str


class RunPhase(Request, frozen=True, kw_only=True, tag="run-phase"):
    """Run the steps of a phase that are not settled, in order, until one fails."""

    phase: str
    steps: tuple[str, ...] = ()
    """Only these; empty: all but the optional ones that nobody has marked."""


class UndoStep(Request, frozen=True, kw_only=True, tag="undo"):
    """Take back what a step of ours has done; it is open again then."""

    step: str


class ChooseValue(Request, frozen=True, kw_only=True, tag="choose-value"):
    """Another value than the proposed one, for the step that would set it."""

    step: str
    value: str


class ByHand(Request, frozen=True, kw_only=True, tag="by-hand"):
    """I did it by hand: check that it holds."""

    step: str


class Skip(Request, frozen=True, kw_only=True, tag="skip"):
    """Leave a step out; the reason is journalled."""

    step: str
    reason: str


class Cancel(Request, frozen=True, kw_only=True, tag="cancel"):
    """Stop the step that runs now, on the server too."""


class Arm(Request, frozen=True, kw_only=True, tag="arm"):
    """Make everything ready that can be made ready before the pause; ``typed`` names the source."""

    typed: str
    by_hand: bool = False
    """One key a step, with a deadline of minutes."""


class Go(Request, frozen=True, kw_only=True, tag="go"):
    """The armed stretch: all of it, or its next step when armed by hand."""

    attempt: int


class Abort(Request, frozen=True, kw_only=True, tag="abort"):
    """Before the turn: undo and resume on the old server. Disarms when nothing is paused yet."""


class TellSecret(Request, frozen=True, kw_only=True, tag="tell-secret"):
    """What the operator typed for an "ask me" secret. Never becomes an event."""

    server: str
    value: str

    def __repr__(self) -> str:
        return f"TellSecret(id={self.id!r}, server={self.server!r}, value={MASK!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("id", self.id), ("server", self.server), ("value", MASK)]


class AcceptHostKey(Request, frozen=True, kw_only=True, tag="accept-host-key"):
    """The operator compared the key that a host shows, and found it to be the host's own."""

    server: str
    """The server or endpoint that stands on the host."""
    fingerprint: str


class EndNight(Request, frozen=True, kw_only=True, tag="end"):
    """The night is over: refused while a loose end is open."""


class Stop(Request, frozen=True, kw_only=True, tag="stop"):
    """End the engine; the night can be resumed."""


AnyRequest = (
    Hello
    | Probe
    | TryServer
    | ChangeProfile
    | Confirm
    | RunStep
    | RunPhase
    | UndoStep
    | ChooseValue
    | ByHand
    | Skip
    | Cancel
    | Arm
    | Go
    | Abort
    | TellSecret
    | AcceptHostKey
    | EndNight
    | Stop
)
