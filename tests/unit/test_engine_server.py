"""The engine's socket: what windows are sent, what they may ask, and how they are let go."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from engine import server as serving
from engine.window import BUFFER_LIMIT_BYTES
from engine.wire import MAX_REQUEST_BYTES
from profiles.events import Progressed, Said, Sampled
from profiles.nights import socket_path
from profiles.requests import TellSecret
from tests.fix_engine import RawWindow, Served, hello, raw_window, served, until


@pytest.fixture(autouse=True)
def _nights_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


async def joined(night: Served, **said: Any) -> RawWindow:
    """A window that has read the welcome and everything up to now."""
    window = await raw_window(night.live.folder)
    await window.say(hello(**said))
    welcome = await window.hears()
    for _ in range(welcome["seq"] - said.get("after_seq", 0)):
        await window.hears()
    return window


async def test_the_welcome_comes_first_then_the_journal() -> None:
    async with served() as night:
        night.live.publish(Said(text="before anybody listened"))
        window = await raw_window(night.live.folder)
        await window.say(hello())
        welcome = await window.hears()
        assert welcome == {
            "hello": 1,
            "protocol": 1,
            "night": night.live.name,
            "version": "0.1.0",
            "seq": 2,
        }
        assert (await window.hears())["kind"] == "night-began"
        assert (await window.hears())["text"] == "before anybody listened"
        night.live.publish(Said(text="now"))
        assert await window.hears() | {"at": 0} == {
            "kind": "said",
            "seq": 3,
            "at": 0,
            "night": night.live.name,
            "text": "now",
        }
        await window.close()


async def test_only_what_came_after_is_replayed() -> None:
    async with served() as night:
        for number in range(5):
            night.live.publish(Said(text=f"{number}"))
        window = await raw_window(night.live.folder)
        await window.say(hello(after_seq=4))
        assert (await window.hears())["seq"] == 6
        assert [(await window.hears())["seq"] for _ in range(2)] == [5, 6]
        await window.close()


async def test_a_long_replay_has_no_gap_while_events_go_on() -> None:
    async with served() as night:
        for _ in range(3000):
            night.live.publish(Said(text="x" * 1000), wait=False)
        window = await raw_window(night.live.folder)
        await window.say(hello())
        assert (await window.hears())["seq"] == 3001
        numbers = []
        for _ in range(3101):
            numbers.append((await window.hears())["seq"])
            if len(numbers) % 30 == 0 and len(numbers) <= 3000:
                night.live.publish(Said(text="meanwhile"), wait=False)
        assert numbers == list(range(1, 3102))
        await window.close()


async def test_a_new_window_gets_what_is_under_way_and_not_journalled() -> None:
    async with served() as night:
        night.live.publish(Sampled(behind_bytes=1))  # the thinned one, in the journal
        night.live.publish(Sampled(behind_bytes=2))
        night.live.publish(Progressed(what="copy", done=41, total=63, unit="tables"))
        window = await joined(night)
        assert (await window.hears())["behind_bytes"] == 2
        assert (await window.hears())["done"] == 41
        await window.close()


async def test_a_request_is_carried_out_and_both_windows_see_it() -> None:
    async with served() as night:
        one, two = await joined(night), await joined(night, watch=True)
        await one.say(b'{"kind":"probe","id":"r1","phase":"servers"}\n')
        for window in (one, two):
            began = await window.hears()
            assert (began["kind"], began["request"]) == ("checks-began", "r1")
            assert (await window.hears())["kind"] == "checks-ended"
            await window.close()


async def test_a_watching_window_is_refused_every_request() -> None:
    async with served() as night:
        window = await joined(night, watch=True)
        for kind in ("abort", "stop", "end"):
            await window.say(b'{"kind":"%s","id":"%s"}\n' % (kind.encode(), kind.encode()))
            refused = await window.hears()
            assert (refused["kind"], refused["request"]) == ("refused", kind)
            assert "only watches" in refused["why"]
        assert night.desk.handled == []
        await window.close()


async def test_a_repeated_request_is_carried_out_once() -> None:
    async with served() as night:
        one, two = await joined(night), await joined(night)
        probe = b'{"kind":"probe","id":"r1","phase":"servers"}\n'
        await one.say(probe + probe)
        await two.say(probe)
        await two.say(probe.replace(b"r1", b"r2"))
        await until(lambda: len(night.desk.handled) == 2)
        assert [request.id for request in night.desk.handled] == ["r1", "r2"]
        await one.close()
        await two.close()


async def test_requests_of_an_earlier_engine_are_known_by_their_events() -> None:
    async with served() as night:
        night.live.publish(Said(text="its effect", request="r1"))
        again = serving.WindowServer(night.live, night.desk, night.stopped.append)
        other = socket_path(night.live.folder).with_name("other.sock")
        await again.open(other)
        reader, writer = await asyncio.open_unix_connection(other)
        window = RawWindow(reader, writer)
        await window.say(hello(after_seq=2) + b'{"kind":"probe","id":"r1","phase":"servers"}\n')
        await window.say(b'{"kind":"probe","id":"r2","phase":"servers"}\n')
        await until(lambda: bool(night.desk.handled))
        assert [request.id for request in night.desk.handled] == ["r2"]
        await window.close()
        await again.close()
        other.unlink()


async def test_a_refusal_goes_only_to_the_window_that_asked() -> None:
    async with served() as night:
        one, two = await joined(night), await joined(night)
        await one.say(b'{"kind":"go","id":"g1","attempt":1}\n')
        refused = await one.hears()
        assert (refused["kind"], refused["request"]) == ("refused", "g1")
        assert refused["why"] == "orders: go: nothing is armed. Arm it first."
        night.live.publish(Said(text="next"))
        assert (await two.hears())["text"] == "next"
        await one.close()
        await two.close()


async def test_an_error_is_said_to_everybody() -> None:
    async with served() as night:
        one, two = await joined(night), await joined(night)
        await one.say(b'{"kind":"arm","id":"a1","typed":"db-old"}\n')
        for window in (one, two):
            said = await window.hears()
            assert (said["kind"], said["trouble"], said["request"]) == ("said", True, "a1")
            assert said["text"] == "db-old: arm: the timer does not run."
            await window.close()


async def test_a_mistake_of_ours_is_said_and_logged_and_nothing_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with served() as night:
        window = await joined(night)
        await window.say(b'{"kind":"skip","id":"s1","step":"x","reason":"why not"}\n')
        said = await window.hears()
        assert said["trouble"]
        assert "ZeroDivisionError" in said["text"]
        assert "why not" not in said["text"]
        assert "Traceback" in caplog.text
        await window.say(b'{"kind":"probe","id":"r1","phase":"servers"}\n')
        assert (await window.hears())["kind"] == "checks-began"
        await window.close()


async def test_a_long_request_does_not_hold_up_the_next() -> None:
    async with served() as night:
        window = await joined(night)
        await window.say(b'{"kind":"run","id":"long","step":"copy@db-new"}\n')
        await window.say(b'{"kind":"probe","id":"short","phase":"servers"}\n')
        assert (await window.hears())["request"] == "short"
        await window.close()


@pytest.mark.parametrize(
    ("line", "request_id"),
    [
        (b"not json at all\n", None),
        (b"{}\n", None),
        (b'{"kind":"dance","id":"d1"}\n', "d1"),
        (b'{"kind":"go","id":"g1","attempt":"first"}\n', "g1"),
        (b'{"kind":"hello","id":"h2"}\n', "h2"),
        (b"\xff\xfe\n", None),
        (b"\n", None),
    ],
)
async def test_a_malformed_line_is_refused_and_the_window_kept(
    line: bytes, request_id: str | None
) -> None:
    async with served() as night:
        window = await joined(night)
        await window.say(line)
        refused = await window.hears()
        assert (refused["kind"], refused.get("request")) == ("refused", request_id)
        await window.say(b'{"kind":"probe","id":"r1","phase":"servers"}\n')
        assert (await window.hears())["kind"] == "checks-began"
        await window.close()


async def test_an_oversized_line_ends_the_window_and_nothing_else() -> None:
    async with served() as night:
        one, two = await joined(night), await joined(night)
        one.writer.write(b"x" * (MAX_REQUEST_BYTES * 2 + 2))
        assert await one.is_closed()
        night.live.publish(Said(text="still here"))
        assert (await two.hears())["text"] == "still here"
        await one.close()
        await two.close()


@pytest.mark.parametrize(
    ("first", "why"),
    [
        (hello(protocol=99), "speaks protocol 1, the window 99"),
        (b'{"kind":"abort","id":"a"}\n', "the first line of a window is a hello"),
        (b"GET / HTTP/1.1\n", "the first line of a window is a hello"),
    ],
)
async def test_who_does_not_say_hello_is_told_and_let_go(first: bytes, why: str) -> None:
    async with served() as night:
        window = await raw_window(night.live.folder)
        await window.say(first)
        assert (await window.hears())["protocol"] == 1
        refused = await window.hears()
        assert refused["kind"] == "refused"
        assert why in refused["why"]
        assert await window.is_closed()
        assert night.desk.handled == []
        await window.close()


async def test_a_slow_window_is_dropped_and_never_waited_for() -> None:
    async with served() as night:
        slow, quick = await joined(night), await joined(night)
        slow.reader._transport.pause_reading()  # type: ignore[attr-defined]
        text = "x" * 65536
        sent = 0
        while sent < 4 * BUFFER_LIMIT_BYTES:
            night.live.publish(Said(text=text), wait=False)
            sent += len(text)
            assert (await quick.hears())["kind"] == "said"
        await until(lambda: len(night.server._windows) == 1)
        night.live.publish(Said(text="and on it goes"))
        assert (await quick.hears())["text"] == "and on it goes"
        await slow.close()
        await quick.close()


async def test_a_window_that_goes_disturbs_nobody() -> None:
    async with served() as night:
        for _ in range(3):
            await (await joined(night)).close()
        await until(lambda: not night.server._windows)
        window = await joined(night)
        night.live.publish(Said(text="alone"))
        assert (await window.hears())["text"] == "alone"
        await window.close()


async def test_the_socket_is_private_and_replaces_a_dead_ones() -> None:
    async with served() as night:
        mode = socket_path(night.live.folder).stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
        assert stat.S_IMODE(night.live.folder.stat().st_mode) == 0o700


async def test_another_user_is_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "peer_uid", lambda _: os.getuid() + 4711)
    async with served() as night:
        window = await raw_window(night.live.folder)
        assert await window.is_closed()
        await window.close()


async def test_the_kernel_says_who_the_other_end_is() -> None:
    async with served() as night:
        window = await joined(night)
        assert serving.peer_uid(window.writer.get_extra_info("socket")) == os.getuid()
        await window.close()


async def test_a_stop_that_the_desk_allows_stops_the_engine() -> None:
    async with served() as night:
        window = await joined(night)
        night.desk.hold.set()
        await window.say(b'{"kind":"stop","id":"s"}\n')
        await until(lambda: night.stopped == ["a window asked for it"])
        await window.close()


async def test_the_end_of_the_night_stops_the_engine() -> None:
    async with served() as night:
        window = await joined(night)
        await window.say(b'{"kind":"end","id":"e"}\n')
        assert (await window.hears())["kind"] == "night-ended"
        await until(lambda: night.stopped == ["the night is over"])
        await window.close()


async def test_a_told_secret_reaches_the_desk_and_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with served() as night:
        window, other = await joined(night), await joined(night)
        await window.say(
            b'{"kind":"tell-secret","id":"t","server":"db-old","value":"hunter2"}\n'
            b'{"kind":"tell-secret","id":"t2","server":"db-old","value":["hunter2"]}\n'
        )
        assert "hunter2" not in (await window.hears())["why"]
        await until(lambda: bool(night.desk.handled))
        (request,) = night.desk.handled
        assert isinstance(request, TellSecret)
        night.live.publish(Said(text="next"))
        assert (await other.hears())["text"] == "next"
        assert b"hunter2" not in night.live.journal_path.read_bytes()
        assert "hunter2" not in caplog.text
        await window.close()
        await other.close()


async def test_closing_sends_what_is_left_and_lets_the_windows_go() -> None:
    async with served() as night:
        window = await joined(night)
        night.live.publish(Said(text="the last word"))
        await night.server.close()
        assert (await window.hears())["text"] == "the last word"
        assert await window.is_closed()
        await window.close()
