"""The cutover: the checklist, arming, going, aborting, and what the header says meanwhile."""

from __future__ import annotations

from profiles import events as ev
from profiles import requests as ask
from tests.tui import scenes
from tests.tui.recorded import Recorded, Window, phase_of, press, settled, shown


async def test_arming_waits_for_every_step_before_the_pause() -> None:
    link = Recorded(scenes.ready())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert phase_of(window) == "cutover"
        await press(pilot, "t")
        assert "2 steps before the pause not settled" in shown(window)
        await press(pilot, "g")
        assert "arm first: t" in shown(window)
        assert link.sent == []


async def test_the_source_is_typed_and_then_one_key_goes() -> None:
    link = Recorded(scenes.prepared())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "t", *scenes.OLD, "enter")
        arm = link.sent[-1]
        assert isinstance(arm, ask.Arm)
        assert (arm.typed, arm.by_hand) == (scenes.OLD, False)
        link.tell(*scenes.armed()[-2:])
        await settled(pilot)
        assert "ARMED, nothing paused yet   g Go   a Disarm" in shown(window)
        await press(pilot, "g")
        go = link.sent[-1]
        assert isinstance(go, ask.Go)
        assert go.attempt == 1


async def test_g_waits_until_everything_is_armed() -> None:
    link = Recorded(scenes.armed()[:-1])
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "g")
        assert "it is still being armed" in shown(window)
        assert link.sent == []


async def test_the_old_way_is_armed_by_another_key_and_goes_step_by_step() -> None:
    link = Recorded(scenes.prepared())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        await press(pilot, "G", *scenes.OLD, "enter")
        arm = link.sent[-1]
        assert isinstance(arm, ask.Arm)
        assert arm.by_hand
        link.tell(*scenes.armed(by_hand=True)[-2:])
        await settled(pilot)
        await press(pilot, "G")
        link.tell(ev.StretchMoved(attempt=1, state="paused", paused_ms=0.0))
        await settled(pilot)
        assert "of 300 s" in shown(window)
        await press(pilot, "g")
        assert [type(each) for each in link.sent[-2:]] == [ask.Go, ask.Go]


async def test_while_writes_are_paused_one_key_aborts_from_any_screen() -> None:
    link = Recorded(scenes.paused())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        for phase in ("0", "7", "2"):
            await press(pilot, phase)
            assert "WRITES PAUSED" in shown(window)
            assert "of 10 s   a Abort: resume on the old server" in shown(window)
            await press(pilot, "a")
            assert isinstance(link.sent[-1], ask.Abort)


async def test_after_the_turn_nothing_pretends_to_abort() -> None:
    turned = ev.StretchMoved(
        attempt=1,
        state="turned",
        paused_ms=690.0,
        aborting_means="finishing: the old server is closed for good",
    )
    link = Recorded([*scenes.paused(), turned])
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "finishing: the old server is closed for good" in shown(window)
        assert "a Abort:" not in shown(window)
        await press(pilot, "a")
        assert link.sent == []


async def test_afterwards_the_header_keeps_the_figure() -> None:
    window = Window(Recorded(scenes.moved()))
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "moved; writes were paused 0.81 s" in shown(window)


async def test_writes_stopped_is_loud_says_why_what_is_missing_and_the_choices() -> None:
    window = Window(Recorded(scenes.stopped()))
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        for phase in ("0", "2", "8"):
            await press(pilot, phase)
            assert "WRITES STOPPED on db-old" in shown(window)
            assert "missing" in shown(window)
            assert "1  Bring db-old back" in shown(window)
            assert "2  Give up what is missing" in shown(window)


async def test_a_step_of_the_stretch_is_not_run_by_itself() -> None:
    link = Recorded(scenes.prepared())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert "PAUSE orders;" in shown(window)
        await press(pilot, "enter")
        assert "the stretch runs it: t arms, g goes" in shown(window)
        await press(pilot, "s")
        assert "it belongs to the armed stretch" in shown(window)
        assert link.sent == []


async def test_the_night_ends_only_when_no_loose_end_is_open() -> None:
    link = Recorded(scenes.loose_ends())
    window = Window(link)
    async with window.run_test(size=(80, 24)) as pilot:
        await settled(pilot)
        assert phase_of(window) == "aftercare"
        await press(pilot, "e")
        assert "3 loose ends open" in shown(window)
        assert link.sent == []
        link.tell(*[ev.LooseEndSettled(id=name) for name in ("slot", "pub", "role")])
        await settled(pilot)
        await press(pilot, "e")
        assert [type(each) for each in link.sent] == [ask.EndNight]
        link.tell(ev.NightEnded(report="/nights/orders-2026/report.md"))
        await settled(pilot)
        assert "/nights/orders-2026/report.md" in shown(window)
        assert "the night has ended" in shown(window)
