"""One thing that happened, immutable, numbered, timed in UTC; journal and windows speak in these.

``WINDOW_ONLY`` events are not journalled (a thinned copy of samples is); an unknown kind is kept as
it came.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from profiles.findings import Finding
from profiles.machine import HostSeen, Proposal
from profiles.steps import LooseEnd, Outcome, Step

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Side = Literal["source", "destination"]


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", omit_defaults=True):
    """What every event has; the engine numbers and times it as it is published."""

    seq: int = 0
    at: datetime = EPOCH
    night: str = ""
    database: str | None = None
    server: str | None = None
    step: str | None = None
    attempt: int | None = None
    by: str | None = None
    """``wizard``, ``hand`` or ``engine``."""
    request: str | None = None


class NightBegan(Event, frozen=True, kw_only=True, tag="night-began"):
    """The first event of a journal: the profile as it was chosen, without a secret."""

    profile: dict[str, Any]
    version: str
    draft: bool = False
    """It is only begun: servers are tried as it is entered, and nothing else can be done."""


class ProfileChanged(Event, frozen=True, kw_only=True, tag="profile-changed"):
    """From here on the night is another one: what was found before, was found of other servers."""

    profile: dict[str, Any]


class Tried(Event, frozen=True, kw_only=True, tag="tried"):
    """A server was tried as it was entered. For the windows only."""

    side: Side
    entered: dict[str, Any]
    """As it would stand in the profile."""
    moving: str
    """The database that moves."""
    findings: tuple[Finding, ...]


class EngineStarted(Event, frozen=True, kw_only=True, tag="engine-started"):
    """An engine took the journal's lock."""

    pid: int
    resumed: bool = False
    torn: int = 0
    """Bytes of a torn last line that were cut off."""


class EngineStopped(Event, frozen=True, kw_only=True, tag="engine-stopped"):
    """An engine ended in an orderly way."""

    reason: str


class ServerSeen(Event, frozen=True, kw_only=True, tag="server-seen"):
    """A server let us in: what it is."""

    version: str
    """``16.14``"""
    version_num: int
    size_bytes: int = 0


class HostLooked(Event, frozen=True, kw_only=True, tag="host-looked"):
    """The host under a server was looked at."""

    seen: HostSeen


class Proposed(Event, frozen=True, kw_only=True, tag="proposed"):
    """What the settings of both hosts and servers should be; replaces what was proposed before."""

    proposals: tuple[Proposal, ...]
    skipped: tuple[str, ...] = ()
    """What is not proposed, and why."""


class Chosen(Event, frozen=True, kw_only=True, tag="chosen"):
    """The operator wants another value than the one that was proposed."""

    value: str


class ChecksBegan(Event, frozen=True, kw_only=True, tag="checks-began"):
    """The checks of a phase were started."""

    phase: str


class Found(Event, frozen=True, kw_only=True, tag="found"):
    """A check has an answer."""

    finding: Finding


class ChecksEnded(Event, frozen=True, kw_only=True, tag="checks-ended"):
    """The checks of a phase are through."""

    phase: str
    duration_ms: float
    cut_short: str = ""
    """Why they were ended before: then nobody has looked at the phase."""


class Planned(Event, frozen=True, kw_only=True, tag="planned"):
    """The steps of a phase, as rendered from what was found; replaces an earlier plan of it."""

    phase: str
    steps: tuple[Step, ...]


class Confirmed(Event, frozen=True, kw_only=True, tag="confirmed"):
    """The operator typed a server's name for the dangerous steps of a phase."""

    phase: str


class StepBegan(Event, frozen=True, kw_only=True, tag="step-began"):
    """The intent: on disk before the first command runs."""


class CommandRan(Event, frozen=True, kw_only=True, tag="command-ran"):
    """One command of a step was run; ``text`` is the filled one, secrets masked."""

    index: int
    text: str
    answer: str = ""
    ok: bool = True
    duration_ms: float = 0.0


class StepEnded(Event, frozen=True, kw_only=True, tag="step-ended"):
    """What became of a step, and by what evidence."""

    outcome: Outcome
    evidence: str = ""
    error: str = ""
    duration_ms: float = 0.0


