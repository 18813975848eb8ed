"""The graph, the glyph table, the offers and the clipboard: what the panels are drawn with."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui import clipboard, glyphs
from tui.keys import Offer, find, footer_line, help_lines
from tui.words.graph import area, ceiling
from tui.words.text import plain, text_of, width

READINGS = st.lists(st.one_of(st.none(), st.floats(min_value=0, max_value=1e9)), max_size=300)


@given(READINGS, st.integers(min_value=1, max_value=90), st.integers(min_value=1, max_value=10))
def test_the_area_is_always_as_large_as_asked(
    values: list[float | None], cells: int, rows: int
) -> None:
    drawn = area(values, cells, rows, ceiling(values))
    assert [len(each) for each in drawn] == [cells] * rows


def test_the_area_is_filled_from_the_ground_and_the_newest_is_right() -> None:
    assert area([0.0, 0.0, 8.0, 8.0], 3, 2, 8.0) == ["  ⣿", " ⣀⣿"]


def test_a_missing_reading_leaves_a_gap_and_zero_does_not() -> None:
    assert area([None, 0.0], 1, 1, 1.0) == ["⢀"]


@pytest.mark.parametrize(("largest", "top"), [(0.0, 1), (1.5, 2), (38e6, 50e6), (1e6, 1e6)])
def test_the_scale_ends_at_a_round_number(largest: float, top: float) -> None:
    assert ceiling([largest, None]) == top


# Glyphs


def test_every_twin_is_one_cell() -> None:
    assert all(len(twin) == 1 and twin.isascii() for twin in glyphs.ASCII.values())
    assert all(len(twin) == 1 for twin in glyphs.BLOCKS.values())


def test_marks_stay_apart_without_utf8() -> None:
    drawn = glyphs.drawn("✓ pass · note ! warn ✗ stop ? unknown ⣿", glyphs.ASCII)
    assert drawn == "+ pass - note ! warn X stop ? unknown #"


@pytest.mark.parametrize(
    ("environment", "table"),
    [
        ({"LANG": "C.UTF-8", "TERM": "xterm"}, {}),
        ({"LC_ALL": "de_DE.ISO-8859-1", "LANG": "C.UTF-8"}, glyphs.ASCII),
        ({"LANG": "en_US.utf8", "TERM": "linux"}, glyphs.BLOCKS),
        ({"LC_ALL": "C", "LANG": "C.UTF-8"}, glyphs.ASCII),
        ({"LC_CTYPE": "C.UTF-8", "LANG": "C"}, glyphs.ASCII),  # Python's own mending of LANG=C
        ({"LC_CTYPE": "en_US.UTF-8", "LANG": "C"}, {}),
    ],
)
def test_the_table_is_chosen_by_locale_and_terminal(
    environment: dict[str, str], table: dict[int, str]
) -> None:
    assert glyphs.table_here(environment) == table


# Offers


def offers() -> list[Offer]:
    def do() -> None:
        raise AssertionError("not pressed here")

    names = ["Run step", "Run all", "Done by hand", "Skip", "Look again", "Copy", "Journal", "Quit"]
    listed = [Offer(str(at), name, do) for at, name in enumerate(names)]
    listed[1] = Offer("1", "Run all", do, why_not="a step is running")
    return [*listed, Offer("?", "Help", do), Offer("0", "Never", do)]


@pytest.mark.parametrize("cells", [60, 80, 120])
def test_the_footer_fits_has_seven_keys_at_most_and_help_last(cells: int) -> None:
    drawn = plain(footer_line(offers(), cells))
    assert len(drawn) <= cells
    assert drawn.rstrip().endswith("? Help")
    assert "Quit" not in drawn
    assert "(1 Run all)" in drawn, "a key that cannot work is told apart without colour"


def test_a_key_means_the_first_offer_under_it() -> None:
    found = find(offers(), "0", "0")
    assert found is not None
    assert found.does == "Run step"
    assert find(offers(), "f9", None) is None


def test_help_says_why_a_key_does_not_work() -> None:
    said = text_of(help_lines(offers()))
    assert "not now: a step is running" in said
    assert "Never" not in said
    assert width(help_lines(offers())[0]) < 80


# Clipboard


def test_text_goes_to_the_terminal_by_osc_52() -> None:
    written: list[str] = []
    said = clipboard.copy("SELECT 1", inside_tmux=False, write=written.append)
    assert said == "sent to the terminal's clipboard (OSC 52)"
    assert written == [f"\x1b]52;c;{base64.b64encode(b'SELECT 1').decode()}\x07"]


def test_what_is_too_long_for_the_terminal_goes_to_a_private_file() -> None:
    long = "x" * clipboard.LONGEST_OSC52
    said = clipboard.copy(long, inside_tmux=False, write=lambda _: None)
    path = Path(said.removeprefix("written to "))
    try:
        assert path.read_text(encoding="utf-8") == long + "\n"
        assert path.stat().st_mode & 0o077 == 0
    finally:
        path.unlink()


def test_without_tmux_inside_tmux_a_file_is_the_last_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    said = clipboard.copy("a", inside_tmux=True, write=lambda _: None)
    path = Path(said.removeprefix("written to "))
    assert path.read_text(encoding="utf-8") == "a\n"
    path.unlink()
