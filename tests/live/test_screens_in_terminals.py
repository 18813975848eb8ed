"""The real program in terminals of all kinds: readable, whole after a resize, never a lie.

The night is a recorded one, told over a real socket; pyte says what stands in every cell.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from profiles.events import Sampled
from tests.fix_pty import Pty
from tests.fix_window import MODERN, NIGHTFERRY, tell, told, window_on
from tests.tui import scenes

pytestmark = pytest.mark.live

UTF8 = {"LC_ALL": "C.UTF-8"}
TERMINALS: Mapping[str, Mapping[str, str]] = {
    "256 colours": MODERN,
    "xterm": {**UTF8, "TERM": "xterm"},
    "linux": {**UTF8, "TERM": "linux"},
    "screen": {**UTF8, "TERM": "screen"},
    "vt100": {**UTF8, "TERM": "vt100"},
    "no colour": {**MODERN, "NO_COLOR": "1"},
    "no UTF-8": {"LC_ALL": "C", "TERM": "vt100"},
    "LANG is C": {"LANG": "C", "TERM": "xterm-256color"},
}
ASCII = ("no UTF-8", "LANG is C")
FRAMES = "╭┏"


@pytest.fixture(autouse=True)
def _nights_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


async def readable(terminal: Pty, *words: str, ascii_only: bool) -> None:
    """These words stand there, no text has the colour of its ground, and nothing is mojibake."""
    marked = [word.translate(str.maketrans("✓✗·", "+X-")) if ascii_only else word for word in words]
    await terminal.shows(*marked)
    await terminal.still()
    assert terminal.unreadable() == [], terminal.text
    if ascii_only:
        assert terminal.text.isascii(), terminal.text
    else:
        assert any(corner in terminal.text for corner in FRAMES), terminal.text


@pytest.mark.parametrize("name", list(TERMINALS))
async def test_every_terminal_shows_every_word_and_mark(name: str) -> None:
    plain = name in ASCII
    async with told(scenes.preflight_stop()) as night, window_on(night, TERMINALS[name]) as window:
        await readable(window, "✗ stop", "? unknown", "! warn", "✓ pass", ascii_only=plain)
        window.keys("?")
        await readable(window, "Help: Preflight", "Go to step", ascii_only=plain)
        await window.leaves("Help: Preflight")
        window.keys("q")
        await readable(window, "Leave", "leave it running", ascii_only=plain)
        await window.leaves("leave it running")
        window.keys("2")
        await readable(window, "· note", ascii_only=plain)
        tell(night, scenes.streaming())
        window.keys("8")
        await readable(window, "retained WAL", "✓ holds", ascii_only=plain)
        tell(night, scenes.stopped())
        window.keys("0")
        await readable(window, "WRITES STOPPED", "does not answer", ascii_only=plain)


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_terminal_that_cannot_be_drawn_on_is_refused_with_words(term: str) -> None:
    main, other = os.openpty()
    ran = subprocess.run(
        [NIGHTFERRY],
        stdin=other,
        stdout=other,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TERM": term},
        timeout=30,
    )
    os.close(main)
    os.close(other)
    assert ran.returncode == 1
    assert "the wizard cannot be drawn" in ran.stderr
    assert "nightferry status" in ran.stderr


# Resized while it lives


def reading(behind_mb: int) -> Sampled:
    return Sampled(behind_bytes=behind_mb * scenes.MB, behind_s=1.0, write_rate=1.0, apply_rate=2.0)


@pytest.mark.parametrize("environment", [MODERN, TERMINALS["no UTF-8"]], ids=["utf-8", "ascii"])
async def test_resized_under_way_it_is_whole_again(environment: Mapping[str, str]) -> None:
    async with told(scenes.streaming()) as night, window_on(night, environment) as window:
        plain = environment is not MODERN
        window.keys("8")
        await window.shows("retained WAL")
        for at, size in enumerate([(40, 10), (200, 60), (30, 70), (80, 24)]):
            tell(night, [reading(100 + at)])
            window.resize(*size)
            if min(size[0] / 60, size[1] / 20) < 1:
                await window.shows("The night goes on")
            else:
                await window.shows(f"behind   {100 + at} MB", "Lag meter", "? Help")
            tell(night, [reading(200 + at)])
            await window.still()
            assert window.unreadable() == []
            assert window.text.isascii() == plain
        await window.shows("behind   203 MB", "retained WAL", "Gate: behind")
        assert all(line.strip() for line in window.lines[:2])
