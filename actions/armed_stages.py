"""The armed sequence as a runbook, top to bottom: what each stage does, and by when.

It knows what a stage is, and not what happens when one fails: that is `actions.armed`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from actions.armed_protocols import Clock, NewServer, Observer, OldServer, Sequences, Traffic
from profiles.errors import EvidenceError
from profiles.events import StretchState

RESUME_LATER_S = 1.0
"""The poolers' timers fire this long after the old server's: resumed before it is open, a pooler
would hold every client off for its whole ``server_login_retry``."""

LOOK_AGAIN_S = 0.005
MARKER_POLL_S = 0.002


@dataclass
class Stretch:
    """One attempt: its four sides, its deadlines, and what it learns on the way."""

    old: OldServer
    new: NewServer
    traffic: Traffic
    clock: Clock
    observer: Observer
    whole_s: float = 10.0
    """Writes are paused no longer than this: then the old server's timer has undone it."""
    pause_s: float = 2.0
    """How long PAUSE may wait for open transactions."""
    preset: Sequences = field(default_factory=dict)
    """Where the new server's sequences stand already."""
    paused_at_s: float | None = None
    """When PAUSE was sent, by the clock."""
    resumed_at_s: float | None = None
    drained: bool = False
    """Every write from before the fence is on the new server."""
    holding_up: str = ""
    """What a stage is waiting for, in words."""


@dataclass(frozen=True)
class Stage:
    """One line of the checklist; ``act`` returns when it holds, and raises when it cannot."""

    name: str
    act: Callable[[Stretch], Awaitable[None]]
    deadline_s: float
    reaches: StretchState
    says: str
    """What holds once it is through; ``{old}``, ``{new}`` and ``{traffic}`` are the names."""
    where: str = "{old}"
    """Who answers for it."""


async def set_timers(stretch: Stretch) -> None:
    """From here on the deadline runs, and nothing depends on us to end."""
    await stretch.old.arm(stretch.whole_s)
    await stretch.traffic.place_timers(stretch.whole_s + RESUME_LATER_S)


async def pause(stretch: Stretch) -> None:
    """Clients wait from here on; not before the timers have been seen once more."""
    await stretch.observer.intent()
    await catch_up(stretch)
    await require_timers(stretch)
    stretch.paused_at_s = stretch.clock.now_s()
    await stretch.traffic.pause(stretch.pause_s)


async def catch_up(stretch: Stretch) -> None:
    """What is on its way now is waited for now, and not while clients wait."""
    await arrived(stretch, await stretch.old.mark())


async def require_timers(stretch: Stretch) -> None:
    """Raises EvidenceError unless every timer of this attempt is running."""
    for side in (stretch.old, stretch.traffic):
        if not await side.timers_stand():
            raise EvidenceError(side.name, "look for the timer that ends the pause", "not there")


async def fence(stretch: Stretch) -> None:
    """Nobody gets in, then nobody is left in."""
    await stretch.old.fence()
    while True:
        await stretch.old.expel()
        strangers = await stretch.old.strangers()
        stretch.holding_up = ", ".join(strangers)
        if not strangers:
            return
        await stretch.clock.sleep(LOOK_AGAIN_S)


async def drain(stretch: Stretch) -> None:
    """A marker written after the fence has arrived, and with it every write before it."""
    await arrived(stretch, await stretch.old.mark())
    stretch.drained = True


async def arrived(stretch: Stretch, marker: str) -> None:
    """Returns once the new server has this marker."""
    stretch.holding_up = f"the marker is not on {stretch.new.name}"
    while not await stretch.new.has(marker):
        await stretch.clock.sleep(MARKER_POLL_S)
    stretch.holding_up = ""


async def set_sequences(stretch: Stretch) -> None:
    """Those that have moved since they were preset, exactly where they stand now."""
    now = await stretch.old.sequences()
    moved = {name: value for name, value in now.items() if stretch.preset.get(name) != value}
    if moved:
        await stretch.new.set_sequences(moved)


async def turn(stretch: Stretch) -> None:
    """The last look at the fence's proof is the last act before the turn."""
    if strangers := await stretch.old.strangers():
        raise EvidenceError(stretch.old.name, "look at the fence again", ", ".join(strangers))
    if not await stretch.old.turn():
        raise EvidenceError(stretch.old.name, "win the turn", "it was aborted before")


async def open_new(stretch: Stretch) -> None:
    """The new server may be written to: the writes belong to it since the turn."""
    await stretch.new.open()


async def switch(stretch: Stretch) -> None:
    """Clients will be led to the new server."""
    await stretch.traffic.point()


async def resume(stretch: Stretch) -> None:
    """Clients go on."""
    await stretch.traffic.resume()
    stretch.resumed_at_s = stretch.clock.now_s()


async def prove(stretch: Stretch) -> None:
    """A client's write has been seen to arrive."""
    await stretch.traffic.prove()


BEFORE_THE_TURN = (
    Stage("timers", set_timers, 5.0, "armed", "the timers on {old} and {traffic} are running"),
    Stage("pause", pause, 5.0, "paused", "clients wait at {traffic}", where="{traffic}"),
    Stage("fence", fence, 3.0, "fenced", "nobody can write to {old}"),
    Stage("drain", drain, 5.0, "drained", "{new} has every write", where="{new}"),
    Stage(
        "sequences", set_sequences, 3.0, "sequences", "sequences stand as on {old}", where="{new}"
    ),
    Stage("turn", turn, 2.0, "turned", "the writes belong to {new}: from here only forward"),
)
"""Any failure of these undoes all of them."""

AFTER_THE_TURN = (
    Stage("open", open_new, 2.0, "opened", "{new} can be written to", where="{new}"),
    Stage("switch", switch, 5.0, "switched", "{traffic} leads to {new}", where="{traffic}"),
    Stage("resume", resume, 2.0, "resumed", "clients go on, on {new}", where="{traffic}"),
    Stage("prove", prove, 5.0, "moved", "a client's write has arrived on {new}", where="{traffic}"),
)
"""Each of these is tried until it holds; each may be done twice."""

STAGES = BEFORE_THE_TURN + AFTER_THE_TURN
