"""The ledger must notice whatever a store lost, doubled or changed, and nothing else."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rehearsal.ledger import Ended, Ending, Entry, Held, Row, Sent, judge, read, write_pause_ms
from rehearsal.writes import Write, compose, owned


@dataclass
class Store:
    """A database in miniature: the log of writes, and rows that may be there more than once."""

    log: list[str] = field(default_factory=list)
    rows: dict[Row, list[tuple[str | None, str]]] = field(default_factory=dict)

    def apply(self, write: Write) -> None:
        self.log.append(write.id)
        for change in write.changes:
            row = (change.table, change.key)
            if change.value is None:
                del self.rows[row]
            else:
                self.rows[row] = [(change.value, write.id)]

    def held(self) -> Held:
        return Held(Counter(self.log), self.rows)


@dataclass(frozen=True)
class Story:
    entries: list[Entry]
    store: Store


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Some writers' writes, each with a fate; the store holds just what it should."""
    chance = random.Random(draw(st.integers(0, 2**32)))
    writers = draw(st.integers(1, 3))
    owns = [owned(n, writers) for n in range(writers)]
    fates = st.sampled_from(
        ["acknowledged"] * 6 + ["failed", "in_doubt", "done in doubt", "no end"]
    )
    entries, store = [], Store()
    for count, fate in enumerate(draw(st.lists(fates, min_size=1, max_size=60))):
        own = owns[count % writers]
        write = compose(own, f"w{own.writer}-{count}", chance)
        if fate in ("acknowledged", "done in doubt"):
            store.apply(write)
        if fate == "acknowledged":
            own.done(write)
        elif fate == "failed":
            own.release(write)
        else:
            own.abandon(write)
        entries.append(_entry(write, fate))
    return Story(entries, store)


def _entry(write: Write, fate: str) -> Entry:
    sent = Sent(id=write.id, kind=write.kind, changes=write.changes, due=0.0, sent=0.0)
    if fate == "no end":
        return Entry(sent)
    endings: dict[str, Ending] = {"acknowledged": "acknowledged", "failed": "failed"}
    return Entry(sent, Ended(id=write.id, ending=endings.get(fate, "in_doubt"), at=0.0))


@given(stories())
def test_a_store_that_holds_just_what_it_should_is_clean(story: Story) -> None:
    verdict = judge(story.entries, story.store.held())
    assert verdict.clean, verdict.examples
    assert verdict.wrong == 0
    assert verdict.acknowledged + verdict.failed + verdict.in_doubt == len(story.entries)


@given(stories(), st.data())
def test_an_acknowledged_write_that_left_the_log_is_lost(story: Story, data: st.DataObject) -> None:
    done = [entry.sent.id for entry in story.entries if entry.ending == "acknowledged"]
    assume(done)
    story.store.log.remove(data.draw(st.sampled_from(done)))
    assert judge(story.entries, story.store.held()).lost >= 1


@given(stories(), st.data())
def test_a_row_that_went_is_lost(story: Story, data: st.DataObject) -> None:
    assume(story.store.rows)
    del story.store.rows[data.draw(st.sampled_from(sorted(story.store.rows)))]
    verdict = judge(story.entries, story.store.held())
    assert (verdict.lost, verdict.wrong, verdict.duplicated) == (1, 1, 0)


@given(stories(), st.data())
def test_a_row_with_another_value_is_lost_and_wrong(story: Story, data: st.DataObject) -> None:
    assume(story.store.rows)
    row = data.draw(st.sampled_from(sorted(story.store.rows)))
    ((value, id),) = story.store.rows[row]
    story.store.rows[row] = [(f"{value} ", id)]
    verdict = judge(story.entries, story.store.held())
    assert (verdict.lost, verdict.wrong) == (1, 1)
    assert str(row) in verdict.examples[0]


@given(stories(), st.data())
def test_a_row_by_an_older_write_is_wrong_though_its_value_is_right(
    story: Story, data: st.DataObject
) -> None:
    assume(story.store.rows)
    row = data.draw(st.sampled_from(sorted(story.store.rows)))
    ((value, _),) = story.store.rows[row]
    story.store.rows[row] = [(value, "w9-older")]
    assert judge(story.entries, story.store.held()).wrong == 1


@given(stories(), st.data())
def test_a_write_that_is_there_twice_is_duplicated(story: Story, data: st.DataObject) -> None:
    assume(story.store.log)
    story.store.log.append(data.draw(st.sampled_from(story.store.log)))
    verdict = judge(story.entries, story.store.held())
    assert (verdict.duplicated, verdict.lost) == (1, 0)


