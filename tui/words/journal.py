"""An event as one line of the journal screen."""

from __future__ import annotations

from profiles import events as ev
from profiles.fold import Night
from profiles.phases import BY_ID
from tui.words import figures
from tui.words.marks import severity_tone
from tui.words.text import Line, Span, Tone, clip, line


def journal_lines(night: Night, cells: int) -> list[Line]:
    """The newest events kept, oldest first, one line each."""
    return [clip(event_line(event), cells) for event in night.told]


def event_line(event: ev.Event) -> Line:
    """``03:12:44  step ended  slot made: slot nightferry exists``"""
    tone, kind, said = _told(event)
    clean = said.replace("\n", " ")
    by = f" ({event.by})" if event.by else ""
    return line(Span(f"{event.at:%H:%M:%S}  ", "dim"), Span(f"{kind:<14}", tone), clean + by)


def _told(event: ev.Event) -> tuple[Tone, str, str]:
    match event:
        case ev.StepBegan():
            return "note", "begin", event.step or ""
        case ev.StepEnded():
            said = event.error or event.evidence
            word = f"{event.step}: {event.outcome}"
            tone: Tone = "stop" if event.outcome == "failed" else "pass"
            return tone, "end", f"{word}: {said}" if said else word
        case ev.CommandRan():
            sign = "" if event.ok else "✗ "
            answer = f" → {event.answer}" if event.answer else ""
            return "dim", "ran", f"{sign}{event.text}{answer}"
        case ev.LogSaid():
            tone = severity_tone([event.severity])
            return tone, "log", f"{event.server}: {event.severity}: {event.text}"
        case ev.Found():
            found = event.finding
            return found.verdict, "found", f"{found.verdict}: {found.figure}"
        case ev.LooseEndOpened():
            return "warn", "loose end", f"{event.loose_end.what} on {event.loose_end.server}"
        case ev.LooseEndSettled():
            return "pass", "settled", event.id
        case ev.Said():
            return "warn" if event.trouble else "note", "said", event.text
        case _:
            return _told_of_the_night(event)


def _told_of_the_night(event: ev.Event) -> tuple[Tone, str, str]:
    match event:
        case ev.NightBegan():
            return "strong", "night began", f"version {event.version}"
        case ev.ProfileChanged():
            return "strong", "profile", f"it is another one now: {event.profile.get('name', '?')}"
        case ev.EngineStarted():
            again = "again" if event.resumed else "anew"
            return "note", "engine", f"started {again}, process {event.pid}"
        case ev.EngineStopped():
            return "warn", "engine", f"stopped: {event.reason}"
        case ev.ServerSeen():
            size = figures.size(event.size_bytes)
            return "pass", "server", f"{event.server}: {event.version}, {size}"
        case ev.ChecksBegan():
            return "dim", "looking", _title(event.phase)
        case ev.ChecksEnded():
            took = figures.milliseconds(event.duration_ms)
            return "dim", "looked", f"{_title(event.phase)} in {took}"
        case ev.Planned():
            return "dim", "planned", f"{_title(event.phase)}: {len(event.steps)} steps"
        case ev.Confirmed():
            return "note", "confirmed", f"{event.server} typed for {_title(event.phase)}"
        case ev.NightEnded():
            return "strong", "night ended", f"report: {event.report}"
        case _:
            return _told_of_the_stretch(event)


def _told_of_the_stretch(event: ev.Event) -> tuple[Tone, str, str]:
    match event:
        case ev.GateRead():
            word = "holds" if event.holds else "does not hold"
            return "note", "gate", f"{event.gate}: {event.figure}, {word}"
        case ev.Armed():
            return "warn", "armed", f"attempt {event.attempt}, {len(event.roles)} roles"
        case ev.StretchMoved():
            paused = "" if event.paused_ms is None else f", {event.paused_ms:.0f} ms paused"
            said = f": {event.says}" if event.says else ""
            return "warn", event.state, f"attempt {event.attempt}{paused}{said}"
        case ev.WritesStopped():
            return "stop", "WRITES STOPPED", f"{event.why}; missing: {event.missing}"
        case ev.SecretAsked():
            return "note", "asked", event.prompt
        case ev.Sampled():
            behind = figures.size(event.behind_bytes)
            return "dim", "sample", f"behind {behind}, {figures.seconds(event.behind_s)}"
        case ev.HostSampled():
            return "dim", "host", event.trouble or _host(event)
        case ev.Probed():
            return "note", "probed", f"{event.origin} → {event.target}: {len(event.hops)} hops"
        case ev.UnknownEvent():
            return "unknown", "unknown", f"an event of another version: {event.was}"
        case _:
            return "dim", str(event.__struct_config__.tag), ""


def _host(event: ev.HostSampled) -> str:
    shares = (("busy", event.busy_percent), ("stolen", event.steal_percent))
    words = [f"{share:.0f} % {what}" for what, share in shares if share is not None]
    words += [] if event.await_ms is None else [f"{event.await_ms:.1f} ms a write"]
    return f"{event.server}: {', '.join(words) or 'nothing to be seen'}"


def _title(phase: str) -> str:
    return BY_ID[phase].title if phase in BY_ID else phase
