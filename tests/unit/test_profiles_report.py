"""The report: what happened in the night, from its events alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from profiles import events as ev
from profiles.findings import Finding
from profiles.report import report
from profiles.steps import LooseEnd, Step

START = datetime(2026, 3, 1, 1, 0, tzinfo=UTC)
SLOT, ROLE, INDEX, TURN, FIREWALL = "slot@old/d", "role@old", "index@new/d", "turn@old/d", "fw@new"
SLOT_END = LooseEnd(id="slot", server="old", what="slot nightferry", settled_by="settle-slot@old/d")
ROLE_END = LooseEnd(id="role", server="old", what="role nightferry_repl", settled_by="x@old")
PROFILE: dict[str, Any] = {
    "name": "orders",
    "route": "postgres-logical",
    "databases": ["d"],
    "source": {"name": "old", "address": "db1", "country": "CH", "operated_by": "A | B"},
    "destination": {
        "name": "new",
        "address": "db2",
        "port": 5433,
        "country": "DE",
        "operated_by": "C",
    },
    "standbys": [{"name": "replica", "address": "db3", "country": "CH", "operated_by": "A"}],
}


def planned(phase: str, *ids: str) -> ev.Planned:
    steps = tuple(Step(id=step_id, phase=phase, title=f"Title of {step_id}") for step_id in ids)
    return ev.Planned(phase=phase, steps=steps)


def found(check: str, verdict: Any, **more: Any) -> ev.Found:
    finding = Finding(check=check, phase="preflight", verdict=verdict, figure="figure", **more)
    return ev.Found(finding=finding)


def ended(step_id: str, outcome: Any, **more: Any) -> ev.StepEnded:
    return ev.StepEnded(step=step_id, outcome=outcome, **more)


def numbered(*events: ev.Event) -> list[ev.Event]:
    """The events as an engine would have numbered and timed them, a second apart."""
    told = []
    for number, event in enumerate(events, start=1):
        values = {name: getattr(event, name) for name in event.__struct_fields__}
        values |= {"seq": number, "at": START + timedelta(seconds=number), "night": "orders-1"}
        told.append(type(event)(**values))
    return told


NIGHT = numbered(
    ev.NightBegan(profile=PROFILE, version="0.1.0"),
    ev.EngineStarted(pid=1),
    ev.ServerSeen(server="old", version="16.14", version_num=160014),
    ev.ServerSeen(server="new", version="18.4", version_num=180004),
    found("pg.fine", "pass", server="old"),
    found("pg.bad", "stop", server="old", database="d", says="It breaks.", todo="Mend it."),
    found("pg.odd", "warn"),
    planned("replication", ROLE, SLOT, INDEX),
    ev.StepBegan(step=ROLE, by="wizard"),
    ev.LooseEndOpened(loose_end=ROLE_END),
    ev.CommandRan(step=ROLE, index=0, text="CREATE ROLE"),
    ended(ROLE, "done", evidence="the role exists, password='hunter2'", duration_ms=12.4),
    ev.StepBegan(step=SLOT, by="hand"),
    ev.LooseEndOpened(loose_end=SLOT_END),
    ended(SLOT, "by-hand", evidence="slot exists", duration_ms=75_400.0),
    ended(INDEX, "skipped", evidence="no time for it tonight", by="wizard"),
    ev.StepBegan(step=FIREWALL, by="wizard"),
    ev.EngineStarted(pid=2, resumed=True),
    ev.Armed(attempt=1, direction="forward", roles=("app",), may_still_write=(), deadline_s=10.0),
    ev.StretchMoved(attempt=1, state="paused", paused_ms=0.4),
    ev.StretchMoved(attempt=1, state="aborted", paused_ms=512.0, says="the pool did not pause"),
    ev.Armed(attempt=2, direction="forward", roles=("app",), may_still_write=(), deadline_s=10.0),
    ev.StretchMoved(attempt=2, state="paused", paused_ms=0.4),
    ev.StretchMoved(attempt=2, state="resumed", paused_ms=18.25),
    ev.StretchMoved(attempt=2, state="moved", paused_ms=3000.0),
    ev.LooseEndSettled(id="slot"),
    ev.Said(text="A client is\nstill there", trouble=True),
)


def section(text: str, title: str) -> list[str]:
    """The lines of one section of the report."""
    _, _, rest = text.partition(f"## {title}\n\n")
    assert rest, f"no section {title}"
    return rest.partition("\n## ")[0].strip().splitlines()


@pytest.fixture(scope="module")
def page() -> str:
    return report(NIGHT)


def test_the_head_says_what_when_and_how_it_went(page: str) -> None:
    assert page.startswith(
        "# Night orders-1\n\n- Profile orders, route postgres-logical, database d."
    )
    assert "Began 2026-03-01 01:00:01 UTC" in page
    assert "the traffic is on the new server; the night was not ended; 1 loose end open" in page


def test_the_servers_have_their_versions_and_places(page: str) -> None:
    lines = section(page, "Servers")
    assert "| old | source | db1:5432 | PostgreSQL 16.14 | CH, A \\| B |" in lines
    assert "| new | destination | db2:5433 | PostgreSQL 18.4 | DE, C |" in lines
    assert "| replica | standby | db3:5432 | never seen | CH, A |" in lines


def test_findings_are_told_worst_first(page: str) -> None:
    lines = section(page, "What was found")[2:]
    assert lines[0] == "| stop | pg.bad | old/d | figure | It breaks. · Mend it. |"
    assert [line.split(" | ")[0] for line in lines] == ["| stop", "| warn", "| pass"]


def test_steps_are_told_with_who_outcome_duration_and_evidence(page: str) -> None:
    lines = section(page, "Steps")[2:]
    assert lines[0] == (
        f"| Title of {ROLE} | {ROLE} | done | wizard | 2026-03-01 01:00:09 UTC | 12 ms |"
        " the role exists, password='••••' |"
    )
    assert "| by-hand | hand | 2026-03-01 01:00:13 UTC | 1 min 15 s | slot exists |" in lines[1]
    assert [line.split(" | ")[1] for line in lines] == [ROLE, SLOT, INDEX, FIREWALL]


def test_what_was_left_out_and_what_is_in_doubt_has_its_own_section(page: str) -> None:
    assert section(page, "Left out")[2:] == [
        f"| Title of {INDEX} ({INDEX}) | no time for it tonight |"
    ]
    assert section(page, "In doubt")[2:] == [f"| {FIREWALL} | 2026-03-01 01:00:17 UTC |"]


def test_every_attempt_is_told_with_its_pause(page: str) -> None:
    lines = section(page, "The pause")
    assert "| 1 | 2026-03-01 01:00:21 UTC | aborted | 512.0 ms | the pool did not pause |" in lines
    assert [line for line in lines if "paused for" in line] == [
        "Attempt 1: writes were paused for 512.0 ms.",
        "Attempt 2: writes were paused for 18.2 ms.",
    ]


def test_loose_ends_are_told_with_their_state(page: str) -> None:
    lines = section(page, "Loose ends")[2:]
    assert lines == [
        "| role nightferry_repl | old | 2026-03-01 01:00:10 UTC | OPEN | x@old |",
        "| slot nightferry | old | 2026-03-01 01:00:14 UTC | settled 2026-03-01 01:00:26 UTC"
        " | settle-slot@old/d |",
    ]


def test_what_was_said_stays_in_one_row(page: str) -> None:
    assert section(page, "What was said")[2:] == [
        "| 2026-03-01 01:00:27 UTC | trouble | A client is still there |"
    ]


def test_stopped_writes_stand_in_the_head() -> None:
    stopped = ev.WritesStopped(why="old is down", missing="3 writes", choices=("start it",))
    page = report(numbered(ev.NightBegan(profile=PROFILE, version="0.1.0"), stopped))
    assert "- Outcome: WRITES STOPPED: old is down." in page


def test_a_night_that_only_began_has_a_report_too() -> None:
    page = report([])
    assert page.startswith("# Night ?\n")
    assert section(page, "Steps") == ["Nothing."]
    assert "## Left out" not in page


def test_no_secret_comes_through(page: str) -> None:
    assert "hunter2" not in page


def test_what_the_logs_said_stands_below_the_step_and_the_pause() -> None:
    text = report(
        [
            ev.StepBegan(step="slot@old"),
            ev.StepEnded(step="slot@old", outcome="done", evidence="it exists"),
            ev.LogSaid(step="slot@old", server="old", severity="WARNING", text="a | PASSWORD 'x'"),
            ev.Armed(attempt=1, direction="forward", roles=(), may_still_write=(), deadline_s=10.0),
            ev.LogSaid(attempt=1, server="new", severity="FATAL", text="terminating"),
        ]
    )
    lines = text.splitlines()
    at = next(at for at, line in enumerate(lines) if line.endswith("| it exists |"))
    said = "| in the log of old meanwhile | slot@old | WARNING |"
    assert lines[at + 1].startswith(said)
    assert lines[at + 1].endswith("| a \\| PASSWORD '••••' |")
    [pause] = [line for line in lines if "in the log of new meanwhile: terminating" in line]
    assert pause.startswith("| 1 |") and "| FATAL |" in pause


def test_the_report_says_since_when_the_profile_is_what_it_is() -> None:
    began = ev.NightBegan(profile={"name": "draft"}, version="0.1.0", draft=True)
    assert "The profile was never whole." in report(numbered(began))
    page = report(numbered(began, ev.ProfileChanged(profile=PROFILE)))
    assert "The profile is the one that was entered at 20" in page
    assert PROFILE["name"] in page
    assert "draft" not in page
