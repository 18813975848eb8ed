"""``python -m rehearsal``: what the wizard's process starts and ends a rehearsal with."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.keeper import ROOT
from profiles import load
from tests.fix_processes import about
from tui.rehearse import begin, box_of, end_if_over

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("nights_here")]


def answer(*words: str, code: int = 0) -> dict[str, Any]:
    ended = subprocess.run(
        [sys.executable, "-m", "rehearsal", *words],
        capture_output=True,
        cwd=ROOT,
        timeout=240,
        check=False,
    )
    assert ended.returncode == code, ended.stderr
    said: dict[str, Any] = json.loads(ended.stdout)
    return said


def test_a_night_begun_on_a_rehearsal_ends_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    night = begin()
    box = box_of(night)
    assert box is not None
    try:
        assert load.read(night / "profile.toml").rehearsal
        assert end_if_over(night, asked=False) == 0
        assert box.is_dir()
    finally:
        assert end_if_over(night, asked=True) == 0
    assert "0 lost, 0 duplicated" in capsys.readouterr().out
    assert box_of(night) is None
    assert about(box) == []


def test_what_is_gone_cannot_be_ended_and_says_so(tmp_path: Path) -> None:
    said = answer("end", str(tmp_path), "new", code=1)
    assert said["where"] == "this machine"
    assert str(tmp_path) in said["tried"]
    assert said["answered"]


def test_other_words_are_a_wrong_command_line() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "rehearsal", "dance"], capture_output=True, cwd=ROOT, check=False
    )
    assert ended.returncode == 2
    assert b"python -m rehearsal start" in ended.stderr
