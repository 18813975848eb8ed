"""Events as they come into being: numbered without a gap, journalled or not, handed on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.launch import begin
from engine.night import LiveNight
from profiles.errors import JournalError
from profiles.events import Event, NightBegan, Progressed, Said, Sampled
from profiles.fold import Night, fold
from profiles.journal import Journal, read_events
from tests.fix_engine import a_profile


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


class Sheet(Journal):
    """A journal that keeps in memory what it was told, and may lose its disk."""

    def __init__(self) -> None:
        self.lines: list[Event] = []
        self.waited = 0
        self.broken = False

    def append(self, event: Event, wait: bool = True) -> None:
        if self.broken:
            raise JournalError("journal", "write", "No space left on device")
        self.lines.append(event)

    def sync(self) -> None:
        self.waited += 1


@pytest.fixture
def sheet() -> Sheet:
    return Sheet()


@pytest.fixture
def live(sheet: Sheet) -> LiveNight:
    return LiveNight(Path("/nights/orders-x"), sheet, Night(), Clock())


def test_numbers_times_and_names_what_it_journals(live: LiveNight, sheet: Sheet) -> None:
    first = live.publish(Said(text="one"))
    second = live.publish(Said(text="two"))
    assert (first.seq, second.seq) == (1, 2)
    assert first.night == "orders-x"
    assert second.at - first.at == timedelta(seconds=1)
    assert sheet.lines == [first, second]
    assert live.state.seq == 2
    assert sheet.waited == 2


def test_without_waiting_only_sync_puts_it_on_the_disk(live: LiveNight, sheet: Sheet) -> None:
    live.publish(Said(text="in the pause"), wait=False)
    assert (len(sheet.lines), sheet.waited) == (1, 0)
    live.sync()
    assert sheet.waited == 1


def test_window_only_events_take_no_number(live: LiveNight, sheet: Sheet) -> None:
    live.publish(Said(text="one"))
    progress = live.publish(Progressed(what="copy", done=1))
    after = live.publish(Said(text="two"))
    assert (progress.seq, after.seq) == (1, 2)
    assert len(sheet.lines) == 2
    assert live.state.progress["copy"].done == 1


def test_a_thinned_copy_of_the_samples_is_journalled(live: LiveNight, sheet: Sheet) -> None:
    for behind in range(25):  # one a second
        live.publish(Sampled(behind_bytes=behind))
    kept = [event for event in sheet.lines if isinstance(event, Sampled)]
    assert [sample.behind_bytes for sample in kept] == [0, 10, 20]
    assert all(sample.thinned for sample in kept)
    assert [sample.seq for sample in kept] == [1, 2, 3]
    assert len(live.state.samples) == 25
    assert sheet.waited == 0


def test_nobody_hears_of_what_could_not_be_journalled(live: LiveNight, sheet: Sheet) -> None:
    heard: list[Event] = []
    live.listeners.append(heard.append)
    sheet.broken = True
    with pytest.raises(JournalError):
        live.publish(Said(text="lost"))
    assert heard == []
    assert live.state.seq == 0
    sheet.broken = False
    assert live.publish(Said(text="kept")).seq == 1
    assert len(heard) == 1


def test_a_night_begins_with_its_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folder = begin(a_profile())
    header, events, torn = read_events(folder)
    assert (header.night, torn) == (folder.name, 0)
    (began,) = events
    assert isinstance(began, NightBegan)
    assert began.profile["source"]["name"] == "db-old"
    assert fold(events).name == folder.name
    assert (folder / "profile.toml").stat().st_mode & 0o777 == 0o600
