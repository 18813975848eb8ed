"""The commands against a real engine process, also one that has to be started for them."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from engine.launch import begin, ensure_engine
from engine.night import LiveNight
from profiles.errors import EngineError
from profiles.fold import fold
from profiles.journal import Journal, is_live, read_events
from tests.fix_engine import a_profile
from tests.fix_processes import about, end_all
from tests.live import fake_night
from tui import cli, commands

pytestmark = pytest.mark.live

ensure = partial(ensure_engine, keeper=fake_night.KEEPER)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A night whose engine is started with the fake desk, and gone at the end."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(commands, "ensure_engine", ensure)
    made = begin(a_profile())
    yield made
    end_all(made)
    wait_until_gone(made)


def wait_until_gone(folder: Path) -> None:
    until = time.monotonic() + 5
    while about(folder):
        assert time.monotonic() < until
        time.sleep(0.01)


def arm(folder: Path) -> None:
    with Journal.open(folder) as journal:
        LiveNight(folder, journal, fold(journal.events)).publish(fake_night.ARMED)


def run(*words: str) -> Result:
    return CliRunner().invoke(cli.main, list(words), prog_name="nightferry")


def test_status_of_a_running_engine(folder: Path) -> None:
    ensure(folder)
    said = json.loads(run("status", "--json").stdout)
    assert (said["night"], said["live"], said["stretch"]) == (folder.name, True, None)


def test_abort_with_a_dead_engine_starts_one(folder: Path) -> None:
    arm(folder)
    assert not is_live(folder)
    said = run("abort")
    assert said.exit_code == 0, said.stderr
    assert said.stdout.startswith(f"{folder.name}: ")
    night = fold(read_events(folder).events)
    assert night.stretch is not None
    assert night.stretch.state == "aborted"
    assert is_live(folder)


def test_abort_with_a_killed_engine(folder: Path) -> None:
    arm(folder)
    ensure(folder)
    engine = fold(read_events(folder).events).engine_pid
    assert engine is not None
    os.kill(engine, signal.SIGKILL)
    assert run("abort", folder.name).exit_code == 0


def test_abort_with_nothing_armed_is_said_and_harmless(folder: Path) -> None:
    ensure(folder)
    said = run("abort")
    assert said.exit_code == 0
    assert "nothing is armed; there is nothing to abort" in said.stdout


def test_an_engine_that_cannot_start_is_a_message(folder: Path) -> None:
    arm(folder)
    (folder / "profile.toml").write_text("profile = 9\n")
    said = run("abort")
    assert said.exit_code == 1
    assert "profile.toml" in said.stderr
    with pytest.raises(EngineError):
        ensure(folder)
