"""The command line: which night is meant, what is said of it, and the exit codes."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import pytest

from profiles import load
from profiles.events import LooseEndOpened, NightEnded, Sampled, StretchMoved
from tests.fix_cli import ARMED, SLOT, Window, a_live_night, a_night, run
from tests.fix_engine import a_profile
from tui import commands

pytestmark = pytest.mark.usefixtures("nights_here")

# Which night


def test_status_of_no_night_says_so() -> None:
    said = run("status")
    assert said.exit_code == 1
    assert "no engine is running; the nights here: none was ever begun" in said.stderr
    assert said.stdout == ""


def test_status_without_a_live_night_names_the_dead_ones() -> None:
    folder = a_night()
    said = run("status")
    assert said.exit_code == 1
    assert folder.name in said.stderr


def test_status_of_the_only_live_night(held_engines: ExitStack) -> None:
    a_night()
    folder = a_live_night(held_engines, LooseEndOpened(loose_end=SLOT), Sampled(behind_bytes=1200))
    said = run("status")
    assert said.exit_code == 0
    assert said.stdout.startswith(f"{folder.name}: ")
    assert "phase       servers" in said.stdout
    assert "loose end   slot nightferry on db-old" in said.stdout
    assert "behind      1200 bytes" in said.stdout
    assert "engine      running" in said.stdout
    assert str(folder / "journal.jsonl") in said.stdout


def test_status_of_several_lists_them(held_engines: ExitStack) -> None:
    names = [a_live_night(held_engines).name for _ in range(2)]
    for command in ("status", "abort", "report"):
        said = run(command)
        assert said.exit_code == 2
        assert all(name in said.stderr for name in names)
        assert said.stdout == ""


def test_a_named_night_may_be_dead(held_engines: ExitStack) -> None:
    a_live_night(held_engines)
    folder = a_night()
    said = run("status", folder.name)
    assert said.exit_code == 0
    assert f"not running; nightferry attach {folder.name}" in said.stdout


def test_an_unknown_name_is_said() -> None:
    said = run("status", "orders-2026")
    assert said.exit_code == 1
    assert "there is no such night" in said.stderr


# What is said of it


def test_status_as_json_is_one_object(held_engines: ExitStack) -> None:
    sample = Sampled(behind_bytes=1200, behind_s=0.4)
    paused = StretchMoved(attempt=1, state="paused", paused_ms=12.5)
    folder = a_live_night(held_engines, LooseEndOpened(loose_end=SLOT), sample, ARMED, paused)
    said = json.loads(run("status", "--json").stdout)
    assert said["night"] == folder.name
    assert said["live"] is True
    assert said["phase"] == "servers"
    assert said["stretch"] == {"attempt": 1, "state": "paused", "paused_ms": 12.5}
    assert said["loose_ends"] == [{"id": "slot", "server": "db-old", "what": "slot nightferry"}]
    assert (said["lag"]["behind_bytes"], said["lag"]["behind_s"]) == (1200, 0.4)
    assert said["state"].startswith("WRITES PAUSED")
    assert said["ended"] is said["writes_stopped"] is False


def test_status_as_json_of_a_young_night(held_engines: ExitStack) -> None:
    a_live_night(held_engines)
    said = json.loads(run("status", "--json").stdout)
    assert said["stretch"] is said["lag"] is None
    assert said["loose_ends"] == []


def test_report_of_the_newest_night_when_none_is_live() -> None:
    folder = a_night(NightEnded(report="report.md"))
    said = run("report")
    assert said.exit_code == 0
    kept = folder / "report.md"
    assert said.stdout == kept.read_text() + "\n"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert str(kept) in said.stderr


def test_abort_means_the_armed_night_when_none_is_live(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []

    def aborts(folder: Path) -> str:
        asked.append(folder)
        return "aborted"

    monkeypatch.setattr(commands, "abort", aborts)
    a_night()
    armed = a_night(ARMED)
    assert run("abort").stdout == "aborted\n"
    assert asked == [armed]


def test_abort_with_nothing_armed_anywhere_says_so() -> None:
    a_night()
    said = run("abort")
    assert said.exit_code == 1
    assert "no engine is running" in said.stderr


# Refusing gracefully


@pytest.mark.parametrize("words", [(), ("attach",), ("watch",), ("open", "night.toml")])
def test_the_wizard_needs_a_terminal(words: tuple[str, ...]) -> None:
    said = run(*words)
    assert said.exit_code == 1
    assert "this is no terminal: the wizard cannot be drawn" in said.stderr


def test_a_wrong_command_line_is_exit_code_2() -> None:
    assert run("dance").exit_code == 2
    assert run("status", "--yaml").exit_code == 2


def test_what_the_system_refuses_is_no_traceback() -> None:
    folder = a_night()
    (folder / "report.md").mkdir()
    said = run("report", folder.name)
    assert said.exit_code == 1
    assert "report.md" in said.stderr
    assert isinstance(said.exception, SystemExit)


def test_a_journal_of_another_version_is_said() -> None:
    folder = a_night()
    (folder / "journal.jsonl").write_text('{"journal": 2}\n')
    said = run("status", folder.name)
    assert said.exit_code == 1
    assert "it has format 2" in said.stderr


def test_help_and_version_work_anywhere() -> None:
    assert "--unattended" in run("rehearse", "--help").stdout
    assert run("--version").stdout == "nightferry, version 0.1.0\n"


# With a terminal


def test_open_begins_a_night_and_says_afterwards_where_it_is(
    left_window: type[Window], tmp_path: Path
) -> None:
    load.write(tmp_path / "orders.toml", a_profile())
    said = run("open", str(tmp_path / "orders.toml"))
    assert said.exit_code == 0
    ((folder, watching),) = left_window.opened
    assert folder is not None
    assert not watching
    assert f"journal  {folder / 'journal.jsonl'}" in said.stdout
    assert f"report   {folder / 'report.md'}" in said.stdout
    assert (folder / "report.md").exists()
    assert "The night goes on" not in said.stdout


def test_leaving_a_living_night_says_how_to_come_back(
    left_window: type[Window], held_engines: ExitStack
) -> None:
    folder = a_live_night(held_engines)
    said = run("attach")
    assert left_window.opened == [(folder, False)]
    assert "The night goes on without this window" in said.stdout
    assert f"nightferry attach {folder.name}" in said.stdout


def test_watch_opens_a_window_that_only_watches(
    left_window: type[Window], held_engines: ExitStack
) -> None:
    folder = a_live_night(held_engines)
    dead = a_night()
    assert run("watch").exit_code == 0
    assert left_window.opened == [(folder, True)]
    said = run("watch", dead.name)
    assert said.exit_code == 1
    assert "none is running" in said.stderr


def test_without_a_command_the_sessions_are_shown(left_window: type[Window]) -> None:
    assert run().exit_code == 0
    assert left_window.opened == [(None, False)]


def test_the_mouse_is_ours_unless_it_is_left_to_the_terminal(
    left_window: type[Window], held_engines: ExitStack
) -> None:
    a_live_night(held_engines)
    for words in (
        (),
        ("attach",),
        ("--no-mouse",),
        ("attach", "--no-mouse"),
        ("--no-mouse", "attach"),
    ):
        assert run(*words).exit_code == 0
    assert left_window.mouse == [True, True, False, False, False]


def test_a_profile_with_mistakes_begins_nothing(left_window: type[Window], tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("profile = 1\nname = 3\n")
    said = run("open", str(tmp_path / "bad.toml"))
    assert said.exit_code == 1
    assert "bad.toml:2: name: expected" in said.stderr
    assert left_window.opened == []
    assert not (tmp_path / "nightferry").exists()


def test_a_window_that_was_hung_up_says_nothing_more(
    left_window: type[Window], held_engines: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_live_night(held_engines)
    monkeypatch.setattr(left_window, "left_with", 129)
    said = run("attach")
    assert (said.exit_code, said.stdout) == (129, "")