class LogSaid(Event, frozen=True, kw_only=True, tag="log-said"):
    """A warning, or worse, that came into a server's log meanwhile, whoever caused it.

    Of a step, or, with an attempt and no step, of the armed stretch.
    """

    severity: str
    """``WARNING``, ``ERROR``, ``FATAL`` or ``PANIC``"""
    text: str


class LooseEndOpened(Event, frozen=True, kw_only=True, tag="loose-end-opened"):
    """Something temporary is about to be left on a server."""

    loose_end: LooseEnd


class LooseEndSettled(Event, frozen=True, kw_only=True, tag="loose-end-settled"):
    """It is gone, by the evidence of the step that settled it."""

    id: str


class GateRead(Event, frozen=True, kw_only=True, tag="gate-read"):
    """A gate was looked at; journalled when it opens or closes."""

    gate: str
    holds: bool
    figure: str
    held_s: float = 0.0
    turned: bool = False
    """It has just opened or closed."""


class Sampled(Event, frozen=True, kw_only=True, tag="sampled"):
    """One reading of the replication."""

    behind_bytes: int | None = None
    behind_s: float | None = None
    """By a heartbeat that travelled; None when none has arrived yet."""
    write_rate: float | None = None
    """Bytes of WAL a second on the source."""
    apply_rate: float | None = None
    """Bytes of WAL a second confirmed by the destination."""
    retained_bytes: int | None = None
    wal_status: str | None = None
    caught_up_in_s: float | None = None
    trouble: str = ""
    """Why there is no figure, or what is wrong with the replication, in the server's words."""
    thinned: bool = False


class HostSampled(Event, frozen=True, kw_only=True, tag="host-sampled"):
    """One reading of the host under ``server``; None where there was nothing to be seen."""

    busy_percent: float | None = None
    steal_percent: float | None = None
    """Of the processors' time."""
    iowait_percent: float | None = None
    await_ms: float | None = None
    """What a write took on the disk with the data; None while there was none."""
    trouble: str = ""
    """Why there is no reading."""
    thinned: bool = False


class Progressed(Event, frozen=True, kw_only=True, tag="progressed"):
    """How far something that takes long has come."""

    what: str
    done: int
    total: int | None = None
    unit: str = "rows"
    detail: str = ""


