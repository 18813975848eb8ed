"""Every screen reached and every action done by keys alone, with the real program in a terminal.

The night is a recorded one: what the keys ask of the engine is looked at, not what would become of
it; a whole night on real servers is walked by `test_wizard_in_a_terminal`.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from profiles.requests import Probe, Request
from rehearsal.processes import until
from tests.fix_engine import Served
from tests.fix_pty import Pty
from tests.fix_window import tell, told, window_on
from tests.tui import scenes
from tests.tui.tuned import tuned

pytestmark = pytest.mark.live

PATIENCE_S = 10.0
DOWN, HOME, PALETTE = "\x1b[B", "\x1b[H", "\x10"


@pytest.fixture(autouse=True)
def _nights_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


async def asked(night: Served, *kinds: str) -> list[Request]:
    """What was asked of the engine by now, but for looking; forgotten afterwards."""

    def others() -> list[Request]:
        return [each for each in night.desk.handled if not isinstance(each, Probe)]

    await until(lambda: len(others()) >= len(kinds), PATIENCE_S)
    taken = others()
    night.desk.handled.clear()
    assert tuple(each.__struct_config__.tag for each in taken) == kinds, taken
    return taken


async def test_every_phase_is_reached_by_its_number_and_by_brackets() -> None:
    titled = {7: "Replication setup", 8: "Lag meter", 9: "Verify", 0: "Cutover checklist"}
    async with told(scenes.loose_ends()) as night, window_on(night) as window:
        for number in (2, 3, 4, 5, 6, *titled):
            window.keys(str(number))
            await window.shows(f"▸{number or 10:>2}")
        window.keys("]")
        await window.shows("▸11", "Settle: publication nightferry")
        window.keys("[")
        await window.shows("▸10", "Cutover checklist")
        window.keys("1")
        await window.shows("▸ 1", night.live.name[:12])


async def test_the_network_test_is_turned_frozen_and_written_by_keys() -> None:
    async with told(scenes.up_to_preflight()) as night, window_on(night) as window:
        window.keys("4")
        await window.shows("Road 1 of 2", "nix.example.net")
        window.keys("j")
        await window.shows("stdev jitter")
        window.keys("d")
        await window.shows("Road 2 of 2", "gate.example.net")
        window.keys("f")
        await window.shows("frozen")
        window.keys("fw")
        await window.shows("Written to")
        assert {".csv", ".json"} <= {each.suffix for each in night.live.folder.glob("*network*")}


async def test_settings_are_marked_applied_edited_and_undone_by_keys() -> None:
    async with told(tuned()) as night, window_on(night) as window:
        window.keys("5")
        await window.shows("Host tuning")
        await down_to(window, "vm.dirty_bytes")
        window.keys(" ")
        await window.shows("1 marked")
        window.keys("a")
        await window.shows("every command", "sysctl")
        window.keys("\rdb-new\r")
        await asked(night, "confirm", "run-phase")
        window.keys("e2000000000\r")
        await asked(night, "choose-value")
        await down_to(window, "vm.swappiness")
        window.keys("udb-new\r")
        await asked(night, "confirm", "undo")


async def down_to(window: Pty, setting: str) -> None:
    """Put the cursor on the row of a setting, from the first row on."""
    window.keys(HOME)
    await window.still()
    for _ in range(40):
        if re.search(rf"▸ . {re.escape(setting)} ", window.text):
            return
        before = window.text
        window.keys(DOWN)
        await until(lambda before=before: window.text != before, PATIENCE_S)  # type: ignore[misc]
    pytest.fail(f"the cursor never came to {setting}:\n{window.text}")


async def test_a_step_is_run_done_by_hand_skipped_and_copied_by_keys() -> None:
    steps = scenes.replication_steps()
    events = [*scenes.up_to_replication(), *scenes.done(steps[:2])]
    async with told(events) as night, window_on(night) as window:
        window.keys("7")
        await window.shows("pg_dump --schema-only")
        window.keys("y")
        await window.shows("sent to the terminal's clipboard")
        window.keys("\r")
        (ran,) = await asked(night, "run")
        assert getattr(ran, "step", "") == "schema@db-new/orders"
        window.keys("m")
        await asked(night, "by-hand")
        window.keys("snot needed here\r")
        (skipped,) = await asked(night, "skip")
        assert getattr(skipped, "reason", "") == "not needed here"


async def test_meter_verify_journal_help_and_palette_by_keys() -> None:
    async with told(scenes.verified()) as night, window_on(night) as window:
        window.keys("8u")
        await window.shows("In bytes")
        window.keys("9")
        await window.shows("▸ 9", "Verify")
        night.desk.handled.clear()
        window.keys("p")
        await until(lambda: bool(night.desk.handled), PATIENCE_S)
        assert [getattr(each, "phase", "") for each in night.desk.handled] == ["verify"]
        window.keys("l")
        await window.shows("looked        Verify in")
        await window.leaves("looked        Verify in")
        window.keys("?")
        await window.shows("Help: Verify")
        await window.leaves("Help: Verify")
        window.keys(f"{PALETTE}go to: Route\r")
        await window.shows("▸ 3")


async def test_the_stretch_is_armed_gone_and_aborted_by_keys() -> None:
    async with told(scenes.prepared()) as night, window_on(night) as window:
        window.keys("0t")
        await window.shows("Arm the stretch")
        window.keys("db-old\r")
        await asked(night, "arm")
        tell(night, scenes.armed())
        await window.shows("ARMED, nothing paused yet")
        window.keys("g")
        await asked(night, "go")
        tell(night, scenes.paused())
        await window.shows("WRITES PAUSED")
        window.keys("a")
        await asked(night, "abort")
        window.keys("qd")
        assert await window.end() == 0
