"""`nightferry rehearse`: walked without a terminal, or a wizard on a rehearsal kept alive."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType

import pytest

import tui
from profiles import load
from profiles.events import NightEnded, StretchMoved
from rehearsal import folders
from tests.fix_cli import ARMED, Window, a_live_night, a_night, run
from tests.fix_engine import a_profile
from tui import cli
from tui import rehearse as rehearsing

pytestmark = pytest.mark.usefixtures("nights_here")


@pytest.fixture
def walked(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """How often the unattended walk was begun, and whether with JSON."""
    began: list[bool] = []
    module = ModuleType("tui.unattended")

    def walk(*, json: bool) -> int:
        began.append(json)
        return 7

    module.run = walk  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tui.unattended", module)
    monkeypatch.setattr(tui, "unattended", module, raising=False)
    return began


def test_rehearse_without_a_terminal_is_unattended_and_says_so(walked: list[bool]) -> None:
    said = run("rehearse", "--json")
    assert (said.exit_code, walked) == (7, [True])
    assert "this is no terminal: the rehearsal walks the night unattended" in said.stderr
    assert said.stdout == ""


def test_rehearse_unattended_when_asked(
    walked: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "_no_terminal", lambda: "")
    said = run("rehearse", "--unattended")
    assert (said.exit_code, walked, said.stderr) == (7, [False], "")
    assert run("rehearse", "--json").exit_code == 2


@pytest.fixture
def box(
    left_window: type[Window], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[list[str]]:
    """A rehearsal that is only a folder; what its process was told."""
    told: list[list[str]] = []
    folder = tmp_path / "box"
    folder.mkdir()
    load.write(folder / "profile.toml", a_profile("rehearsal"))

    def answer(*words: str) -> dict[str, object]:
        told.append(list(words))
        if words[0] == "start":
            profile = str(folder / "profile.toml")
            return {"folder": str(folder), "profile": profile, "stands_on": "It is a folder."}
        return {"clean": words[2] == "new", "says": "300 writes acknowledged, 0 lost"}

    monkeypatch.setattr(rehearsing, "_box", answer)
    return told


def test_a_rehearsal_that_is_left_goes_on(box: list[list[str]]) -> None:
    said = run("rehearse")
    assert said.exit_code == 0
    assert "It is a folder." in said.stdout
    assert box == [["start"]]


def test_a_rehearsal_that_is_ended_is_compared_and_taken_down(
    box: list[list[str]], left_window: type[Window], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(left_window, "parted", "end")
    said = run("rehearse")
    assert box[1] == ["end", str(tmp_path / "box"), "old"]
    assert "300 writes acknowledged, 0 lost" in said.stdout
    assert said.exit_code == 1  # the fake ledger is clean on the new server only


def test_a_rehearsal_whose_night_has_ended_is_compared_with_the_new_server(
    box: list[list[str]], tmp_path: Path
) -> None:
    moved = StretchMoved(attempt=1, state="moved", paused_ms=14.0)
    folder = a_night(ARMED, moved, NightEnded(report="report.md"))
    (folder / folders.BOX).write_text(str(tmp_path / "box"))
    said = run("attach", folder.name)
    assert box == [["end", str(tmp_path / "box"), "new"]]
    assert said.exit_code == 0


def test_the_engine_comes_to_its_end_before_the_servers_do(
    box: list[list[str]],
    left_window: type[Window],
    held_engines: ExitStack,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(left_window, "parted", "end")
    monkeypatch.setattr(rehearsing, "ENGINE_END_DEADLINE_S", 0.1)
    folder = a_live_night(held_engines)
    (folder / folders.BOX).write_text(str(tmp_path / "box"))
    said = run("attach")
    assert said.exit_code == 1
    assert "the rehearsal goes on" in said.stdout
    assert box == []


def test_a_rehearsal_that_cannot_start_says_why(
    left_window: type[Window], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    python = tmp_path / "python"
    answer = {"where": "this machine", "tried": "start", "answered": "no disk", "remedy": "Free."}
    python.write_text(f"#!/bin/sh\necho '{json.dumps(answer)}'\nexit 1\n")
    python.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(python))
    said = run("rehearse")
    assert said.exit_code == 1
    assert "this machine: start: no disk. Free." in said.stderr
    python.write_text("#!/bin/sh\necho boom >&2\nexit 1\n")
    assert "start the rehearsal: boom" in run("rehearse").stderr


def test_a_rehearsal_is_kept_alive_while_a_window_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsing, "TOUCH_EVERY_S", 0.005)
    folder = a_night()
    keepalive = tmp_path / "keepalive"
    keepalive.touch()
    (folder / folders.BOX).write_text(str(tmp_path))
    os.utime(keepalive, (0, 0))
    until = time.monotonic() + 5
    with rehearsing.kept_alive(lambda: folder):
        while keepalive.stat().st_mtime == 0 and time.monotonic() < until:
            time.sleep(0.005)
    assert keepalive.stat().st_mtime > 0
    assert rehearsing.box_of(None) is None