class ProbedHop(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What answers at one TTL; round trips in milliseconds, None where nothing came back."""

    ttl: int
    mode: str = ""
    """The kind of probe it answers to, where that is not the one of the whole probe."""
    address: str | None = None
    name: str | None = None
    loss_percent: float = 0.0
    sent: int = 0
    last_ms: float | None = None
    avg_ms: float | None = None
    best_ms: float | None = None
    worst_ms: float | None = None
    stdev_ms: float | None = None
    jitter_ms: float | None = None
    """The mean change from one round trip to the next."""
    standing: Literal["fine", "silent", "limited", "lossy", "unclear"] = "fine"
    """``limited``: it answers only some probes, and passes on what goes further."""
    target: bool = False


THIS_MACHINE = "this machine"
"""The one the engine runs on, as the origin of a probe."""


class Probed(Event, frozen=True, kw_only=True, tag="probed"):
    """How far a probe of a road has come; the last of a probe is journalled."""

    phase: str
    origin: str
    """The server on whose host it runs, or `THIS_MACHINE`."""
    target: str
    """``host:port``"""
    leads_to: str = ""
    """What that is, in words: ``database port of db-old``."""
    mode: str = ""
    """``tcp``, ``udp`` or ``icmp``; empty while the hops are looked for."""
    cycle: int = 0
    cycles: int = 0
    hops: tuple[ProbedHop, ...] = ()
    final: bool = False


StretchState = Literal[
    "arming",
    "armed",
    "paused",
    "fenced",
    "drained",
    "sequences",
    "turned",
    "opened",
    "switched",
    "resumed",
    "moved",
    "aborting",
    "aborted",
    "disarmed",
    "stopped",
]
"""``moved`` and ``aborted`` end a stretch; ``stopped`` is WRITES STOPPED."""


class Armed(Event, frozen=True, kw_only=True, tag="armed"):
    """Everything is ready for the pause; what a restarted engine needs to finish or undo it."""

    direction: Literal["forward", "back"]
    roles: tuple[str, ...]
    """The application roles that could log in: fenced on the old server, opened on the new one."""
    may_still_write: tuple[str, ...]
    deadline_s: float
    by_hand: bool = False


class StretchMoved(Event, frozen=True, kw_only=True, tag="stretch-moved"):
    """The armed stretch came one state further."""

    state: StretchState
    paused_ms: float | None = None
    """Since PAUSE was sent."""
    says: str = ""
    aborting_means: str = ""
    """What the abort key would do now."""


class WritesStopped(Event, frozen=True, kw_only=True, tag="writes-stopped"):
    """No server that holds every acknowledged write can be opened now: why, and the choices."""

    why: str
    missing: str
    choices: tuple[str, ...]


class SecretAsked(Event, frozen=True, kw_only=True, tag="secret-asked"):
    """A secret is held by nobody: the operator is asked for it."""

    prompt: str


class HostKeyAsked(Event, frozen=True, kw_only=True, tag="host-key-asked"):
    """A host that nobody knows yet shows this key: the operator compares it, and accepts it."""

    fingerprint: str
    """``SHA256:…``, as ssh-keygen -lf prints it."""
    prompt: str


class HostKeyAccepted(Event, frozen=True, kw_only=True, tag="host-key-accepted"):
    """The operator has compared the key; it is in known_hosts now."""

    fingerprint: str


class Refused(Event, frozen=True, kw_only=True, tag="refused"):
    """A request was not carried out; sent only to the window that asked."""

    why: str


class Said(Event, frozen=True, kw_only=True, tag="said"):
    """Something the operator should read, that is no finding and no step."""

    text: str
    trouble: bool = False


class NightEnded(Event, frozen=True, kw_only=True, tag="night-ended"):
    """No loose end is open and the operator has ended the night."""

    report: str


class UnknownEvent(Event, frozen=True, kw_only=True, tag="unknown"):
    """An event of a kind this version does not know, as it came."""

    was: str
    raw: dict[str, Any]


AnyEvent = (
    NightBegan
    | ProfileChanged
    | Tried
    | EngineStarted
    | EngineStopped
    | ServerSeen
    | HostLooked
    | Proposed
    | Chosen
    | ChecksBegan
    | Found
    | ChecksEnded
    | Planned
    | Confirmed
    | StepBegan
    | CommandRan
    | StepEnded
    | LogSaid
    | LooseEndOpened
    | LooseEndSettled
    | GateRead
    | Sampled
    | HostSampled
    | Progressed
    | Probed
    | Armed
    | StretchMoved
    | WritesStopped
    | SecretAsked
    | HostKeyAsked
    | HostKeyAccepted
    | Refused
    | Said
    | NightEnded
    | UnknownEvent
)

WINDOW_ONLY = (Sampled, HostSampled, Progressed, Probed, GateRead, Refused, Tried)
"""Not journalled, but for what `is_journalled` lets through."""


def is_journalled(event: Event) -> bool:
    """Whether it goes to the journal too: of samples the thinned, of gates those that turn,
    of a probe the last."""
    match event:
        case Sampled() | HostSampled():
            return event.thinned
        case GateRead():
            return event.turned
        case Probed():
            return event.final
        case _:
            return not isinstance(event, WINDOW_ONLY)


_decoder = msgspec.json.Decoder(AnyEvent)


def encode(event: Event) -> bytes:
    """One line of JSON, without its line end."""
    return msgspec.json.encode(event)


def decode(line: bytes) -> Event:
    """The event of one line; an unknown kind becomes an `UnknownEvent` that keeps it as it came.

    Raises msgspec.MsgspecError when the line is not an event at all.
    """
    try:
        event: Event = _decoder.decode(line)
    except msgspec.ValidationError:
        return _as_it_came(msgspec.json.decode(line, type=dict[str, Any]))
    return event


def _as_it_came(raw: dict[str, Any]) -> UnknownEvent:
    common = {name: raw[name] for name in Event.__struct_fields__ if name in raw}
    unknown = {**common, "kind": "unknown", "was": raw.get("kind"), "raw": raw}
    return msgspec.convert(unknown, UnknownEvent)
