"""A new night entered key by key in a real terminal: two real servers say what they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from profiles import journal, load, nights
from profiles.fold import Night, fold
from tests.fix_processes import end_all
from tests.fix_servers import PASSWORD, Pair
from tests.fix_terminal import Terminal
from tests.live.test_wizard_in_a_terminal import NIGHTFERRY

pytestmark = pytest.mark.live

WRONG = "not the password"


@pytest.fixture(autouse=True)
def _places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("OLD_PASSWORD", PASSWORD)
    yield
    for night in nights.nights():
        end_all(night.path)


def the_night() -> Path:
    (night,) = nights.nights()
    return night.path


def state() -> Night:
    return fold(journal.read_events(the_night()).events)


def server(terminal: Terminal, name: str, port: int, *password: str) -> None:
    """The fields of one server, from its name to who operates it."""
    terminal.keys(name, "Tab", "127.0.0.1", "Tab", str(port), "Tab", "Tab")
    terminal.keys(*password, "Tab", "Tab", "Tab", "NO", "Tab", "us", "Tab")


async def test_a_new_night_tries_each_server_as_it_is_entered(
    terminal: Terminal, old_and_new: Pair, tmp_path: Path
) -> None:
    terminal.open(NIGHTFERRY)
    await terminal.shows("No night yet")
    terminal.keys("n")
    await terminal.shows("What is this move called?")
    terminal.keys("shop", "Enter")
    await terminal.shows("Source: the old server")
    terminal.keys("Tab", "postgres", "Tab", "Tab")
    server(terminal, "db-old", old_and_new.old.port, "Right", "Tab", "OLD_PASSWORD")
    await terminal.shows("✓ PostgreSQL 16.")
    terminal.keys("Tab")
    server(terminal, "db-new", old_and_new.new.port, "Left")
    await terminal.shows("it has not been typed")

    await type_the_password(terminal, WRONG)
    await terminal.shows("password authentication failed")
    await type_the_password(terminal, PASSWORD)
    await terminal.shows("✓ PostgreSQL 18.")
    terminal.keys("C-r")
    page = await terminal.shows("What was found")
    for said in ("PostgreSQL 18.", "postgres is a superuser", "not encrypted"):
        assert said in page
    terminal.keys("End")
    await terminal.shows("this machine's")
    terminal.keys("Escape")
    await terminal.shows("operated by    us")

    terminal.keys("C-s")
    await terminal.shows("Save the profile")
    terminal.keys("Enter")
    await terminal.shows("The profile is saved")
    terminal.keys("Escape")
    await terminal.shows("On to Route")
    the_profile_is_everywhere(tmp_path / "config" / "nightferry" / "shop.toml")


async def type_the_password(terminal: Terminal, password: str) -> None:
    terminal.keys("F2")
    await terminal.shows("Password for db-new")
    terminal.keys(password, "Enter")


def the_profile_is_everywhere(path: Path) -> None:
    """In the file, beside the night, and in the journal; and no secret in any of them."""
    profile = load.read(path)
    assert load.read(the_night() / "profile.toml") == profile
    night = state()
    assert not night.draft
    assert night.profile["source"]["password"] == {"env": "OLD_PASSWORD"}
    assert {name: seen.version.split(".")[0] for name, seen in night.servers.items()} == {
        "db-old": "16",
        "db-new": "18",
    }
    assert night.verdict("servers") not in ("stop", "unknown", None)
    for written in (path, *the_night().iterdir()):
        if written.is_file():
            text = written.read_text()
            assert PASSWORD not in text
            assert WRONG not in text
