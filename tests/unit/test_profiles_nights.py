"""Where nights are kept on this machine, and which one is meant."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
import time
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from profiles import nights
from profiles.errors import EngineError
from profiles.journal import Journal
from profiles.nights import (
    NightFolder,
    clear_socket,
    make_socket_path,
    new_night,
    socket_path,
    the_live_night,
    the_night,
)

NOW = datetime(2026, 3, 1, 0, 30, tzinfo=timezone(timedelta(hours=1)))


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "nightferry" / "nights"


def live(folder: Path, until: ExitStack) -> Path:
    until.enter_context(Journal.create(folder, night=folder.name, version="0", profile="p"))
    return folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_night_is_named_after_profile_and_time(state: Path) -> None:
    folder = new_night("Bestellungen Köln/2", NOW)
    assert folder.parent == state
    assert folder.name[:-4] == "bestellungen-koln-2-20260228-2330-"
    assert len(folder.name[-4:]) == 4
    assert all(mode(each) == 0o700 for each in (folder, state, state.parent))


@pytest.mark.parametrize(
    ("name", "slug"),
    [("..", "night"), ("日本", "night"), ("a" * 90, "a" * 40), ("-x_Y-", "x-y"), ("a\n", "a")],
)
def test_any_name_makes_a_safe_folder(name: str, slug: str) -> None:
    assert nights.slug(name) == slug


@pytest.mark.parametrize("named", ["", "relative/path"])
def test_without_a_proper_state_home_it_is_below_home(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", named)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert nights.state_folder() == tmp_path / ".local" / "state" / "nightferry" / "nights"


def test_a_state_folder_that_cannot_be_made_is_said(state: Path) -> None:
    state.parents[1].write_text("a file is in the way")
    with pytest.raises(EngineError, match=r"make the night's folder: .* Set XDG_STATE_HOME"):
        new_night("orders", NOW)


def test_nights_are_listed_newest_first_with_who_is_live() -> None:
    older = new_night("z", NOW - timedelta(days=1))
    newer = new_night("a", NOW)
    with ExitStack() as until:
        live(older, until)
        assert nights.nights() == [
            NightFolder(newer.name, newer, False),
            NightFolder(older.name, older, True),
        ]


def test_before_the_first_night_there_is_none() -> None:
    assert nights.nights() == []
    with pytest.raises(EngineError, match="no engine is running"):
        the_live_night(None)


def test_the_only_live_night_needs_no_name() -> None:
    new_night("ended", NOW)
    folder = new_night("orders", NOW)
    with ExitStack() as until:
        live(folder, until)
        assert the_live_night(None).path == folder
    with pytest.raises(EngineError, match="no engine is running"):
        the_live_night(None)


def test_of_several_live_nights_one_has_to_be_named() -> None:
    with ExitStack() as until:
        one = live(new_night("one", NOW), until)
        two = live(new_night("two", NOW), until)
        with pytest.raises(EngineError) as caught:
            the_live_night(None)
        assert "there are 2" in str(caught.value)
        assert one.name in str(caught.value)
        assert two.name in str(caught.value)
        assert the_live_night(one.name).path == one


def test_a_night_by_name_need_not_be_live() -> None:
    folder = new_night("orders", NOW)
    assert the_night(folder.name) == NightFolder(folder.name, folder, False)
    with pytest.raises(EngineError, match=f"{folder.name}: .*no engine is running"):
        the_live_night(folder.name)
    with pytest.raises(EngineError, match=f"there is no such night; there is {folder.name}"):
        the_night("other")


def test_the_socket_is_in_the_folder_of_the_night(tmp_path: Path) -> None:
    folder = Path("/tmp/" + "x" * (107 - len("/tmp//engine.sock")))
    assert socket_path(folder) == folder / "engine.sock"
    assert len(str(socket_path(folder))) == 107


@pytest.fixture
def long_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(nights, "SHORT_FOLDER", tmp_path)
    return tmp_path / ("ä" * 60)


def test_a_long_path_has_its_socket_in_a_short_private_folder(
    long_folder: Path, tmp_path: Path
) -> None:
    path = make_socket_path(long_folder)
    assert path.parent.parent == tmp_path
    assert mode(path.parent) == 0o700
    assert make_socket_path(long_folder) == socket_path(long_folder) == path
    assert socket_path(long_folder.with_name("ö" * 60)) != path


def test_looking_for_an_engine_leaves_nothing(long_folder: Path, tmp_path: Path) -> None:
    assert not socket_path(long_folder).parent.exists()
    clear_socket(long_folder)
    assert list(tmp_path.iterdir()) == []


def test_nothing_of_a_socket_is_left(long_folder: Path, tmp_path: Path) -> None:
    make_socket_path(long_folder).touch()
    clear_socket(long_folder)
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_night_outlives_its_socket() -> None:
    with tempfile.TemporaryDirectory() as name:
        make_socket_path(Path(name)).touch()
        clear_socket(Path(name))
        assert list(Path(name).iterdir()) == []


def test_a_short_folder_that_others_may_use_is_refused(long_folder: Path) -> None:
    make_socket_path(long_folder).parent.chmod(0o755)
    for asked in (socket_path, make_socket_path):
        with pytest.raises(EngineError, match="it is not a private folder of this user"):
            asked(long_folder)


def test_a_short_folder_that_is_a_link_is_refused(long_folder: Path, tmp_path: Path) -> None:
    short = make_socket_path(long_folder).parent
    short.rmdir()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    for target in ("elsewhere", "nowhere"):
        short.symlink_to(target)
        for asked in (socket_path, make_socket_path):
            with pytest.raises(EngineError, match="it is not a private folder of this user"):
                asked(long_folder)
        short.unlink()


A_DAY_AGO = time.time() - 86400


def left_by(folder: Path, digits: str, *, bound: bool = True) -> Path:
    """What an engine that was killed leaves: a folder, and a socket nobody listens on."""
    short = folder / f"nightferry-{os.geteuid()}-{digits * 16}"
    short.mkdir(mode=0o700)
    if bound:
        with socket.socket(socket.AF_UNIX) as line:
            line.bind(str(short / "engine.sock"))
    os.utime(short, (A_DAY_AGO, A_DAY_AGO))
    return short


def test_what_killed_engines_left_goes_with_the_next_one(long_folder: Path, tmp_path: Path) -> None:
    left_by(tmp_path, "a")
    left_by(tmp_path, "b", bound=False)
    path = make_socket_path(long_folder)
    assert list(tmp_path.iterdir()) == [path.parent]


def test_only_what_is_dead_and_ours_goes(long_folder: Path, tmp_path: Path) -> None:
    live, young = left_by(tmp_path, "a", bound=False), left_by(tmp_path, "b")
    open_to_all, full, other = (left_by(tmp_path, digit) for digit in "cde")
    os.utime(young)
    open_to_all.chmod(0o755)
    (full / "something").touch()
    os.utime(full, (A_DAY_AGO, A_DAY_AGO))
    other = other.rename(tmp_path / f"nightferry-{os.geteuid()}-mine")
    link = tmp_path / f"nightferry-{os.geteuid()}-{'f' * 16}"
    link.symlink_to(other)
    with socket.socket(socket.AF_UNIX) as line:
        line.bind(str(live / "engine.sock"))
        line.listen()
        os.utime(live, (A_DAY_AGO, A_DAY_AGO))
        make_socket_path(long_folder)
    assert (live / "engine.sock").exists()
    assert all(one.exists() for one in (young, open_to_all, full / "something", other, link))
