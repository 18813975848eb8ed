"""The journal: whatever is cut off its end, what stands before is read and can be gone on with."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.errors import JournalError, JournalLockedError, JournalVersionError
from profiles.events import Event, Said, StepBegan, UnknownEvent
from profiles.journal import FILE, Header, Journal, is_live, read_events

HEADER = Header(night="n", version="0.1.0", profile="orders")


def said(number: int, text: str = "hello") -> Said:
    return Said(seq=number, at=datetime(2026, 3, 1, tzinfo=UTC), night="n", text=text)


def created(folder: Path) -> Journal:
    return Journal.create(folder, night="n", version="0.1.0", profile="orders")


def written(folder: Path, *events: Event) -> Path:
    with created(folder) as journal:
        for event in events:
            journal.append(event)
    return folder / FILE


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Journal]:
    with created(tmp_path) as journal:
        yield journal


def test_what_is_appended_is_read_again(tmp_path: Path) -> None:
    events = [said(1), StepBegan(seq=2, step="slot@old/orders", by="wizard"), said(3, "ü\n\x00 ")]
    path = written(tmp_path, *events)
    assert read_events(tmp_path) == (HEADER, events, 0)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes().startswith(b'{"journal":1,"night":"n","version":')


def test_a_night_goes_on_where_it_ended(tmp_path: Path) -> None:
    written(tmp_path, said(1))
    with Journal.open(tmp_path) as journal:
        assert (journal.header, journal.events, journal.torn) == (HEADER, [said(1)], 0)
        journal.append(said(2), wait=False)
        journal.sync()
    assert read_events(tmp_path).events == [said(1), said(2)]


def test_only_waiting_is_put_on_disk(locked: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    locked.append(said(1), wait=False)
    locked.append(said(2), wait=False)
    assert not synced
    locked.sync()
    locked.append(said(3))
    assert len(synced) == 2
    assert read_events(locked.path.parent).events == [said(1), said(2), said(3)]


def test_there_is_one_journal_a_night(tmp_path: Path) -> None:
    written(tmp_path, said(1))
    with pytest.raises(JournalError, match="create the journal: File exists"):
        created(tmp_path)
    assert read_events(tmp_path).events == [said(1)]


def test_a_second_engine_is_refused(locked: Journal) -> None:
    with pytest.raises(JournalLockedError, match="another engine holds this night"):
        Journal.open(locked.path.parent)


def test_a_second_process_is_refused_until_the_first_is_dead(tmp_path: Path) -> None:
    written(tmp_path)
    code = (
        "import sys; from pathlib import Path; from profiles.journal import Journal;"
        "journal = Journal.open(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert is_live(tmp_path)
        with pytest.raises(JournalLockedError):
            Journal.open(tmp_path)
        holder.kill()
    assert not is_live(tmp_path)
    Journal.open(tmp_path).close()


def test_looking_whether_it_is_live_disturbs_nobody(locked: Journal) -> None:
    folder = locked.path.parent
    assert is_live(folder)
    assert is_live(folder)
    locked.append(said(1))


def test_a_night_without_a_journal_or_an_engine_is_not_live(tmp_path: Path) -> None:
    assert not is_live(tmp_path)
    written(tmp_path)
    assert not is_live(tmp_path)


@given(
    texts=st.lists(st.text(max_size=8), min_size=1, max_size=4),
    cut=st.floats(0, 1),
    tail=st.binary(max_size=6).filter(lambda tail: b"\n" not in tail),
)
def test_cut_anywhere_it_holds_the_events_before(texts: list[str], cut: float, tail: bytes) -> None:
    events = [said(number, text) for number, text in enumerate(texts, start=1)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = written(folder, *events)
        whole = path.read_bytes()
        first = whole.index(b"\n") + 1
        kept = whole[: first + round(cut * (len(whole) - first))]
        path.write_bytes(kept + tail)
        before = kept.count(b"\n") - 1
        torn = len(kept) - kept.rindex(b"\n") - 1 + len(tail)
        assert read_events(folder) == (HEADER, events[:before], torn)
        with Journal.open(folder) as journal:
            assert (journal.events, journal.torn) == (events[:before], torn)
            journal.append(said(99))
        assert read_events(folder) == (HEADER, [*events[:before], said(99)], 0)


def test_a_last_line_that_ends_and_is_no_event_is_torn_too(tmp_path: Path) -> None:
    path = written(tmp_path, said(1))
    path.write_bytes(path.read_bytes() + b'\0\0\0\0"}\n')
    assert read_events(tmp_path) == (HEADER, [said(1)], 7)
    with Journal.open(tmp_path) as journal:
        assert journal.torn == 7
    assert read_events(tmp_path).torn == 0


def test_damage_in_the_middle_is_not_passed_over(tmp_path: Path) -> None:
    path = written(tmp_path, said(1), said(2))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"\0\0\n" + lines[2])
    before = path.read_bytes()
    with pytest.raises(JournalError, match="line 2 is not an event"):
        read_events(tmp_path)
    with pytest.raises(JournalError, match="line 2 is not an event"):
        Journal.open(tmp_path)
    assert path.read_bytes() == before
    assert not is_live(tmp_path)


def test_an_event_of_an_unknown_kind_is_kept_as_it_came(tmp_path: Path) -> None:
    path = written(tmp_path, said(1))
    path.write_bytes(path.read_bytes() + b'{"kind":"from-the-future","seq":2,"answer":42}\n')
    event = read_events(tmp_path).events[1]
    assert isinstance(event, UnknownEvent)
    assert (event.was, event.seq, event.raw["answer"]) == ("from-the-future", 2, 42)


def test_a_journal_of_another_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.write_bytes(b'{"journal":2,"anything":"else"}\ntorn')
    for opened in (read_events, Journal.open):
        with pytest.raises(JournalVersionError, match="it has format 2, and this version reads"):
            opened(tmp_path)
    assert path.read_bytes().endswith(b"\ntorn")


@pytest.mark.parametrize("data", [b"", b'{"journal":1,"nig', b"[]\n", b"hello\n", b'{"a":1}\n'])
def test_what_does_not_begin_as_a_journal_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(data)
    with pytest.raises(JournalError, match="the first line is not that of a journal"):
        Journal.open(tmp_path)
    assert (tmp_path / FILE).read_bytes() == data


def test_a_journal_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="read the journal: No such file"):
        read_events(tmp_path)
    with pytest.raises(JournalError, match="open the journal: No such file"):
        Journal.open(tmp_path)


def test_a_full_disk_loses_nothing_that_was_written(
    locked: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked.append(said(1))
    really_write = os.write

    def fills_up(handle: int, data: bytes) -> int:
        if len(data) < 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        return really_write(handle, data[:-15])

    with monkeypatch.context() as full:
        full.setattr(os, "write", fills_up)
        with pytest.raises(JournalError, match="write to the journal: No space left on device"):
            locked.append(said(2))
    assert read_events(locked.path.parent) == (HEADER, [said(1)], 0)
    locked.append(said(3))
    assert read_events(locked.path.parent).events == [said(1), said(3)]


def test_a_disk_that_does_not_answer_is_said(
    locked: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(JournalError, match="put the journal on disk: Input/output error"):
        locked.append(said(1))
