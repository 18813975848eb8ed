"""The words of the wizard: figures, marks, the header's one line, rows and details."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles import events as ev
from profiles.fold import Night, fold
from profiles.profile import ReplicationTunnel, SshHost
from tests.tui import gallery, scenes
from tests.tui.recorded import START, numbered
from tui.words import checklist, detail, figures, header, journal, lag, places, rail, rows
from tui.words.text import Span, cell, clip, cut, fill, line, plain, shorten, text_of, width, wrap
from tui.words.view import View


def night_of(events: list[ev.Event]) -> Night:
    return fold(numbered(events))


def view_of(events: list[ev.Event], **more: object) -> View:
    night = night_of(events)
    return View(night=night, now=night.at, **more)  # type: ignore[arg-type]


def state(events: list[ev.Event], **more: object) -> str:
    return plain(header.state(view_of(events, **more), 100)).strip()


# Figures


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (None, "–"),
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (1_234_567, "1.2 MB"),
        (999_600, "1.0 MB"),
        (212_000_000_000, "212 GB"),
    ],
)
def test_sizes_have_units(count: int | None, said: str) -> None:
    assert figures.size(count) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "–"),
        (0.412, "0.41 s"),
        (12.4, "12 s"),
        (94.0, "94 s"),
        (180.0, "3 min"),
        (7_500.0, "2 h 05 min"),
        (200_000.0, "2 d 7 h"),
    ],
)
def test_durations_have_the_unit_that_fits(value: float | None, said: str) -> None:
    assert figures.seconds(value) == said


def test_there_is_no_estimate_before_one_per_cent() -> None:
    later = START + timedelta(minutes=5)
    assert figures.left(0.009, START, later) == ""
    assert figures.left(0.5, START, later) == "5 min left"
    assert figures.left(1.0, START, later) == ""
    assert figures.left(None, START, later) == ""


def test_a_bar_has_its_figure() -> None:
    assert figures.bar(0.41) == "▓▓▓▓░░░░░░  41 %"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(1, "just now"), (41 * 60, "41 min ago"), (90_000, "25 h ago"), (400_000, "4 d ago")],
)
def test_ages_are_coarse(seconds: int, said: str) -> None:
    assert figures.ago(START, START + timedelta(seconds=seconds)) == said


def test_one_thing_is_not_many() -> None:
    assert figures.many(1, "loose end") == "1 loose end"
    assert figures.many(3, "loose end") == "3 loose ends"


# Text


@given(st.text(max_size=80), st.integers(min_value=2, max_value=60))
def test_columns_keep_their_width(text: str, cells: int) -> None:
    printable = "".join(letter for letter in text if letter.isprintable())
    assert width(line(cell(printable, cells))) == cells
    assert width(line(cut(printable, cells))) == cells
    assert width(clip(line(printable), cells)) <= cells
    assert width(fill(line(printable), cells)) == cells


def test_a_name_keeps_both_its_ends() -> None:
    assert shorten("orders-2026-eu-central", 11) == "order…ntral"
    assert shorten("short", 11) == "short"


def test_wrapping_keeps_the_lines_of_a_statement() -> None:
    lines = wrap("SELECT 1,\n  2", 20, "strong")
    assert [plain(each) for each in lines] == ["SELECT 1,", "  2"]
    assert lines[0][0].tone == "strong"


def test_a_long_word_is_broken_and_not_lost() -> None:
    assert text_of(wrap(scenes.LONG_NAME, 20)).replace("\n", "") == scenes.LONG_NAME


# The header


@pytest.mark.parametrize("cells", [80, 120])
@pytest.mark.parametrize("events", [scenes.ready, scenes.rehearsing, scenes.long_names])
def test_the_header_holds_session_servers_versions_and_clock(
    cells: int, events: type[list[ev.Event]]
) -> None:
    told = plain(header.identity(view_of(events()), cells))
    assert len(told) == cells
    assert "pg 16.14" in told
    assert "pg 18.4" in told
    assert "→" in told
    assert told.endswith(" UTC ")


def test_a_rehearsal_says_so_in_the_header() -> None:
    assert "REHEARSAL" in plain(header.identity(view_of(scenes.rehearsing()), 80))
    assert "REHEARSAL" not in plain(header.identity(view_of(scenes.ready()), 80))


@pytest.mark.parametrize(
    ("events", "said"),
    [
        (scenes.began, "next: Servers"),
        (scenes.preflight_stop, "Preflight: 1 × ✗ stop in the way"),
        (scenes.up_to_replication, "next: Replication setup"),
        (scenes.prepared, "ready to cut over"),
        (scenes.armed, "ARMED, nothing paused yet   g Go   a Disarm"),
        (scenes.moved, "moved; writes were paused 0.81 s · loose ends 0"),
    ],
)
def test_the_one_line_that_matters(events: type[list[ev.Event]], said: str) -> None:
    assert state(events()) == said


def test_while_it_is_being_armed_nothing_is_said_to_be_paused() -> None:
    said = state(scenes.armed()[:-1])
    assert said == "ARMING, nothing paused yet   a Disarm"


def test_a_copy_says_how_far_it_is_and_what_is_left() -> None:
    said = state(scenes.copying())
    assert said.startswith("running: Copy every table · 41 of 63 tables · ")
    assert said.endswith(" left")


def test_a_gate_that_is_closed_is_waited_for() -> None:
    closed = ev.GateRead(gate="behind", holds=False, figure="behind < 1 s: 4.2 s, held 0 s")
    assert state([*scenes.prepared(), closed]) == (
        "waiting for the gate: behind < 1 s: 4.2 s, held 0 s"
    )


def test_a_lost_engine_is_said_with_the_age_of_what_is_shown() -> None:
    said = state(scenes.streaming(), lost="connect: refused")
    assert said.startswith("! no engine is heard since 03:0")
    assert said.endswith("connect: refused")


def test_an_old_reading_is_not_shown_as_one_of_now() -> None:
    night = night_of(scenes.streaming())
    newest = night.samples[-1].at

    def said(now: datetime, lost: str = "") -> str:
        return text_of(lag.stale(View(night=night, now=now, lost=lost), 80))

    since = f"! nothing has been read since {newest:%H:%M:%S}"
    assert said(newest + timedelta(seconds=14)) == ""
    assert said(newest + timedelta(minutes=4)) == f"{since}, 4 min ago"
    assert said(newest, lost="connect: refused") == f"{since}, just now"
    assert lag.stale(View(night=Night(), now=newest), 80) == []


def test_a_step_in_doubt_comes_before_anything_calm() -> None:
    again = ev.EngineStarted(pid=1, resumed=True)
    assert state([*scenes.copying(), again]).startswith("in doubt: copy@db-new/orders")


def test_the_pause_counts_by_the_clock_while_it_lasts() -> None:
    night = night_of(scenes.paused())
    assert night.stretch is not None
    assert night.stretch.paused_at is not None
    now = night.stretch.paused_at + timedelta(seconds=4.2)
    assert header.paused_s(night.stretch, now) == pytest.approx(4.2)
    moved = night_of(scenes.moved())
    assert moved.stretch is not None
    much_later = moved.at + timedelta(hours=1)
    assert header.paused_s(moved.stretch, much_later) == pytest.approx(0.812)


def test_the_armed_line_says_what_aborting_means_now() -> None:
    night = night_of(scenes.paused())
    assert night.stretch is not None
    said = plain(header.armed(night.stretch, night.at, 100))
    assert "of 10 s   a Abort: resume on the old server" in said


# Rail


def test_the_rail_shrinks_to_marks_and_numbers() -> None:
    view = view_of(scenes.loose_ends())
    wide = [plain(each) for each in rail.rail(view, "aftercare", narrow=False)]
    assert "✓  7 Replication setup" in wide
    assert "   5 Host tuning" in wide
    assert "▸ 11 Aftercare" in wide
    assert "loose ends 3" in wide
    narrow = rail.rail(view, "aftercare", narrow=True)
    assert max(width(each) for each in narrow) <= 4


def test_the_rail_never_passes_a_phase_with_a_stop_or_an_unknown() -> None:
    view = view_of(scenes.preflight_stop())
    marks = [plain(each) for each in rail.rail(view, "servers", narrow=False)]
    assert "✗  6 Preflight" in marks


# Rows and details


def test_findings_stand_worst_first() -> None:
    listed = rows.phase_rows(night_of(scenes.preflight_stop()), "preflight", 74)
    verdicts = [plain(row.line).split()[1] for row in listed if row.kind == "finding"]
    assert verdicts == ["stop", "unknown", "warn", "pass", "pass", "pass"]


@pytest.mark.parametrize("cells", [49, 70, 74, 110])
@pytest.mark.parametrize("scene", list(gallery.SCENES.values()))
def test_no_row_is_wider_than_the_list(scene: gallery.Scene, cells: int) -> None:
    night = night_of(scene.events())
    listed = [
        *checklist.rows(night, cells),
        *rows.phase_rows(night, scene.phase, cells),
        *rows.progress_rows(night, cells),
        *places.loose_end_rows(night, cells),
    ]
    assert all(width(row.line) <= cells for row in listed)


def test_the_detail_of_a_step_holds_every_command_and_how_it_is_proven() -> None:
    night = night_of(scenes.preflight_stop())
    said = text_of(detail.step_lines(night, scenes.WAL_LEVEL, 110))
    assert "ALTER SYSTEM SET wal_level = 'logical'" in said
    assert "! changes a server's configuration (confirmed by typing db-old)" in said
    assert "wal_level is logical from the next start" in said
    assert "wal_level = logical, until it is settled" in said


def test_an_edit_is_shown_as_its_diff() -> None:
    switch = next(step for step in scenes.cutover_steps() if step.id == "switch@db-pool")
    lines = detail.step_lines(Night(), switch, 70)
    tones = {plain(each).strip(): each[-1].tone for each in lines}
    assert tones["- orders = … host=10.20.0.5"] == "remove"
    assert tones["+ orders = … host=10.30.0.5"] == "add"


def test_copying_takes_what_will_run() -> None:
    night = night_of(scenes.up_to_replication())
    assert detail.copied(night, "slot@db-old/orders") == (
        "SELECT pg_create_logical_replication_slot('nightferry', 'pgoutput')"
    )


def test_tables_that_are_through_leave_the_list() -> None:
    through = ev.Progressed(what="public.customers", done=9, total=9, detail="following")
    listed = rows.progress_rows(night_of([*scenes.copying(), through]), 74)
    assert "public.customers" not in " ".join(plain(row.line) for row in listed)
    assert "public.order_lines" in plain(listed[1].line)


# The checklist


def test_the_checklist_has_three_parts_in_the_plans_order() -> None:
    before, paused, after = checklist.parts(night_of(scenes.ready()))
    assert [step.id for step in before] == ["checkpoint@db-old", "warm@db-new", "ttl"]
    assert len(paused) == 8
    assert [step.id for step in after] == ["prove@db-pool"]


def test_what_runs_while_writes_are_paused_is_read_beforehand() -> None:
    said = "\n".join(plain(row.line) for row in checklist.rows(night_of(scenes.prepared()), 110))
    assert "PAUSE orders;" in said
    assert "ALTER ROLE app NOLOGIN" in said
    assert "G one key a step · 10 s" in said


def test_arming_names_who_may_still_write_and_what_is_asked_again() -> None:
    profile = scenes.a_profile()
    raw = msgspec.to_builtins(profile)
    raw["source"]["may_still_write"] = ["nightly_import"]
    raw["source"]["password"] = {"ask": True}
    night = night_of([ev.NightBegan(profile=raw, version="0")])
    said = "\n".join(checklist.arm_terms(night, by_hand=True))
    assert "may still write, by your own decision: nightly_import" in said
    assert "typed passwords (db-old)" in said
    assert "paused for 5 min at most" in said


# Lag and journal


def test_the_forecast_says_never_when_less_is_applied_than_written() -> None:
    slow = ev.Sampled(behind_bytes=9, write_rate=5.0, apply_rate=4.0)
    assert lag.forecast(slow) == "never at this rate"
    assert lag.forecast(ev.Sampled(behind_bytes=9, caught_up_in_s=240.0)) == "in 4 min"
    assert lag.forecast(ev.Sampled(behind_bytes=0, caught_up_in_s=0.0)) == "now"
    assert lag.forecast(ev.Sampled()) == "–"


def test_every_kind_of_event_has_a_line_of_its_own() -> None:
    told = night_of([*scenes.stopped(), *scenes.loose_ends()]).told
    for event in told:
        assert event.at.strftime("%H:%M:%S") in plain(journal.event_line(event))
    odd = ev.UnknownEvent(was="moon-landing", raw={}, at=datetime.fromtimestamp(0, START.tzinfo))
    assert "an event of another version: moon-landing" in plain(journal.event_line(odd))


def test_a_span_of_no_text_draws_nothing() -> None:
    assert width(line("", Span("a"))) == 1


# What a log said


def test_what_the_logs_said_stands_beside_its_step_by_mark_and_word() -> None:
    night = night_of(scenes.logged())
    copy = night.steps["copy@db-new/orders"]
    listed = {row.key: row.line for row in rows.phase_rows(night, "replication", 76)}
    said = plain(listed[copy.id])
    assert "✗ 2 in the logs · " in said and width(listed[copy.id]) <= 76
    assert [span.tone for span in listed[copy.id] if "in the logs" in span.text] == ["stop"]
    lines = text_of(detail.step_lines(night, copy, 60)).splitlines()
    at = lines.index("in the log of db-old meanwhile")
    assert lines[at + 1] == "  ! WARNING  there is no transaction in progress"
    assert lines[at + 2] == "in the log of db-new meanwhile"
    assert lines[at + 3].startswith("  ✗ ERROR  duplicate key value")
    assert lines[at + 4].startswith(" " * 11)
    assert all(len(each) <= 60 for each in lines)
    newest = [plain(each) for each in journal.journal_lines(night, 200)][-2:]
    assert newest[0].endswith("log           db-old: WARNING: there is no transaction in progress")


def test_of_a_pause_the_logs_speak_for_all_of_it() -> None:
    said = ev.LogSaid(attempt=1, server="db-old", severity="WARNING", text="terminating")
    night = night_of([*scenes.paused(), said])
    listed = [plain(row.line) for row in checklist.rows(night, 76)]
    [heading] = [each for each in listed if "While writes are paused" in each]
    assert "! 1 in the logs · armed" in heading
    for step in checklist.parts(night).paused:
        assert "! WARNING  terminating" in text_of(detail.step_lines(night, step, 76))
    assert sum("in the logs" in each for each in listed) == 1


def test_a_server_says_how_its_host_and_our_sessions_are_reached() -> None:
    profile = scenes.a_profile()
    host = SshHost(ssh="db-old", user="ferry", jump=["gate"], sudo_user="postgres")
    tunnel = ReplicationTunnel(login="ferry@10.20.0.5", comes_from="10.30.0.5")
    far = msgspec.structs.replace(
        profile.source, host=host, by_tunnel=True, replication_tunnel=tunnel
    )
    night = fold(scenes.began(msgspec.structs.replace(profile, source=far)))
    said = [plain(each) for each in places.server_detail(night, "server:db-old", 100)]
    assert "reached   postgres@10.20.0.5:5432, through SSH to its host" in said
    assert "host      ferry@db-old by SSH, through gate; lines there as postgres, by sudo" in said
    assert "replicate through SSH: ferry@10.20.0.5, port 22" in said
    said = [plain(each) for each in places.server_detail(night, "server:db-new", 100)]
    assert "host      not reached: what is done there is done by hand" in said
    said = [plain(each) for each in places.server_detail(night, "endpoint:db-pool", 100)]
    assert "host      this machine" in said
