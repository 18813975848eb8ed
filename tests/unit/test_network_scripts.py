"""The scripts that go to other hosts: one file each, for any Python from 3.6 on; how they go."""

from __future__ import annotations

import ast
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.network import measure
from checks.network.remote import names as looking_up
from checks.network.remote import throughput
from checks.network.remote.counting import Hop, Statistics
from checks.network.remote.replies import HOP, ICMP, ICMP6, LOCAL, LOST, TARGET, Reply, meaning
from checks.network.scripts import one_file
from connections.host import Ran, ThisMachine
from profiles.errors import DeadlineError, HostError

SCRIPTS = ("probe", "mtu", "throughput", "names", "timings", "trips")


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_one_file_of_the_standard_library_in_python_3_6(script: str) -> None:
    tree = ast.parse(one_file(script), feature_version=(3, 6))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else names(node))
    }
    assert imported <= sys.stdlib_module_names - {"dataclasses", "contextvars", "__future__"}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.NamedExpr)]


def names(node: ast.Import) -> list[str]:
    return [alias.name for alias in node.names]


@pytest.mark.parametrize("script", SCRIPTS)
def test_no_name_is_given_twice_where_modules_become_one(script: str) -> None:
    given = [
        name
        for node in ast.parse(one_file(script)).body
        for name in (
            [node.name]
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
            else [target.id for target in node.targets if isinstance(target, ast.Name)]
            if isinstance(node, ast.Assign)
            else []
        )
    ]
    assert len(given) == len(set(given))


def test_a_probe_of_this_machine_runs_from_standard_input() -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-", "127.0.0.1", "1", "--cycles", "1"],
        input=one_file("probe"),
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    events = [json.loads(line)["event"] for line in ran.stdout.splitlines()]
    assert events[0] == "hello" and events[-1] == "done"
    assert not ran.stderr


@given(st.lists(st.floats(0.001, 1000), min_size=2, max_size=50))
def test_the_statistics_are_the_textbooks(times: list[float]) -> None:
    counted = Statistics()
    for ms in times:
        counted.add(ms)
    figures = counted.figures()
    assert figures["avg_ms"] == pytest.approx(statistics.fmean(times), abs=0.001)
    assert figures["stdev_ms"] == pytest.approx(statistics.stdev(times), rel=1e-6, abs=0.001)
    changes = [abs(one - other) for one, other in pairwise(times)]
    assert figures["jitter_ms"] == pytest.approx(statistics.fmean(changes), abs=0.001)
    assert (figures["best_ms"], figures["worst_ms"], figures["last_ms"]) == tuple(
        round(ms, 3) for ms in (min(times), max(times), times[-1])
    )


def test_a_hop_counts_answers_marks_and_addresses() -> None:
    hop = Hop(3)
    hop.statistics.sent = 5
    for reply in (
        Reply(HOP, "10.0.0.1"),
        Reply(HOP, "10.0.0.2"),
        Reply(HOP, "10.0.0.1"),
        Reply("!X", "10.0.0.1"),
        LOST,
    ):
        hop.count(reply, 1.0)
    shown = hop.shown(is_target=False)
    assert (shown["address"], shown["also"]) == ("10.0.0.1", ["10.0.0.2"])
    assert (shown["sent"], shown["received"]) == (5, 4)
    assert shown["marks"] == {"!X": 1}


def test_what_is_on_its_way_is_not_lost() -> None:
    hop = Hop(1)
    hop.statistics.sent, hop.waiting = 3, 2
    hop.count(Reply(HOP, "10.0.0.1"), 1.0)
    assert (hop.shown(is_target=False)["sent"], hop.shown(is_target=False)["received"]) == (1, 1)


@pytest.mark.parametrize(
    ("origin", "kind", "code", "meant"),
    [
        (ICMP, 11, 0, HOP),
        (ICMP6, 3, 0, HOP),
        (ICMP, 3, 3, TARGET),
        (ICMP6, 1, 4, TARGET),
        (ICMP, 3, 0, "!N"),
        (ICMP, 3, 1, "!H"),
        (ICMP, 3, 13, "!X"),
        (ICMP6, 1, 1, "!X"),
        (ICMP6, 2, 0, "!F"),
        (ICMP, 3, 5, "!3.5"),
        (LOCAL, 0, 0, "Network is unreachable"),
    ],
)
def test_what_an_icmp_error_means(origin: int, kind: int, code: int, meant: str) -> None:
    assert meaning(origin, kind, code, 101) == meant


