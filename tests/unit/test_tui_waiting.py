"""When a wait is shown and for how long; the title; the theme that is remembered."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from profiles import requests as ask
from profiles.fold import Night
from profiles.requests import AnyRequest
from tui import theme
from tui.terminal import (
    GIVE_BACK,
    KEEP,
    held_by_a_multiplexer,
    takes_titles,
    title_kept,
    titled,
)
from tui.waiting import Waiting
from tui.words.asked import asked


def test_what_is_answered_at_once_is_never_shown() -> None:
    waiting = Waiting()
    waiting.asked("a look", 10.0)
    assert waiting.said(10.09) == ""
    waiting.heard(10.09)
    assert waiting.said(10.2) == ""
    assert not waiting.goes_on(10.2)


def test_a_wait_is_shown_after_a_tenth_of_a_second_and_for_a_second_at_least() -> None:
    waiting = Waiting()
    waiting.asked("a look", 10.0)
    assert waiting.said(10.1) == "a look"
    waiting.heard(10.2)
    assert waiting.said(11.05) == "a look"
    assert waiting.goes_on(11.05)
    assert waiting.said(11.11) == ""


def test_a_long_wait_goes_when_it_is_answered() -> None:
    waiting = Waiting()
    waiting.asked("a look", 10.0)
    assert waiting.said(25.0) == "a look"
    waiting.heard(25.0)
    assert waiting.said(25.0) == ""


def test_asking_again_does_not_begin_the_wait_anew() -> None:
    waiting = Waiting()
    waiting.asked("a look", 10.0)
    waiting.asked("a step", 10.08)
    assert waiting.said(10.1) == "a step"


@pytest.mark.parametrize("request_type", AnyRequest.__args__)
def test_every_request_has_words_and_none_has_a_secret_in_them(
    request_type: type[ask.Request],
) -> None:
    values: dict[str, Any] = dict.fromkeys(request_type.__struct_fields__, "servers")
    if "value" in values:
        values["value"] = "hunter2"
    said = asked(Night(), request_type(**values))
    assert said.startswith("waiting for the engine to ")
    assert "hunter2" not in said


# The terminal


@pytest.mark.parametrize("term", ["xterm-256color", "tmux-256color", "screen", "xterm"])
def test_terminals_with_a_title(term: str) -> None:
    assert takes_titles({"TERM": term})


@pytest.mark.parametrize("term", ["linux", "vt100", "vt220", "dumb", ""])
def test_terminals_that_would_show_it_as_text(term: str) -> None:
    assert not takes_titles({"TERM": term})


def test_a_title_is_one_order() -> None:
    assert titled("orders: ready") == "\x1b]2;orders: ready\x07"


def test_tmux_and_screen_hold_a_terminal() -> None:
    assert held_by_a_multiplexer({"TMUX": "/tmp/tmux-0/default,1,0"})
    assert held_by_a_multiplexer({"STY": "123.night"})
    assert not held_by_a_multiplexer({"TMUX": ""})


class MadeUpTerminal(io.StringIO):
    """A terminal that keeps what is written to it."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("term", "written"), [("xterm", KEEP + GIVE_BACK), ("vt100", "")])
def test_the_title_of_before_is_given_back(
    term: str, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = MadeUpTerminal()
    monkeypatch.setattr("sys.__stderr__", here)
    with pytest.raises(ZeroDivisionError), title_kept({"TERM": term}):
        raise ZeroDivisionError
    assert here.getvalue() == written


def test_what_is_no_terminal_is_written_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    here = io.StringIO()
    monkeypatch.setattr("sys.__stderr__", here)
    with title_kept({"TERM": "xterm"}):
        assert here.getvalue() == ""
    assert here.getvalue() == ""


# The theme


def test_a_theme_is_remembered_below_the_folder_for_settings(tmp_path: Path) -> None:
    here = {"XDG_CONFIG_HOME": str(tmp_path), "HOME": "/nowhere"}
    assert theme.remembered(here) == theme.NIGHT.name
    theme.remember(theme.DAY.name, here)
    assert theme.remembered(here) == theme.DAY.name
    assert (tmp_path / "nightferry" / "theme").read_text() == "nightferry-light\n"


def test_without_such_a_folder_it_is_below_the_home(tmp_path: Path) -> None:
    here = {"XDG_CONFIG_HOME": "not/absolute", "HOME": str(tmp_path)}
    theme.remember(theme.DAY.name, here)
    assert (tmp_path / ".config" / "nightferry" / "theme").exists()
    assert theme.remembered(here) == theme.DAY.name


@pytest.mark.parametrize("text", [b"", b"no-such-theme\n", b"\xff\xfe"])
def test_what_cannot_be_read_is_the_dark_theme(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "nightferry").mkdir()
    (tmp_path / "nightferry" / "theme").write_bytes(text)
    assert theme.remembered({"XDG_CONFIG_HOME": str(tmp_path)}) == theme.NIGHT.name


def test_without_a_home_nothing_is_remembered() -> None:
    theme.remember(theme.DAY.name, {})
    assert theme.remembered({}) == theme.NIGHT.name


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "nightferry").write_text("a file in the way")
    with pytest.raises(OSError, match="nightferry"):
        theme.remember(theme.DAY.name, {"XDG_CONFIG_HOME": str(tmp_path)})
