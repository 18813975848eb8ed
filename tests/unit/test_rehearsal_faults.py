"""The cards and faults as data: every phase has a card, and nothing is named that is not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.launch import begin
from profiles.errors import HostError
from profiles.phases import BY_ID, PHASES
from rehearsal import __main__ as command
from rehearsal import killing
from rehearsal.breaking import HOLD_S
from rehearsal.faults import BY_NAME, CARDS, FAULTS, Fault, offered
from rehearsal.folders import BOX, BoxState, Layout
from tests.fix_engine import a_profile


def test_every_phase_has_one_card_that_offers_a_fault() -> None:
    assert [card.phase for card in CARDS] == [phase.id for phase in PHASES]
    assert all(card.teaches and card.faults for card in CARDS)
    assert all(len(set(card.faults)) == len(card.faults) for card in CARDS)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_names_phases_that_exist_and_says_everything(fault: Fault) -> None:
    assert BY_NAME[fault.name] is fault
    assert fault.phase in BY_ID and fault.shown_on
    assert set(fault.shown_on) <= set(BY_ID)
    assert all((fault.title, fault.teaches, fault.does, fault.seen, fault.todo))
    assert fault in offered(fault.phase)


def test_what_holds_on_says_for_how_long() -> None:
    held = [BY_NAME["long-transaction"], BY_NAME["stalled-subscription"]]
    assert all(f"{HOLD_S / 60:g} minutes" in fault.does for fault in held)


def test_an_unknown_fault_is_refused_with_those_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Layout(tmp_path).write_state(BoxState(state="ready"))
    assert command.main(["fault", str(tmp_path), "earthquake"]) == 1
    assert "long-transaction" in capsys.readouterr().out


def test_a_fault_of_a_rehearsal_that_is_gone_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["fault", str(tmp_path / "gone"), "lost-slot"]) == 1
    assert "there is none" in capsys.readouterr().out
    assert command.main(["fault", str(tmp_path), "lost-slot", "--redo"]) == 2


def test_no_engine_is_killed_that_moves_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    night = begin(a_profile("rehearsal"))
    (night / BOX).write_text(str(tmp_path / "another"))
    with pytest.raises(HostError, match="no live night moves this rehearsal"):
        killing.kill(tmp_path / "box")
    assert not killing._is_engine(os.getpid(), night)
