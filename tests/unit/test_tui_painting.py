"""What is painted again: the runs of cells that differ, and of an update those cells alone."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment
from textual._compositor import ChopsUpdate
from textual.strip import Strip

from tui.narrow import NarrowUpdate, narrowed
from tui.words.text import WORTH_A_MOVE_CELLS, Line, Span, changed_runs, line, plain

TEXTS = st.text(alphabet="ab ⣿⠀│é漢", max_size=60)


def test_equal_lines_have_nothing_to_paint() -> None:
    assert changed_runs(line("a", Span("b", "warn")), line("a", Span("b", "warn"))) == []


def test_a_figure_that_changed_is_one_run_and_a_far_one_another() -> None:
    old = line(Span("behind   ", "dim"), "41.0 MB", " " * 30, "48 MB")
    new = line(Span("behind   ", "dim"), "42.5 MB", " " * 30, "49 MB")
    assert changed_runs(old, new) == [(10, 13), (47, 48)]


def test_another_tone_is_a_change() -> None:
    assert changed_runs(line("stop"), line(Span("stop", "stop"))) == [(0, 4)]


def test_a_shorter_line_leaves_nothing_of_the_longer_one() -> None:
    assert changed_runs(line("1.2 MB/s"), line("1.2")) == [(3, 8)]


def test_a_wide_character_takes_both_its_cells() -> None:
    assert changed_runs(line("x漢y"), line("x字y")) == [(1, 3)]


@given(TEXTS, TEXTS)
def test_outside_the_runs_both_lines_are_alike(one: str, other: str) -> None:
    runs = changed_runs(line(one), line(other))
    before, after = cells(line(one)), cells(line(other))
    width = max(len(before), len(after))
    for at in range(width):
        if not any(first <= at < end for first, end in runs):
            assert before[at : at + 1] == after[at : at + 1]
    assert all(first < end <= width for first, end in runs)
    ends = [end for _, end in runs]
    starts = [first for first, _ in runs]
    gaps = [start - end for start, end in zip(starts[1:], ends, strict=False)]
    assert all(gap >= WORTH_A_MOVE_CELLS for gap in gaps)


def cells(of: Line) -> list[str]:
    return [character for character in plain(of) for _ in range(cell_len(character))]


def written(update: ChopsUpdate) -> str:
    return update.render_segments(Console(file=io.StringIO(), color_system=None))


def an_update(*spans: tuple[int, int, int]) -> ChopsUpdate:
    """Two lines of two panels that stand beside each other from cell 10 on."""
    left, right = Strip([Segment("0123456789")]), Strip([Segment("abcdefghij")])
    return ChopsUpdate([{0: left, 10: right}] * 2, list(spans), [[10, 20]] * 2)


def test_of_an_update_only_the_marked_cells_are_written() -> None:
    assert written(narrow(an_update((0, 3, 5)))) == "\x1b[1;4H34"
    assert written(narrow(an_update((1, 8, 12)))) == "\x1b[2;9H89\x1b[2;11Hab"
    assert written(narrow(an_update((0, 0, 20)))) == "\x1b[1;1H0123456789\x1b[1;11Habcdefghij"


def test_it_is_less_than_what_the_library_writes_by_itself() -> None:
    """Should this fail, the library cuts its updates itself, and `tui.narrow` can go."""
    update = an_update((0, 8, 10))
    assert len(written(narrow(update))) < len(written(update))


def narrow(update: ChopsUpdate) -> ChopsUpdate:
    told = narrowed(update)
    assert isinstance(told, NarrowUpdate)
    return told


def test_what_is_no_update_of_cells_stays_as_it_is() -> None:
    assert narrowed(None) is None
    assert narrowed("a screen") == "a screen"
