"""The command line in this process: nights on disk, and a wizard that is left at once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner, Result

from engine.launch import begin
from engine.night import LiveNight
from profiles.events import Armed, Event
from profiles.fold import fold
from profiles.journal import Journal
from profiles.steps import LooseEnd
from tests.fix_engine import a_profile
from tui import cli, commands

ARMED = Armed(attempt=1, direction="forward", roles=("app",), may_still_write=(), deadline_s=10.0)
SLOT = LooseEnd(id="slot", server="db-old", what="slot nightferry", settled_by="drop@db-old")


@pytest.fixture
def nights_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No other nights than the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.fixture
def held_engines() -> Iterator[ExitStack]:
    """Holds the journals of the nights that count as live."""
    with ExitStack() as held:
        yield held


def a_night(*events: Event) -> Path:
    """A night in whose journal these things have happened."""
    folder = begin(a_profile())
    with Journal.open(folder) as journal:
        live = LiveNight(folder, journal, fold(journal.events))
        for event in events:
            live.publish(event)
    return folder


def a_live_night(held_engines: ExitStack, *events: Event) -> Path:
    """The same, and an engine seems to hold it."""
    folder = a_night(*events)
    held_engines.enter_context(Journal.open(folder))
    return folder


def run(*words: str) -> Result:
    """``nightferry`` with these words."""
    return CliRunner().invoke(cli.main, list(words), prog_name="nightferry")


class Window:
    """In the wizard's place: left at once, in the way that ``parted`` says."""

    parted: str | None = "detach"
    left_with = 0
    opened: list[tuple[Path | None, bool]] = []
    mouse: list[bool] = []

    def __init__(self, folder: Path | None, *, watch: bool, rehearse: object) -> None:
        Window.opened.append((folder, watch))
        self.folder = folder
        self.return_code: int | None = Window.left_with

    def run(self, *, mouse: bool) -> str | None:
        Window.mouse.append(mouse)
        return Window.parted


@pytest.fixture
def left_window(monkeypatch: pytest.MonkeyPatch) -> type[Window]:
    """A terminal, with a wizard that is left as soon as it is open, and no engine."""
    module = ModuleType("tui.app")
    module.Nightferry = Window  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tui.app", module)
    monkeypatch.setattr(cli, "_no_terminal", lambda: "")
    monkeypatch.setattr(commands, "ensure_engine", lambda folder: None)
    monkeypatch.setattr(Window, "opened", [])
    monkeypatch.setattr(Window, "mouse", [])
    monkeypatch.setattr(Window, "parted", "detach")
    return Window
