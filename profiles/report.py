"""The night as a Markdown page for the people who were asleep: a fold over its events.

Knows what the journal knows and asks no server; every cell passes the mask once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from profiles import events as ev
from profiles.findings import WORST_FIRST, Finding
from profiles.fold import Night, StepState, fold
from profiles.phases import PHASES
from profiles.secrets import masked
from profiles.steps import Step

Row = tuple[str, ...]


def report(events: Iterable[ev.Event]) -> str:
    """The whole report; times are UTC, durations carry their unit."""
    told = list(events)
    night = fold(told)
    parts = [
        _head(night),
        _servers(night),
        _found(night),
        _roads(night),
        _steps(night),
        _left_out(night),
        _in_doubt(night),
        _stretches(told),
        _loose_ends(night),
        _said(night),
    ]
    return "\n".join(part for part in parts if part)


def _head(night: Night) -> str:
    profile = night.profile
    lines = [
        f"Profile {profile.get('name', '?')}, route {profile.get('route', 'postgres-logical')}, "
        f"database {', '.join(profile.get('databases', [])) or '?'}.",
        f"Began {_time(night.began)}; the last event is of {_time(night.at)}.",
        *_changed(night),
        f"Outcome: {_outcome(night)}.",
        f"Nightferry {night.version or '?'}.",
    ]
    return f"# Night {night.name or '?'}\n\n" + "".join(f"- {_cell(line)}\n" for line in lines)


def _changed(night: Night) -> list[str]:
    if night.draft:
        return ["The profile was never whole."]
    changed = night.changed
    return [f"The profile is the one that was entered at {_time(changed)}."] if changed else []


def _outcome(night: Night) -> str:
    if night.writes_stopped:
        return f"WRITES STOPPED: {night.writes_stopped.why}"
    moved = "the traffic is on the new server" if night.moved else "the traffic was not moved"
    left = len(night.open_loose_ends())
    ended = "the night was ended" if night.ended else "the night was not ended"
    return f"{moved}; {ended}; {left} loose end{'s' * (left != 1)} open"


def _servers(night: Night) -> str:
    rows = []
    for role, server in _sides(night.profile):
        seen = night.servers.get(server.get("name", ""))
        rows.append(
            (
                str(server.get("name", "?")),
                role,
                f"{server.get('address', '?')}:{server.get('port', 5432)}",
                f"PostgreSQL {seen.version}" if seen else "never seen",
                f"{server.get('country', '?')}, {server.get('operated_by', '?')}",
            )
        )
    return _table("Servers", ("server", "role", "address", "version", "where, by whom"), rows)


def _sides(profile: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    sides = [(role, profile[role]) for role in ("source", "destination") if role in profile]
    return sides + [("standby", standby) for standby in profile.get("standbys", [])]


def _found(night: Night) -> str:
    worst_first = sorted(night.findings.values(), key=lambda each: WORST_FIRST.index(each.verdict))
    rows = [
        (each.verdict, each.check, _place(each), each.figure, _joined(each.says, each.todo))
        for each in worst_first
    ]
    return _table("What was found", ("verdict", "check", "where", "figure", "what it means"), rows)


def _place(finding: Finding) -> str:
    return "/".join(part for part in (finding.server, finding.database) if part)


def _roads(night: Night) -> str:
    """The hops of each road, as its newest probe saw them."""
    return "\n".join(_road(probed) for probed in night.roads.values())


def _road(probed: ev.Probed) -> str:
    rows = [
        (
            str(hop.ttl),
            hop.name or hop.address or "???",
            hop.standing,
            f"{hop.loss_percent:.1f} %",
            _ms(hop.avg_ms),
            _ms(hop.jitter_ms),
        )
        for hop in probed.hops
    ]
    heads = ("hop", "host", "standing", "loss", "average", "jitter")
    title = f"The road from {probed.origin} to {probed.target}"
    return _table(title, heads, rows, keep_empty=False)


def _ms(measured: float | None) -> str:
    return "" if measured is None else f"{measured:.1f} ms"


def _steps(night: Night) -> str:
    rows: list[Row] = []
    for step_id in _in_order(night):
        step, state = night.steps.get(step_id), night.state_of(step_id)
        rows.append(
            (
                step.title if step else step_id,
                step_id,
                _became(state),
                state.by or "",
                _time(state.began) if state.began else "",
                _took(state.duration_ms) if state.outcome else "",
                _joined(state.evidence, state.error),
            )
        )
        rows += [_meanwhile(said) for said in state.log]
    heads = ("step", "id", "outcome", "by", "began", "took", "evidence")
    return _table("Steps", heads, rows)


def _meanwhile(said: ev.LogSaid) -> Row:
    """A line of a log below the step, in the columns of its table."""
    what = f"in the log of {said.server} meanwhile"
    return (what, said.step or "", said.severity, "", _time(said.at), "", said.text)


def _in_order(night: Night) -> list[str]:
    """The planned steps, phase by phase, then those that ran without being in a plan."""
    planned = [step_id for phase in PHASES for step_id in night.plans.get(phase.id, ())]
    return list(dict.fromkeys([*planned, *night.states]))


def _became(state: StepState) -> str:
    return "running" if state.running else state.outcome or "not begun"


def _left_out(night: Night) -> str:
    skipped = [(key, state) for key, state in night.states.items() if state.outcome == "skipped"]
    rows = [
        (_title(night.steps.get(key), key), _joined(state.evidence, state.error) or "no reason")
        for key, state in skipped
    ]
    return _table("Left out", ("step", "reason"), rows, keep_empty=False)


def _in_doubt(night: Night) -> str:
    rows = [
        (_title(night.steps.get(key), key), _time(night.state_of(key).began))
        for key in night.in_doubt()
    ]
    return _table("In doubt", ("step", "began"), rows, keep_empty=False)


def _stretches(told: list[ev.Event]) -> str:
    """Every attempt at the armed stretch, and how long writes were paused in it."""
    rows, pauses = [], []
    for event in told:
        attempt = str(event.attempt or 0)
        if isinstance(event, ev.Armed):
            says = f"{event.direction}, deadline {event.deadline_s:g} s"
            rows.append((attempt, _time(event.at), "armed", "", says))
        elif isinstance(event, ev.StretchMoved):
            paused = "" if event.paused_ms is None else f"{event.paused_ms:.1f} ms"
            rows.append((attempt, _time(event.at), event.state, paused, event.says))
            if paused and event.state in ("resumed", "aborted"):
                pauses.append(f"\nAttempt {attempt}: writes were paused for {paused}.\n")
        elif isinstance(event, ev.LogSaid) and not event.step:
            says = f"in the log of {event.server} meanwhile: {event.text}"
            rows.append((attempt, _time(event.at), event.severity, "", says))
    table = _table("The pause", ("attempt", "at", "state", "since PAUSE", "what it says"), rows)
    return table + "".join(pauses)


def _loose_ends(night: Night) -> str:
    rows = []
    for end in night.loose_ends.values():
        state = f"settled {_time(end.settled)}" if end.settled else "OPEN"
        loose = end.loose_end
        rows.append((loose.what, loose.server, _time(end.opened), state, loose.settled_by))
    return _table("Loose ends", ("what", "server", "left", "state", "settled by"), rows)


def _said(night: Night) -> str:
    rows = [
        (_time(said.at), "trouble" if said.trouble else "note", said.text) for said in night.said
    ]
    return _table("What was said", ("at", "kind", "text"), rows, keep_empty=False)


def _table(title: str, heads: Row, rows: Sequence[Row], keep_empty: bool = True) -> str:
    if not rows:
        return f"## {title}\n\nNothing.\n" if keep_empty else ""
    lines = [heads, tuple("---" for _ in heads), *rows]
    body = "".join("| " + " | ".join(_cell(cell) for cell in line) + " |\n" for line in lines)
    return f"## {title}\n\n{body}"


def _cell(text: str) -> str:
    return " ".join(masked(text).split()).replace("|", "\\|")


def _joined(*texts: str) -> str:
    return " · ".join(text for text in texts if text)


def _title(step: Step | None, step_id: str) -> str:
    return f"{step.title} ({step_id})" if step else step_id


def _time(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC") if at else "?"


def _took(duration_ms: float) -> str:
    if duration_ms < 1000:
        return f"{duration_ms:.0f} ms"
    seconds = duration_ms / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
