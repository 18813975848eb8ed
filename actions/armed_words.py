"""What the armed sequence says to the operator: what aborting would mean, and what is missing."""

from __future__ import annotations

from actions.armed_stages import Stretch
from profiles.errors import NightferryError


def named(text: str, stretch: Stretch) -> str:
    """A text with the names of this attempt's sides in it."""
    names = {"old": stretch.old.name, "new": stretch.new.name, "traffic": stretch.traffic.name}
    return text.format(**names)


def told(who: str, tried: str, error: BaseException) -> str:
    """An error in words: ours say everything themselves, of others all of it is added."""
    if isinstance(error, NightferryError):
        return str(error)
    kind = type(error).__name__
    return f"{who}: {tried}: " + (f"{kind}: {error}." if str(error) else f"{kind}.")


def aborting_means(stretch: Stretch, *, turned: bool) -> str:
    """What the abort key would do now."""
    if turned:
        return named("not possible any more: the writes belong to {new}", stretch)
    if stretch.paused_at_s is None:
        return "nothing is paused: the timers are taken away"
    return named("{old} is opened again, then clients go on there; no write is lost", stretch)


def missing(stretch: Stretch, who: str, *, turned: bool) -> str:
    """What WRITES STOPPED is waiting for; ``who`` does not do its part."""
    home = "{new}" if turned else "{old}"
    if who == stretch.traffic.name:
        return named(f"{{traffic}} has to lead clients to {home}", stretch)
    if turned:
        return named("{new} has to answer: it holds every write", stretch)
    return named("{old} has to answer: only it can say whether it may be opened again", stretch)


def choices(stretch: Stretch, who: str, *, turned: bool) -> tuple[str, ...]:
    """What the operator can do about it; the first one is always that we go on trying."""
    again = f"bring {who} back: it is tried again every second, and the rest goes by itself"
    if who == stretch.traffic.name:
        home = "{new}" if turned else "{old}"
        return (again, named(f"lead clients to {home} in another way", stretch))
    if turned:
        return (
            again,
            named("leave {old} closed: it misses nothing, yet only {new} may write", stretch),
        )
    return (again, *_without_the_old(stretch))


def _without_the_old(stretch: Stretch) -> tuple[str, ...]:
    if not stretch.drained:
        return (named("{new} misses writes that were acknowledged: it stays closed", stretch),)
    return (
        named(
            "if {old} will never answer again, keep it off and open {new} by hand: it has", stretch
        )
        + " every write up to the fence, but none since its timer may have opened it",
    )
