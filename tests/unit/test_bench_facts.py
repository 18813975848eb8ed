"""Round trips from what a wire carried, and what the benchmark makes of several looks."""

from __future__ import annotations

import socket
import struct
from importlib import resources

from benchmarks.facts import EACH, OURS, Run, aims, has_data, round_trips
from benchmarks.survey import FILES
from rehearsal.wire import Passage

NEAR, FAR = "10.77.1.2", "10.77.3.2"
TCP, UDP = 6, 17
HELD_MS = 10.0


def packet(source: str, data: bytes, protocol: int = TCP, options: int = 12) -> bytes:
    to = FAR if source == NEAR else NEAR
    header = struct.pack("!HHIIBBHHH", 4000, 22, 1, 1, (20 + options) // 4 << 4, 16, 0, 0, 0)
    content = header + bytes(options) + data
    addresses = socket.inet_aton(source) + socket.inet_aton(to)
    size = 20 + len(content)
    return struct.pack("!BBHHHBBH", 0x45, 0, size, 0, 0, 64, protocol, 0) + addresses + content


def passage(at_ms: float, source: str, data: bytes, held_ms: float | None = HELD_MS) -> Passage:
    return Passage(at_ms / 1e3, held_ms, packet(source, data)[:64].hex())


def test_data_is_what_is_behind_both_headers() -> None:
    assert has_data(packet(NEAR, b"x"))
    assert has_data(packet(NEAR, bytes(1000), options=0)[:64])
    assert not has_data(packet(NEAR, b""))
    assert not has_data(packet(NEAR, b"x", protocol=UDP))
    assert not has_data(bytes([0x60]) + packet(NEAR, b"x")[1:])


def test_it_went_there_and_back_as_often_as_the_near_end_spoke_anew() -> None:
    told = [
        passage(0, NEAR, b"open"),
        passage(1, NEAR, b"more of it"),
        passage(11, FAR, b""),
        passage(12, FAR, b"opened"),
        passage(23, NEAR, b"run"),
        passage(34, FAR, b"answer"),
        passage(35, FAR, b"more of it"),
        passage(46, NEAR, b""),
    ]
    assert round_trips(told, NEAR) == 2
    assert round_trips(reversed(told), NEAR) == 2


def test_what_is_said_before_the_answer_arrives_waited_for_nobody() -> None:
    told = [
        passage(0, NEAR, b"one"),
        passage(10, FAR, b"on its way until 20"),
        passage(15, NEAR, b"two"),
    ]
    assert round_trips(told, NEAR) == 1
    assert round_trips([*told, passage(21, NEAR, b"three")], NEAR) == 2


def test_what_the_wire_lost_was_never_heard() -> None:
    told = [passage(0, NEAR, b"one"), passage(10, FAR, b"x", None), passage(200, NEAR, b"two")]
    assert round_trips(told, NEAR) == 1


def a_run(way: str, look_s: float, trips: int) -> Run:
    return Run(
        way=way,
        login_s=0.2,
        look_s=look_s,
        watched_s=0.5,
        asked=1,
        round_trips=trips,
        packets=100,
    )


def test_the_aims_take_the_medians_of_ours_alone() -> None:
    runs = [a_run(EACH, 3.0, 48)] * 3
    close = [*runs, a_run(OURS, 0.8, 1), a_run(OURS, 0.9, 1), a_run(OURS, 5.0, 9)]
    assert [(aim.measured, aim.met) for aim in aims(close)] == [
        ("0.90 s", True),
        ("1 times", True),
    ]
    far = [*runs, a_run(OURS, 1.1, 3)]
    assert [aim.met for aim in aims(far)] == [False, False]
    assert runs[0].rest_s == 2.5


def test_by_hand_no_file_is_read_that_the_script_does_not_read() -> None:
    script = resources.files("checks.host").joinpath("facts.sh").read_text(encoding="utf-8")
    assert [path for path in FILES if path not in script] == []
