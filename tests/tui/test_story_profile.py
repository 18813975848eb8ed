"""The form of a profile: typed, pasted, tried, wrong everywhere, left, saved."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.events import Paste
from textual.pilot import Pilot

from profiles import events as ev
from profiles import load
from profiles import requests as ask
from profiles.findings import Finding
from tests.tui import entering, scenes
from tests.tui.recorded import Recorded, Window, press, settled, shown
from tui.screens.profile import ProfileScreen
from tui.widgets.dialogs import Ask, Choose, Page


async def in_the_form(pilot: Pilot[str]) -> ProfileScreen:
    await settled(pilot)
    if not isinstance(pilot.app.screen, ProfileScreen):
        await press(pilot, "2", "e")
    assert isinstance(pilot.app.screen, ProfileScreen)
    return pilot.app.screen


async def typed(pilot: Pilot[str], *texts: str) -> None:
    """Each text into its field, one after the other; an empty one leaves the field as it is."""
    for text in texts:
        await pilot.press(*text, "tab")
    await settled(pilot)


def tries(link: Recorded) -> list[ask.TryServer]:
    return [each for each in link.sent if isinstance(each, ask.TryServer)]


def answered(asked: ask.TryServer, *findings: Finding) -> ev.Tried:
    return ev.Tried(side=asked.side, entered=asked.server, moving=asked.database, findings=findings)


async def test_a_night_that_is_a_draft_opens_its_form() -> None:
    window = Window(Recorded(entering.empty()))
    async with window.run_test(size=(80, 24)) as pilot:
        form = await in_the_form(pilot)
        assert "Source: the old server" in shown(window)
        assert form.form.text == "orders"
        await press(pilot, "escape")
        assert "The profile is not whole yet: e goes on entering it." in shown(window)


async def test_a_server_is_tried_once_it_is_whole_and_again_when_it_was_changed() -> None:
    link = Recorded(entering.empty())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await in_the_form(pilot)
        await typed(pilot, "", "shop", "", "db-old", "10.20.0.5", "", "", "", "", "", "DE")
        assert tries(link) == []
        await typed(pilot, "us")
        (first,) = tries(link)
        assert (first.side, first.server["address"], first.database) == (
            "source",
            "10.20.0.5",
            "shop",
        )
        assert "trying it" in shown(window)
        found = Finding(check="pg.reachable", phase="servers", verdict="pass", figure="pg 16.14")
        link.tell(answered(first, found))
        await settled(pilot)
        assert "✓ pg 16.14" in shown(window)
        await press(pilot, "up", "x")
        assert "changed since it was tried" in shown(window)
        await press(pilot, "tab")
        assert [each.server["operated_by"] for each in tries(link)] == ["us", "usx"]


async def test_an_engine_that_was_started_again_is_asked_again() -> None:
    link = Recorded(entering.half_entered())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await in_the_form(pilot)
        assert [each.side for each in tries(link)] == ["source", "destination"]
        link.tell(ev.EngineStarted(pid=4712, resumed=True))
        await settled(pilot)  # it is heard and drawn,
        await settled(pilot)  # and what was asked then has left
        assert [each.side for each in tries(link)] == ["source", "destination"] * 2


async def test_everything_found_is_read_on_a_page_of_its_own() -> None:
    window = Window(Recorded(entering.half_entered()))
    async with window.run_test(size=(80, 24)) as pilot:
        await in_the_form(pilot)
        await press(pilot, "ctrl+r")
        assert "nothing was found of a server here" in shown(window)
        await press(pilot, "tab", "tab", "tab", "ctrl+r")
        assert isinstance(window.screen, Page)
        assert "Passwords are protected by SCRAM" in shown(window)


async def test_a_password_is_not_asked_for_in_the_middle_of_typing() -> None:
    link = Recorded(entering.half_entered())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await in_the_form(pilot)
        link.tell(ev.SecretAsked(server="db-new", prompt="it has not been typed"))
        await settled(pilot)
        assert isinstance(window.screen, ProfileScreen)
        assert "f2 Type the password" in shown(window)
        await press(pilot, "f2")
        assert isinstance(window.screen, Ask)
        await press(pilot, *"pw", "enter")
        assert isinstance(link.sent[-1], ask.TellSecret)


async def test_a_refused_login_is_said_beside_the_server_with_what_to_do() -> None:
    link = Recorded(scenes.rehearsing())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await in_the_form(pilot)
        source = next(each for each in tries(link) if each.side == "source")
        refused = Finding(
            check="pg.reachable",
            phase="servers",
            verdict="stop",
            figure="no session: password authentication failed for user “postgres”",
            todo="Correct the password.",
        )
        link.tell(answered(source, refused))
        await settled(pilot)
        await press(pilot, "tab", "tab", "tab")
        assert "✗ stop  no session: password authentication failed" in shown(window)
        assert "Correct the password." in shown(window)


async def test_every_field_wrong_says_every_error_at_once() -> None:
    link = Recorded(entering.wrong_everywhere())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        form = await in_the_form(pilot)
        await press(pilot, "ctrl+s")
        page = " ".join(shown(window).split())
        wrong = load.wrong_in(form._raw)
        assert len(wrong) >= 20
        assert f"{len(wrong)} fields to mend, each says why: nothing was saved." in page
        assert page.count("✗ expected") == len(wrong)
        assert not any(isinstance(each, ask.ChangeProfile) for each in link.sent)
        assert form.form.key == "name"
        assert (
            'expected a name without / and @, with no blank at its ends, found "a/b"'
            in " ".join(page.split())
        )


async def test_an_error_goes_as_soon_as_it_is_mended() -> None:
    window = Window(Recorded(entering.empty()))
    async with window.run_test(size=(80, 24)) as pilot:
        await in_the_form(pilot)
        assert "✗" not in shown(window)
        await press(pilot, "ctrl+s")
        assert "expected exactly one database" in shown(window)
        await press(pilot, *"shop")
        assert "expected exactly one database" not in shown(window)
        await press(pilot, "tab", *"soon")
        assert "expected a time with its offset" in shown(window)


async def test_of_what_is_pasted_the_first_line_is_taken() -> None:
    window = Window(Recorded(entering.empty()))
    async with window.run_test(size=(80, 24)) as pilot:
        form = await in_the_form(pilot)
        await press(pilot, "tab", "ctrl+u")
        form.form.post_message(Paste("  shop\nDROP DATABASE shop;\n\nanother\n"))
        await settled(pilot)
        assert form._raw["databases"] == ["shop"]
        assert "Only the first line was taken; 2 further lines left out." in shown(window)


async def test_choices_are_made_by_left_and_right_and_open_their_own_fields() -> None:
    window = Window(Recorded(entering.empty()))
    async with window.run_test(size=(80, 24)) as pilot:
        form = await in_the_form(pilot)
        form.form.go_to("source.password")
        await press(pilot, "right")
        assert form._raw["source"]["password"] == {"env": ""}
        assert "· variable" in shown(window)
        await press(pilot, "tab", *"OLD_PASSWORD")
        assert form._raw["source"]["password"] == {"env": "OLD_PASSWORD"}
        await press(pilot, "up", "left", "left")
        assert form._raw["source"]["password"] == {"ask": True}
        assert "· variable" not in shown(window)


async def test_endpoints_are_added_and_removed() -> None:
    window = Window(Recorded(entering.empty()))
    async with window.run_test(size=(80, 24)) as pilot:
        form = await in_the_form(pilot)
        await press(pilot, "ctrl+n")
        assert form.form.key == "endpoints.0"
        await press(pilot, "right", "right")
        assert form._raw["endpoints"] == [{"kind": "by-hand"}]
        await press(pilot, "ctrl+d")
        assert form._raw["endpoints"] == []


async def test_leaving_asks_when_something_was_typed() -> None:
    link = Recorded(entering.empty())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await in_the_form(pilot)
        await press(pilot, "x", "escape")
        assert isinstance(window.screen, Choose)
        await press(pilot, "escape")
        assert isinstance(window.screen, ProfileScreen)
        await press(pilot, "escape", "d")
        assert not isinstance(window.screen, ProfileScreen)
        assert link.sent == []


async def test_saving_writes_the_file_asks_the_engine_and_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = Recorded(scenes.rehearsing())
    window = Window(link)
    window.environment = {**window.environment, "XDG_CONFIG_HOME": str(tmp_path)}
    async with window.run_test(size=(80, 24)) as pilot:
        await in_the_form(pilot)
        await press(pilot, "2", "ctrl+s")
        assert isinstance(window.screen, Ask)
        await press(pilot, "enter")
        await pilot.pause()
        path = tmp_path / "nightferry" / "orders-20262.toml"
        assert load.read(path).name == "orders-20262"
        assert path.stat().st_mode & 0o777 == 0o600
        (changed,) = [each for each in link.sent if isinstance(each, ask.ChangeProfile)]
        assert changed.profile["name"] == "orders-20262"
        assert str(path) in shown(window).replace("\n", "")


async def test_a_file_that_is_there_is_replaced_only_when_that_was_said(tmp_path: Path) -> None:
    link = Recorded(scenes.rehearsing())
    window = Window(link)
    window.environment = {**window.environment, "XDG_CONFIG_HOME": str(tmp_path)}
    path = tmp_path / "nightferry" / "orders-2026.toml"
    path.parent.mkdir()
    path.write_text("# mine\n")
    async with window.run_test(size=(80, 24)) as pilot:
        await in_the_form(pilot)
        await press(pilot, "ctrl+s", "enter")
        assert isinstance(window.screen, Choose)
        await press(pilot, "escape")
        assert path.read_text() == "# mine\n"
        assert isinstance(window.screen, Ask)
        await press(pilot, "enter", "r")
        assert load.read(path).name == "orders-2026"


async def test_once_a_step_has_begun_the_profile_stays_as_it_is() -> None:
    window = Window(Recorded(scenes.copying()))
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "2", "e")
        assert not isinstance(window.screen, ProfileScreen)
        assert "a step of this night has begun" in shown(window)