@given(stories(), st.data())
def test_a_row_that_is_there_twice_is_duplicated(story: Story, data: st.DataObject) -> None:
    assume(story.store.rows)
    story.store.rows[data.draw(st.sampled_from(sorted(story.store.rows)))] *= 2
    verdict = judge(story.entries, story.store.held())
    assert (verdict.duplicated, verdict.lost) == (1, 0)


@given(stories(), st.data())
def test_a_write_the_server_refused_must_not_be_there(story: Story, data: st.DataObject) -> None:
    refused = [entry.sent.id for entry in story.entries if entry.ending == "failed"]
    assume(refused)
    story.store.log.append(data.draw(st.sampled_from(refused)))
    assert judge(story.entries, story.store.held()).duplicated == 1


@given(stories())
def test_what_nobody_wrote_is_noticed(story: Story) -> None:
    story.store.log.append("stranger")
    story.store.rows["orders", "o-stranger"] = [("1.00", "stranger")]
    assert judge(story.entries, story.store.held()).duplicated == 1


@given(stories())
def test_a_doubtful_write_that_is_there_by_half_is_wrong(story: Story) -> None:
    doubtful = [entry for entry in story.entries if entry.ending == "in_doubt"]
    absent = [entry for entry in doubtful if entry.sent.id not in story.store.log]
    assume(absent)
    (first, *_) = absent
    story.store.log.append(first.sent.id)
    verdict = judge(story.entries, story.store.held())
    gone = first.sent.changes[0].value is None
    row = (first.sent.changes[0].table, first.sent.changes[0].key)
    assert verdict.wrong == (1 if not gone or row in story.store.rows else 0)


def test_a_deleted_row_that_came_back_is_lost() -> None:
    own, chance = owned(0, 1), random.Random(1)
    entries, store, dropped = [], Store(), None
    for count in range(100):
        write = compose(own, f"w0-{count}", chance)
        before = {row: list(found) for row, found in store.rows.items()}
        store.apply(write)
        own.done(write)
        entries.append(_entry(write, "acknowledged"))
        if write.kind == "cart dropped":
            dropped = ("carts", write.changes[0].key)
            store.rows[dropped] = before[dropped]
            break
    assert dropped is not None
    verdict = judge(entries, store.held())
    assert (verdict.lost, verdict.wrong) == (1, 1)


def test_reading_leaves_out_a_torn_line_and_keeps_a_write_without_an_end(tmp_path: Path) -> None:
    write = compose(owned(0, 1), "w0-1", random.Random(2))
    sent = Sent(id=write.id, kind=write.kind, changes=write.changes, due=1.0, sent=1.5)
    ended = Ended(id=write.id, ending="acknowledged", at=2.0, server=5432)
    later = msgspec.structs.replace(sent, id="w0-2")
    lines = [msgspec.json.encode(line) + b"\n" for line in (sent, ended, later)]
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(b"".join(lines) + b'{"line":"ended","id":"w0-2","ending":"ackn')
    first, second = read(path)
    assert first == Entry(sent, ended)
    assert (second.ended, second.ending) == (None, "in_doubt")


def _timed(id: str, due: float, at: float, ending: Ending = "acknowledged") -> Entry:
    sent = Sent(id=id, kind="order", changes=(), due=due, sent=due)
    return Entry(sent, Ended(id=id, ending=ending, at=at))


def test_the_pause_is_the_longest_wait_of_the_writes_due_around_it() -> None:
    paused, resumed = (datetime.fromtimestamp(at, UTC) for at in (1000.0, 1000.05))
    entries = [
        _timed("long before", 999.7, 1005.0),
        _timed("just before", 999.85, 1000.1),
        _timed("within", 1000.01, 1000.02),
        _timed("failed", 1000.01, 1002.0, "failed"),
        _timed("no end", 1000.01, 1002.0, "in_doubt"),
        _timed("after", 1003.1, 1009.0),
    ]
    assert write_pause_ms(entries, paused, resumed) == pytest.approx(250.0)


def test_a_long_pause_counts_until_it_ends() -> None:
    paused, resumed = (datetime.fromtimestamp(at, UTC) for at in (1000.0, 1008.0))
    entries = [_timed("in the first second", 1000.5, 1000.6), _timed("late", 1006.0, 1008.5)]
    assert write_pause_ms(entries, paused, resumed) == pytest.approx(2500.0)


def test_without_an_acknowledged_write_there_is_no_figure() -> None:
    now = datetime.fromtimestamp(1000.0, UTC)
    assert write_pause_ms([_timed("failed", 1000.0, 1001.0, "failed")], now, now) is None
