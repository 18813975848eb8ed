"""The wizard as an operator has it: a real terminal, key by key, from the first phase to the last.

Two real servers, an application at 300 writes a second, and a line that drops twice on the way.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from profiles import journal, nights
from profiles.fold import Night, fold
from rehearsal.processes import until
from tests.fix_processes import about, end_all
from tests.fix_terminal import Terminal
from tui.rehearse import box_of

pytestmark = pytest.mark.live

NIGHTFERRY = str(Path(sys.executable).with_name("nightferry"))
STARTS_S = 120.0
COPIES_S = 120.0


@pytest.fixture
def left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """Folders whose processes are ended, should the test not come to its end."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folders = [tmp_path]
    yield folders
    for folder in folders:
        end_all(folder)


def the_night() -> Path:
    (night,) = nights.nights()
    return night.path


def state() -> Night:
    return fold(journal.read_events(the_night()).events)


async def line_drops(terminal: Terminal) -> None:
    """The window dies, the night goes on; a new one is opened on it."""
    terminal.kill("nightferry")
    assert journal.is_live(the_night())
    terminal.open(NIGHTFERRY, "attach")


async def typed(terminal: Terminal, asks: str, name: str) -> None:
    """Confirm by typing a server's name."""
    await terminal.shows(asks)
    terminal.keys(name, "Enter")


async def test_a_night_key_by_key_with_two_dropped_lines(
    terminal: Terminal, left_behind: list[Path]
) -> None:
    terminal.open(NIGHTFERRY, "rehearse")
    await terminal.shows("On to Route", STARTS_S)
    box = box_of(the_night())
    assert box is not None
    left_behind.append(box)
    await look_around(terminal)
    await copy(terminal)
    await line_drops(terminal)
    await terminal.shows("next: Lag meter", COPIES_S)
    await keep_up_and_verify(terminal)
    await cut_over(terminal)
    await settle(terminal)
    said = await terminal.shows("left with 0")
    assert " 0 lost, 0 duplicated, 0 failed" in " ".join(said.split())
    night = state()
    assert night.ended and night.moved and not night.open_loose_ends()
    assert await until(lambda: about(box) + about(the_night()) == [], 10)
    assert not box.exists()


async def look_around(terminal: Terminal) -> None:
    """Servers to Preflight: each phase is looked at, and ``enter`` goes on."""
    for title in ("Route", "Network test", "Host tuning", "Preflight", "Replication setup"):
        await terminal.shows(f"On to {title}")
        terminal.keys("Enter")
    await terminal.shows("0 of 15 settled")


async def copy(terminal: Terminal) -> None:
    """One key for all steps; the copy is under way when this returns."""
    terminal.keys("a")
    await typed(terminal, "Type old", "old")
    await terminal.shows("Wait until every table is copied", COPIES_S)


async def keep_up_and_verify(terminal: Terminal) -> None:
    """The gate opens, the two servers are compared."""
    terminal.keys("8")
    await terminal.shows("✓ holds")
    terminal.keys("9")
    await terminal.shows("On to Cutover checklist")
    terminal.keys("0")
    await terminal.shows("Lower server_login_retry")


async def cut_over(terminal: Terminal) -> None:
    """The checklist line by line, armed; the line drops; then one key for the stretch."""
    terminal.keys("Enter")
    await typed(terminal, "Type pool", "pool")
    for number in range(2, 7):
        await terminal.shows(f"▸    {number}  ")
        await terminal.shows(" enter Run step")
        terminal.keys("Enter")
    await terminal.shows("  t Arm")
    terminal.keys("t")
    await typed(terminal, "Type old to arm", "old")
    await terminal.shows("ARMED, nothing paused yet")
    await line_drops(terminal)
    await terminal.shows("ARMED, nothing paused yet")
    terminal.keys("g")
    await terminal.shows("moved; writes were paused")


async def settle(terminal: Terminal) -> None:
    """Every loose end, then the end of the night and of the rehearsal."""
    terminal.keys("]")
    await terminal.shows("0 of 9 settled")
    terminal.keys("a")
    await typed(terminal, "Type pool", "pool")
    await typed(terminal, "Type old", "old")
    await terminal.shows("loose ends 0")
    terminal.keys("e")
    assert await until(lambda: state().ended, 30), terminal.screen()
    terminal.keys("q")
