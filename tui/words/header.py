"""The header: who and where on its first line, the one thing that matters on its second."""

from __future__ import annotations

from datetime import datetime

from profiles.fold import Night, Stretch
from profiles.phases import BY_ID
from profiles.profile import Profile, Server
from tui.words import figures
from tui.words.checklist import closed_gates
from tui.words.text import Line, Span, clip, fill, line, shorten, width
from tui.words.view import View, ground_of, profile_of, version_of

NAME = "nightferry"
ALONE = (
    "no tmux: a dropped line does not matter, the night goes on ",
    "no tmux: a drop does not matter ",
)
"""The longest that there is room for."""
BETWEEN = 3
DEFAULT_PORT = 5432
"""Left out where there is little room."""


def identity(view: View, cells: int) -> Line:
    """The session, source → destination with their versions, and the UTC clock."""
    clock = figures.clock(view.now)
    profile, ground = profile_of(view.night), ground_of(view.night)
    if profile is None or ground is None:
        name = view.night.name or ("connecting" if view.open else "no night chosen")
        band = line(" ", Span(f" {ground.upper()} ", ground)) if ground else ()
        return _spread(line(*band, " ", Span(NAME, "strong"), f"  {name}"), line(), clock, cells)
    band = line(Span(f" {ground.upper()} ", ground))
    watching = line(Span(" watching only ", "note")) if view.watch else line()
    for names, whole in ((40, True), (24, False), (15, False), (10, False)):
        head = f"{NAME}  " if whole else ""
        left = line(" ", *band, *watching, " ", Span(head, "dim"))
        left += line(Span(shorten(profile.name, names), "strong"))
        between = _servers(view.night, profile, names, whole)
        if width(left) + width(between) + len(clock) + 4 <= cells:
            break
    return _spread(left, between, clock, cells)


def _spread(left: Line, between: Line, clock: str, cells: int) -> Line:
    right = fill((*left, Span("  "), *between), cells - len(clock) - 2)
    return fill((*right, Span(f" {clock} ")), cells)


def _servers(night: Night, profile: Profile, cells: int, whole: bool) -> Line:
    def one(server: Server) -> str:
        port = f":{server.port}" if whole or server.port != DEFAULT_PORT else ""
        return f"{version_of(night, server)} {shorten(server.name, max(cells - 4, 6))}{port}"

    return line(f"{one(profile.source)} → {one(profile.destination)}")


def state(view: View, cells: int) -> Line:
    """The one line that matters, over the whole width; a band of its own while armed."""
    night = view.night
    if view.lost and not night.ended:
        since = f" since {figures.clock(night.at)}" if night.seq else ""
        return fill(line(Span(f" ! no engine is heard{since}: {view.lost}", "warn")), cells)
    if night.writes_stopped is not None:
        said = f" WRITES STOPPED: {night.writes_stopped.why}"
        return fill(line(Span(said, "alarm")), cells, "alarm")
    if night.stretch is not None and night.armed:
        return armed(night.stretch, view.now, cells, view.waiting)
    calm = line(" ", Span(view.waiting or calm_state(view), "strong"))
    return _beside(clip(calm, cells), _alone(view, cells - width(calm)), cells)


def _beside(said: Line, aside: str, cells: int) -> Line:
    """The state, and at the right end what does not matter."""
    return (*fill(said, cells - len(aside)), Span(aside, "dim")) if aside else fill(said, cells)


def _alone(view: View, room: int) -> str:
    """Nobody holds this terminal over a drop, and nobody has to."""
    if not view.alone or not view.open or view.night.ended:
        return ""
    return next((said for said in ALONE if len(said) + BETWEEN <= room), "")


