"""Who reaches a port, and what a disk's write test says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.proposals.disk import DiskTest, disk_test
from checks.proposals.firewall import can_be_let_in, door, listening
from profiles.machine import Cpu, HostSeen, Memory


def a_host(*listens: str, firewall: str | None = None) -> HostSeen:
    cpu, memory = Cpu(cores=1), Memory(total=1)
    return HostSeen(
        host="old", watched_s=0, cpu=cpu, memory=memory, listens=listens, firewall=firewall
    )


OPEN = a_host("0.0.0.0:5432", "[::]:5432", "127.0.0.1:25")


def test_on_which_addresses_somebody_listens() -> None:
    assert listening(OPEN, 5432) == ("0.0.0.0", "::")
    assert listening(OPEN, 25) == ("127.0.0.1",)
    assert listening(OPEN, 543) == ()


@pytest.mark.parametrize(
    ("seen", "reached", "admits_all", "verdict", "words"),
    [
        (OPEN, True, None, "pass", "Who else does is not known"),
        (OPEN, True, True, "warn", "pg_hba.conf admits every address"),
        (a_host("10.0.0.1:5432"), True, True, "pass", ""),
        (a_host("0.0.0.0:5432", firewall="ufw"), True, True, "pass", "Who else"),
        (OPEN, None, None, "unknown", "Nobody has tried"),
        (a_host("127.0.0.1:5432"), False, None, "stop", "Loopback alone"),
        (a_host("10.0.0.1:5432", firewall="ufw"), False, None, "stop", ""),
    ],
)
def test_what_is_known_of_a_port(
    seen: HostSeen, reached: bool | None, admits_all: bool | None, verdict: str, words: str
) -> None:
    said = door(seen, 5432, reached=reached, admits_all=admits_all)
    assert said.verdict == verdict
    assert words in said.says
    assert bool(said.todo) is (verdict == "stop")


@pytest.mark.parametrize(
    ("listens", "firewall", "words"),
    [
        ("10.0.0.1:5432", "nftables", "there is a step for nftables"),
        ("10.0.0.1:5432", "iptables", "at that port, in the rules of iptables"),
        ("127.0.0.1:5432", "nftables", "listen_addresses"),
        ("10.0.0.1:5432", None, "what stands between"),
    ],
)
def test_what_to_do_where_nobody_gets_in(listens: str, firewall: str | None, words: str) -> None:
    seen = a_host(listens, firewall=firewall)
    assert words in door(seen, 5432, reached=False).todo
    assert can_be_let_in(seen, listening(seen, 5432)) is ("step" in words)


def test_what_dd_says() -> None:
    said = "16384000 bytes (16 MB, 16 MiB) copied, 3.2 s, 5.1 MB/s"
    found = disk_test(said)
    assert found == DiskTest(2000, 3.2)
    assert found.fsync_ms == pytest.approx(1.6)
    assert found.writes_a_second == pytest.approx(625)
    assert disk_test("8192 bytes (8.2 kB, 8.0 KiB) copied, 1e-05 s, 1 GB/s") == DiskTest(1, 1e-5)


@given(st.text())
def test_what_is_no_answer_of_dd_is_none(text: str) -> None:
    assert disk_test(text) is None
    assert disk_test("0 bytes copied, 0.1 s, 0 B/s") is None