def test_the_resolvers_of_a_host(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("# names\nsearch example\nnameserver 10.0.0.53\nnameserver ::1\nnameserver\n")
    assert looking_up.resolvers(str(path)) == ["10.0.0.53", "::1"]
    assert looking_up.resolvers(str(tmp_path / "none")) == []


def test_a_question_for_a_name() -> None:
    assert looking_up.question("db.example.").endswith(b"\x02db\x07example\0\0\x01\0\x01")


class Scripted:
    """A host that answers a line in one way, or not at all."""

    name = "host of db-old"

    def __init__(self, ran: Ran | Exception) -> None:
        self.ran = ran

    async def run(
        self,
        line: str,
        *,
        deadline_s: float,
        env: Mapping[str, str] = {},
        on_line: Callable[[str], None] | None = None,
    ) -> Ran:
        if isinstance(self.ran, Exception):
            raise self.ran
        for printed in (self.ran.err + self.ran.out).splitlines():
            if on_line:
                on_line(printed)
        return self.ran


async def test_a_host_without_python3_says_so() -> None:
    with pytest.raises(HostError, match=r"host of db-old: .*probe script.*there is no python3"):
        await measure.run(Scripted(Ran(127, "", "")), "probe", [], deadline_s=1)


async def test_a_script_that_breaks_says_its_last_words() -> None:
    broken = Ran(1, "", "Traceback\n  File …\nMemoryError")
    with pytest.raises(HostError, match="MemoryError"):
        await measure.run(Scripted(broken), "probe", [], deadline_s=1)


@pytest.mark.parametrize("kind", [DeadlineError, HostError])
async def test_an_error_does_not_quote_the_whole_script(kind: type[HostError]) -> None:
    line = measure.shell_line("probe", ["db", "1"])
    error = kind("host of db-old", f"run {line}", "it had not ended after 1 s")
    with pytest.raises(kind) as caught:
        await measure.run(Scripted(error), "probe", [], deadline_s=1)
    assert str(caught.value) == (
        "host of db-old: run the probe script with its python3: it had not ended after 1 s."
    )


async def test_what_else_is_printed_is_no_event() -> None:
    noisy = Ran(0, 'Welcome!\n{"event": "done", "cycles": 1}\n', "a warning\n")
    heard: list[str] = []
    events = await measure.run(Scripted(noisy), "probe", [], deadline_s=1, heard=heard.append)
    assert events == [{"event": "done", "cycles": 1}]
    assert heard == ['{"event": "done", "cycles": 1}']


async def test_an_unknown_name_is_an_error_of_the_host_that_looked_it_up() -> None:
    with pytest.raises(HostError, match="this machine: measure the road: the name no name"):
        await measure.path_mtu(ThisMachine(), "no name")


async def test_a_road_within_this_machine() -> None:
    found = await measure.path_mtu(ThisMachine(), "127.0.0.1")
    assert found.target and found.mtu and found.mtu > 1500 and not found.shrunk


async def test_the_trip_to_a_place_and_why_there_is_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        there, refused, unknown = await measure.trips(
            ThisMachine(), [("127.0.0.1", port), ("127.0.0.1", 1), ("no name", 5432)]
        )
    assert (there.host, there.port) == ("127.0.0.1", port)
    assert there.took_ms is not None and 0 < there.took_ms < 1000
    assert refused.took_ms is None and refused.why == "127.0.0.1: Connection refused"
    assert unknown.took_ms is None and unknown.why


async def test_the_clock_of_this_machine_is_our_own() -> None:
    found = await measure.clock(ThisMachine())
    assert abs(found.ahead_s) <= found.within_s < 5.0


@pytest.mark.parametrize("printed", ["%d.%%N", "%d.N", "%d"])
async def test_a_clock_that_knows_no_parts_of_a_second(printed: str) -> None:
    found = await measure.clock(Scripted(Ran(0, printed % time.time() + "\n", "")))
    assert abs(found.ahead_s) <= found.within_s
    assert 0.5 <= found.within_s < 1.0


async def test_a_clock_that_is_none() -> None:
    with pytest.raises(HostError, match=r"read its clock .*date: not found"):
        await measure.clock(Scripted(Ran(127, "", "date: not found")))


async def test_how_far_the_buffers_of_a_host_may_grow() -> None:
    found = await measure.buffers(ThisMachine())
    assert set(found) == set(measure.BUFFERS)
    assert all(most >= 4096 for most in found.values())
    with pytest.raises(HostError, match="No such file"):
        await measure.buffers(Scripted(Ran(1, "", "cat: No such file")))


def test_a_server_listens_on_both_kinds_of_address() -> None:
    with throughput.opened_door("::", 0) as door:
        door.listen()
        port = door.getsockname()[1]
        for address in ("127.0.0.1", "::1"):
            socket.create_connection((address, port), 2).close()