def armed(stretch: Stretch, now: datetime, cells: int, waiting: str = "") -> Line:
    """The armed line: what is paused, for how long of how long, and what aborting means now."""
    more = f"   {waiting}" if waiting else ""
    if stretch.state == "arming":
        said = f" ARMING, nothing paused yet   a Disarm{more}"
        return fill(line(Span(said, "armed")), cells, "armed")
    if stretch.state == "armed":
        keys = "G Next step   a Disarm" if stretch.armed.by_hand else "g Go   a Disarm"
        said = f" ARMED, nothing paused yet   {keys}{more}"
        return fill(line(Span(said, "armed")), cells, "armed")
    means = stretch.aborting_means
    if stretch.state == "aborting":
        means = means or "aborting: resuming on the old server"
    elif not stretch.turned:
        means = f"a Abort: {means or 'resume on the old server'}"
    spent = f"{paused_s(stretch, now):.2f} s of {stretch.armed.deadline_s:.0f} s"
    word = "writes flow again, they were paused" if stretch.resumed_at else "WRITES PAUSED"
    return fill(line(Span(f" {word} {spent}   {means}{more}", "alarm")), cells, "alarm")


def paused_s(stretch: Stretch, now: datetime) -> float:
    """For how many seconds writes were, or have been, paused: the clock's while it lasts."""
    told = (stretch.paused_ms or 0.0) / 1000
    if stretch.resumed_at is not None or stretch.paused_at is None:
        return told
    return max(told, (now - stretch.paused_at).total_seconds())


def calm_state(view: View) -> str:
    """The line of state while nothing is armed."""
    night = view.night
    if not view.open:
        return "choose a night, or begin one"
    if not night.seq:
        return "listening to the engine"
    for said in (_over(night), _in_doubt(night), _running(view), _looking(night), _asked(night)):
        if said:
            return said
    return _waiting(night)


def _over(night: Night) -> str:
    return "the night has ended; every loose end is settled" if night.ended else ""


def _in_doubt(night: Night) -> str:
    doubts = night.in_doubt()
    if not doubts:
        return ""
    more = f" and {len(doubts) - 1} more" if len(doubts) > 1 else ""
    return f"in doubt: {doubts[0]}{more}: run it again, it looks before it acts"


def _running(view: View) -> str:
    running = view.night.running()
    if not running:
        return ""
    step = running[0]
    progress = view.night.progress.get(step.id)
    if progress is None:
        began = view.night.state_of(step.id).began
        since = figures.seconds((view.now - began).total_seconds()) if began else ""
        return f"running: {step.title} · {since}"
    part = figures.share(progress.done, progress.total)
    rest = figures.left(part, view.night.state_of(step.id).began, view.night.at)
    said = f"running: {step.title} · {figures.progress(progress)}"
    return f"{said} · {rest}" if rest else said


def _looking(night: Night) -> str:
    names = [BY_ID[phase].title for phase in sorted(night.looking) if phase in BY_ID]
    return f"looking: {', '.join(names)}" if names else ""


def _asked(night: Night) -> str:
    if night.keys_wanted:
        return f"waiting for a host key to be compared: {', '.join(night.keys_wanted)}"
    names = ", ".join(night.secrets_wanted)
    return f"waiting for a password: {names}" if names else ""


def _waiting(night: Night) -> str:
    if night.draft:
        return "the profile is being entered; ctrl+s in its form saves it"
    if night.moved and night.stretch is not None:
        figure = f"{(night.stretch.paused_ms or 0) / 1000:.2f} s"
        return f"moved; writes were paused {figure} · loose ends {len(night.open_loose_ends())}"
    phase = night.current_phase()
    if phase == "cutover":
        return _cutover_state(night)
    stops = sum(found.verdict == "stop" for found in night.findings_of(phase))
    title = BY_ID[phase].title
    return f"{title}: {stops} × ✗ stop in the way" if stops else f"next: {title}"


def _cutover_state(night: Night) -> str:
    shut = closed_gates(night)
    last = night.stretch
    if last is not None and last.state == "aborted":
        figure = f"{(last.paused_ms or 0) / 1000:.2f} s"
        return f"aborted: on the old server; writes were paused {figure}"
    return f"waiting for the gate: {shut[0]}" if shut else "ready to cut over"
