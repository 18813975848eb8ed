"""What the facts of a host mean: each figure below and above its limit, and not known."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.check import Said
from checks.host import report, space
from checks.host.applying import can_apply
from checks.host.compared import compared
from checks.host.verdicts import JUDGES, judged
from profiles.machine import Cpu
from tests.fix_hosts import ALPINE, CONTAINER, DEBIAN, RHEL8, Printed, seen


@pytest.mark.parametrize(
    ("check", "system", "other", "verdict", "words"),
    [
        ("host.system", DEBIAN, {}, "pass", "Debian GNU/Linux 12 (bookworm), Linux 6.1"),
        ("host.container", DEBIAN, {}, "pass", "no container"),
        ("host.container", CONTAINER, {}, "warn", "a container"),
        ("host.steal", DEBIAN, {}, "warn", "5.0 % of the CPU stolen, watched for 2.0 s"),
        ("host.steal", DEBIAN, {"cpu after": "cpu 1200 0 600 9000 150 0 10 50"}, "pass", "0.0 %"),
        ("host.steal", DEBIAN, {"cpu before": None}, "unknown", "no two readings"),
        ("host.iowait", DEBIAN, {}, "pass", "5.0 % iowait, 35 % busy"),
        ("host.iowait", DEBIAN, {"cpu after": "cpu 1100 0 600 8000 900 0 10 50"}, "warn", "80.0 %"),
        ("host.iowait", DEBIAN, {"cpu after": ""}, "unknown", "no two readings"),
        ("host.await", DEBIAN, {}, "warn", "sda: a write 15.0 ms, a flush 4.0 ms, a read 0.5 ms"),
        ("host.await", RHEL8, {}, "warn", "a write 40.0 ms"),
        ("host.await", ALPINE, {}, "unknown", "it had nothing to do, watched for 0.5 s"),
        ("host.await", CONTAINER, {}, "unknown", "not to be told from overlay (overlay)"),
        ("host.await", DEBIAN, {"place 1": None}, "unknown", "3 disks"),
        ("host.rotational", DEBIAN, {}, "pass", "sda does not spin"),
        ("host.rotational", DEBIAN, {"slaves": "/sys/block/dm-0/slaves/sdb"}, "warn", "sdb spins"),
        ("host.rotational", ALPINE, {}, "unknown", "a hypervisor stands before it"),
        ("host.memory", DEBIAN, {}, "pass", "34 GB of 67 GB available"),
        ("host.memory", ALPINE, {}, "warn", "Less than 10 %"),
        ("host.memory", CONTAINER, {}, "pass", "102 MB of 500 MB available"),
        ("host.memory", DEBIAN, {"memory": "MemTotal: 9 kB"}, "unknown", "no MemAvailable"),
        ("host.swap", ALPINE, {}, "pass", "no swap"),
        ("host.swap", DEBIAN, {}, "pass", "102 MB of 1.0 GB of swap in use"),
        (
            "host.swap",
            DEBIAN,
            {"memory": "MemTotal: 1000 kB\nSwapTotal: 900 kB\nSwapFree: 9 kB"},
            "warn",
            "of swap in use",
        ),
        ("host.swap", DEBIAN, {"memory": "MemTotal: 9 kB"}, "unknown", "does not say"),
        ("host.filesystem", DEBIAN, {}, "pass", "/var/lib/postgresql/16/main on xfs"),
        ("host.filesystem", CONTAINER, {}, "warn", "a container's own layer"),
        ("host.filesystem", ALPINE, {"place 1": None}, "unknown", "no path was asked about"),
        (
            "host.filesystem",
            ALPINE,
            {"mounts": "1 1 0:9 / / rw - nfs4 nas:/pg rw"},
            "warn",
            "A network is between",
        ),
        (
            "host.filesystem",
            ALPINE,
            {"mounts": "1 1 0:9 / / rw - tmpfs none rw"},
            "stop",
            "gone with the next restart",
        ),
        ("host.inodes", DEBIAN, {}, "warn", "4,000 inodes free on /var/lib/postgresql"),
        ("host.inodes", ALPINE, {}, "pass", "inodes are made as they are needed"),
        ("host.inodes", ALPINE, {"place 1": None}, "unknown", "no path was asked about"),
        ("host.clock", DEBIAN, {}, "pass", "synchronised by chrony; read from tsc"),
        ("host.clock", ALPINE, {}, "warn", "not synchronised; read from hpet"),
        ("host.clock", ALPINE, {"timedatectl": "NTPSynchronized=yes"}, "note", "slow to read"),
        (
            "host.clock",
            DEBIAN,
            {"chrony": DEBIAN["chrony"].replace("Normal", "Not synchronised")},
            "warn",
            "not synchronised, though chrony runs",
        ),
        ("host.clock", CONTAINER, {}, "unknown", "was there to ask"),
        ("host.huge_pages", DEBIAN, {}, "note", "always"),
        ("host.huge_pages", DEBIAN, {"transparent": "always [madvise] never"}, "pass", "madvise"),
        ("host.huge_pages", ALPINE, {}, "unknown", "no such setting"),
        ("host.open_files", DEBIAN, {}, "pass", "65,536 a process"),
        (
            "host.open_files",
            DEBIAN,
            {"limits": "Max open files            256     4096   files"},
            "warn",
            "256 a process",
        ),
        (
            "host.open_files",
            DEBIAN,
            {"limits": "Max open files            unlimited  unlimited   files"},
            "pass",
            "unlimited",
        ),
        ("host.open_files", ALPINE, {}, "unknown", "no right to see them"),
        ("host.open_files", CONTAINER, {}, "unknown", "may run in a container"),
        ("host.open_files", DEBIAN, {"limits": None}, "unknown", "no server's process"),
        ("host.resolvers", DEBIAN, {}, "pass", "192.0.2.53, 192.0.2.54"),
        ("host.resolvers", ALPINE, {}, "note", "names no resolver"),
    ],
)
def test_a_figure_and_what_it_means(
    check: str, system: Printed, other: dict[str, Any], verdict: str, words: str
) -> None:
    said = JUDGES[check](seen(system, **other))
    assert said.verdict == verdict, said
    whole = f"{said.figure} {said.says}"
    assert words in whole


def test_every_check_has_its_say_and_whoever_warns_says_what_to_do() -> None:
    for system in (DEBIAN, ALPINE, CONTAINER, RHEL8):
        said = judged(seen(system))
        assert list(said) == list(JUDGES)
        assert all(one.todo for one in said.values() if one.verdict in ("warn", "stop"))


def test_a_host_on_paper_and_as_json() -> None:
    host = seen(CONTAINER)
    text = report.text(host, judged(host))
    assert "not read    /sys/block: nothing to read" in text
    assert "unknown open files not known" in text and "vm.swappiness = 60" in text
    whole = json.loads(report.as_json(host, judged(host)))
    assert whole["cpu"]["cores"] == 2 and whole["firewall"] is None
    assert whole["container"] is True and whole["disks"] == []
    assert [one["check"] for one in whole["findings"]] == list(JUDGES)
    assert "15.0 ms" in report.text(seen(DEBIAN), {}) and "firewall    ufw" in report.text(
        seen(DEBIAN), {}
    )


# Free space


def test_the_disk_has_to_take_database_growth_and_log() -> None:
    copy = space.Copy(database=1000, there=100, wal=50)
    assert copy.wanted == 1050
    assert space.for_copy(1049, copy, "/").verdict == "stop"
    assert space.for_copy(1050, copy, "/").verdict == "warn"
    assert space.for_copy(1260, copy, "/").verdict == "pass"
    assert "× 1.1" in space.for_copy(1, copy, "/").evidence


def test_what_is_copied_already_is_wanted_no_more() -> None:
    assert space.Copy(database=1000, there=5000).wanted == 0


def test_the_log_has_to_fit_for_as_long_as_the_copy_takes_or_the_night() -> None:
    log = space.Log(write_rate=1e6, to_copy=0)
    assert log.kept_s == 3600 and log.wanted == 3.6e9
    assert space.Log(write_rate=1, to_copy=int(54e9)).kept_s == 3600
    assert space.Log(write_rate=1, to_copy=0, left_s=86400.0).kept_s == 86400
    full = space.for_log(int(1.8e9), log, "/wal")
    assert full.verdict == "stop" and "full after 30 min" in full.says
    assert space.for_log(int(4e9), log, "/wal").verdict == "warn"
    assert space.for_log(int(5e9), log, "/wal").verdict == "pass"


def test_a_slot_that_keeps_less_protects_the_disk_and_not_the_copy() -> None:
    log = space.Log(write_rate=1e6, to_copy=0, slot_keeps=int(1e9))
    assert "begin again" in space.for_log(int(2e9), log, "/").says
    kept = space.for_log(int(9e9), log, "/")
    assert kept.verdict == "warn" and "max_slot_wal_keep_size" in kept.says


def test_a_source_that_writes_nothing_needs_nothing() -> None:
    assert space.for_log(0, space.Log(write_rate=0.0, to_copy=9), "/").verdict == "pass"


# Side by side


def test_what_is_lower_on_the_new_host_is_named() -> None:
    old, small = seen(DEBIAN), seen(DEBIAN, limits="Max open files   1024   1024   files")
    small = msgspec.structs.replace(small, host="new", cpu=Cpu(cores=4))
    said = compared(old, small, {"max_connections": 200}, {"max_connections": 100})
    assert said.verdict == "warn"
    assert said.figure == (
        "lower on new: cores: 8 to 4, open files: 65,536 to 1,024, max_connections: 200 to 100"
    )
    assert compared(old, old, {}, {}).verdict == "pass"


def test_less_memory_and_an_end_to_unlimited_are_lower_and_the_other_way_is_not() -> None:
    old, new = seen(DEBIAN), seen(DEBIAN, allowed="2000000000")
    assert "memory: 67 GB to 2.0 GB" in compared(old, new, {}, {}).figure
    assert compared(new, old, {}, {}).verdict == "pass"
    unlimited = msgspec.structs.replace(old, limits={"open files": -1})
    assert "unlimited to 65,536" in compared(unlimited, old, {}, {}).figure
    assert compared(old, unlimited, {}, {}).verdict == "pass"


def test_what_could_not_be_compared_is_no_pass() -> None:
    said = compared(seen(DEBIAN), seen(DEBIAN, limits=None), {}, {})
    assert said.verdict == "unknown" and "the server's limits on old" in said.says


# Flushes against commits


@pytest.mark.parametrize(
    ("fsync_ms", "commits", "verdict"),
    [(1, 0, "pass"), (1, 500, "pass"), (1, 501, "warn"), (1, 1001, "stop"), (0, 1e6, "pass")],
)
def test_one_flush_after_the_other(fsync_ms: float, commits: float, verdict: str) -> None:
    assert can_apply(fsync_ms, commits).verdict == verdict


@given(st.floats(0.001, 1e4), st.floats(0, 1e6), st.floats(1, 100))
def test_a_slower_disk_is_never_judged_better(ms: float, commits: float, slower: float) -> None:
    order = ["pass", "warn", "stop"]
    at, then = (can_apply(each, commits) for each in (ms, ms * slower))
    assert order.index(then.verdict) >= order.index(at.verdict)
    assert isinstance(at, Said) and at.evidence
