"""Running, doing by hand, skipping and cancelling steps; typing a server's name; passwords."""

from __future__ import annotations

from profiles import events as ev
from profiles import requests as ask
from tests.tui import scenes
from tests.tui.recorded import Recorded, Window, phase_of, press, settled, shown
from tui.widgets.dialogs import Ask

SAFE_STEP = "schema@db-new/orders"


async def test_enter_runs_the_focused_step_when_it_endangers_nothing() -> None:
    link = Recorded([*scenes.up_to_replication(), *scenes.done(scenes.replication_steps()[:2])])
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert phase_of(window) == "replication"
        assert "pg_dump --schema-only" in shown(window), "the commands stand there before they run"
        await press(pilot, "enter")
        assert [(type(each), getattr(each, "step", "")) for each in link.sent] == [
            (ask.RunStep, SAFE_STEP)
        ]


async def test_the_cursor_goes_on_to_the_next_step_as_one_is_done() -> None:
    steps = scenes.replication_steps()
    link = Recorded([*scenes.up_to_replication(), *scenes.done(steps[:2])])
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        link.tell(*scenes.done([steps[2]]))
        await settled(pilot)
        await press(pilot, "enter")
        assert isinstance(link.sent[-1], ask.RunStep)
        assert link.sent[-1].step == steps[3].id


async def test_a_dangerous_step_runs_only_after_the_servers_name_was_typed() -> None:
    link = Recorded(scenes.up_to_replication())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "enter")
        assert isinstance(window.screen, Ask)
        await press(pilot, "y", "enter")
        assert link.sent == []
        assert isinstance(window.screen, Ask), "y is not the server's name"
        await press(pilot, "backspace", *scenes.OLD, "enter")
        assert [type(each) for each in link.sent] == [ask.Confirm, ask.RunStep]
        confirmed = link.sent[0]
        assert isinstance(confirmed, ask.Confirm)
        assert (confirmed.phase, confirmed.server) == ("replication", scenes.OLD)


async def test_leaving_the_dialog_leaves_the_step_alone() -> None:
    link = Recorded(scenes.up_to_replication())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "enter", "escape")
        assert link.sent == []
        assert phase_of(window) == "replication"


async def test_a_name_is_typed_once_for_a_phase_and_server() -> None:
    confirmed = ev.Confirmed(phase="replication", server=scenes.OLD)
    link = Recorded([*scenes.up_to_replication(), confirmed])
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "a")
        assert [type(each) for each in link.sent] == [ask.RunPhase]


async def test_a_step_done_by_hand_is_only_checked() -> None:
    link = Recorded(scenes.up_to_replication())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "m")
        assert [type(each) for each in link.sent] == [ask.ByHand]


async def test_skipping_wants_a_reason() -> None:
    link = Recorded(scenes.up_to_replication())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "s", "enter")
        assert link.sent == []
        await press(pilot, *"moot", "enter")
        skipped = link.sent[-1]
        assert isinstance(skipped, ask.Skip)
        assert skipped.reason == "moot"


async def test_a_running_copy_shows_its_tables_and_can_be_cancelled() -> None:
    link = Recorded(scenes.copying())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "public.order_lines" in shown(window)
        assert "41 %" in shown(window)
        assert "Copy every table · 41 of 63 tables" in shown(window)
        await press(pilot, "x")
        assert [type(each) for each in link.sent] == [ask.Cancel]


async def test_a_key_that_cannot_work_now_says_why() -> None:
    link = Recorded(scenes.copying())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "a")
        assert "Copy every table is running; x cancels it" in shown(window)
        assert link.sent == []


async def test_a_failed_step_shows_what_the_server_answered() -> None:
    failed = ev.StepEnded(
        step="copy@db-new/orders",
        outcome="failed",
        error="db-new: CREATE SUBSCRIPTION: could not connect. Open the port to 10.30.0.5.",
    )
    link = Recorded([*scenes.copying(), failed])
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "✗" in shown(window)
        assert "could not connect" in shown(window)
        assert "Open the port" in shown(window)


async def test_a_refused_request_is_said_with_its_reason() -> None:
    link = Recorded(scenes.up_to_replication())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        link.tell(ev.Refused(request="1", why="another window was quicker"))
        await settled(pilot)
        assert "refused: another window was quicker" in shown(window)


async def test_a_password_is_asked_for_told_and_never_shown() -> None:
    link = Recorded(scenes.began())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        link.tell(ev.SecretAsked(server=scenes.OLD, prompt="Password of postgres on db-old"))
        await settled(pilot)
        assert isinstance(window.screen, Ask)
        await pilot.press(*"tiger")
        await pilot.pause()
        assert "tiger" not in window.export_screenshot()
        await press(pilot, "enter")
        told = link.sent[-1]
        assert isinstance(told, ask.TellSecret)
        assert (told.server, told.value) == (scenes.OLD, "tiger")


async def test_a_host_key_is_compared_and_accepted_by_typing_the_name() -> None:
    link = Recorded(scenes.began())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        shows = "host of db-old: it shows an ed25519 key nobody knows"
        link.tell(ev.HostKeyAsked(server=scenes.OLD, fingerprint="SHA256:abc", prompt=shows))
        await settled(pilot)
        assert isinstance(window.screen, Ask)
        assert "SHA256:abc" in window.export_screenshot()
        await press(pilot, "y", "enter")
        assert not any(isinstance(each, ask.AcceptHostKey) for each in link.sent)
        await press(pilot, "backspace", *scenes.OLD, "enter")
        told = link.sent[-1]
        assert isinstance(told, ask.AcceptHostKey)
        assert (told.server, told.fingerprint) == (scenes.OLD, "SHA256:abc")


async def test_a_window_that_watches_asks_nothing() -> None:
    link = Recorded(scenes.up_to_replication())
    window = Window(link, watch=True)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "m")
        assert "only watches" in shown(window)
        assert "watching only" in shown(window)
        assert link.sent == []


async def test_y_copies_the_commands_and_says_where_they_went() -> None:
    window = Window(Recorded(scenes.up_to_replication()))
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "y")
        assert "sent to the terminal's clipboard (OSC 52)" in shown(window)
