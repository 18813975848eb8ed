"""What is proposed for a kernel: never less than it has where that counts, and never twice."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.proposals.kernel import BUFFER, BUFFER_AT_MOST, NAMES, Road, huge_pages, kernel
from checks.proposals.made import chosen
from checks.proposals.sizes import GIB, MIB
from profiles.machine import Cpu, HostSeen, Memory, Proposal, SysctlLine
from profiles.names import SYSCTL_FILE

DEFAULTS = {
    "vm.swappiness": "60",
    "vm.dirty_background_ratio": "10",
    "vm.dirty_ratio": "20",
    "vm.dirty_background_bytes": "0",
    "vm.dirty_bytes": "0",
    "vm.overcommit_memory": "0",
    "vm.overcommit_ratio": "50",
    "vm.nr_hugepages": "0",
    "net.core.rmem_max": "212992",
    "net.core.wmem_max": "212992",
    "net.ipv4.tcp_rmem": "4096 131072 6291456",
    "net.ipv4.tcp_wmem": "4096 16384 4194304",
    "net.ipv4.tcp_keepalive_time": "7200",
    "net.ipv4.tcp_keepalive_intvl": "75",
    "net.ipv4.tcp_keepalive_probes": "9",
}
MEMORY = Memory(
    total=16 * GIB,
    available=12 * GIB,
    committed=4 * GIB,
    swap_total=GIB,
    transparent="always",
    huge_pages=0,
    huge_page_size=2 * MIB,
)


def a_host(memory: Memory = MEMORY, sysctls: dict[str, str] = DEFAULTS, **more: Any) -> HostSeen:
    return HostSeen(
        host="new", watched_s=1.0, cpu=Cpu(cores=8), memory=memory, sysctls=sysctls, **more
    )


def values(seen: HostSeen, road: Road | None = None) -> dict[str, str]:
    return {one.name: one.proposed for one in kernel(seen, road).made}


def named(seen: HostSeen, name: str) -> Proposal:
    found = kernel(seen).named(name)
    assert found is not None
    return found


def after(seen: HostSeen, made: tuple[Proposal, ...]) -> HostSeen:
    """The host with every proposal in force."""
    sysctls = {**seen.sysctls, **{it.name: it.proposed for it in made if it.name in seen.sysctls}}
    memory = msgspec.structs.replace(seen.memory, transparent="madvise")
    return msgspec.structs.replace(seen, sysctls=sysctls, memory=memory)


def test_every_rule_reads_a_name_that_is_asked_for() -> None:
    assert {*DEFAULTS} == {*NAMES}


def test_a_host_as_it_was_installed() -> None:
    assert values(a_host()) == {
        "vm.swappiness": "1",
        "vm.dirty_background_ratio": "5",
        "vm.dirty_ratio": "15",
        "net.core.rmem_max": "16777216",
        "net.core.wmem_max": "16777216",
        "net.ipv4.tcp_rmem": "4096 131072 16777216",
        "net.ipv4.tcp_wmem": "4096 65536 16777216",
        "net.ipv4.tcp_keepalive_time": "60",
        "net.ipv4.tcp_keepalive_intvl": "10",
        "net.ipv4.tcp_keepalive_probes": "6",
        "vm.overcommit_ratio": "90",
        "vm.overcommit_memory": "2",
        "transparent_hugepage": "madvise",
    }
    ratio = named(a_host(), "vm.dirty_ratio")
    assert ratio.arithmetic == "15 % of 16 GiB is 2.4 GiB"
    assert (ratio.id, ratio.now, ratio.takes_effect) == ("vm.dirty_ratio@new", "20", "live")


def test_the_source_is_only_helped_to_send() -> None:
    names = [one.name for one in kernel(a_host(), only_sending=True).made]
    assert names == ["net.core.wmem_max", "net.ipv4.tcp_wmem"]


def test_on_large_memory_the_ratios_are_bytes_and_say_what_they_replace() -> None:
    seen = a_host(msgspec.structs.replace(MEMORY, total=256 * GIB))
    made = named(seen, "vm.dirty_bytes")
    assert made.proposed == str(3 * GIB)
    assert made.replaces == ("vm.dirty_ratio", "20")
    assert "out of force" in made.why
    assert made.arithmetic == "the smaller of 15 % of 256 GiB (38.4 GiB) and 3 GiB"
    assert "vm.dirty_ratio" not in values(seen)
    stricter = a_host(seen.memory, {**DEFAULTS, "vm.dirty_bytes": str(GIB)})
    assert "vm.dirty_bytes" not in values(stricter)


def test_what_is_in_force_in_bytes_is_not_proposed_in_percent() -> None:
    found = kernel(a_host(sysctls={**DEFAULTS, "vm.dirty_bytes": "1000000"}))
    assert found.named("vm.dirty_ratio") is None
    assert "vm.dirty_ratio: vm.dirty_bytes = 1000000 is in force instead of it" in found.skipped


def test_a_long_fat_road_asks_for_larger_buffers() -> None:
    road = Road(bytes_a_second=125_000_000, round_trip_ms=100.0)
    made = kernel(a_host(), road).named("net.core.rmem_max")
    assert made is not None
    assert made.proposed == str(24 * MIB)
    assert made.arithmetic.startswith("2 × 125 MB/s × 100 ms = 23.8 MiB, at least 16 MiB")


def test_what_is_not_there_is_said_and_not_proposed() -> None:
    found = kernel(a_host(msgspec.structs.replace(MEMORY, transparent=None), {}))
    assert found.made == ()
    assert "vm.swappiness: not there, or not readable" in found.skipped
    assert "transparent_hugepage: not there, or not readable" in found.skipped
    assert kernel(a_host(container=True)).made == ()
    assert "container" in kernel(a_host(container=True)).skipped[0]
    odd = kernel(a_host(sysctls={**DEFAULTS, "net.ipv4.tcp_rmem": "a b"}))
    assert "net.ipv4.tcp_rmem: “a b” are not three numbers" in odd.skipped


@pytest.mark.parametrize(
    "memory", [msgspec.structs.replace(MEMORY, committed=n) for n in (None, 15 * GIB)]
)
def test_overcommitting_is_left_on_where_switching_it_off_could_fail(memory: Memory) -> None:
    found = kernel(a_host(memory))
    assert found.named("vm.overcommit_memory") is None
    assert any(why.startswith("vm.overcommit_memory: ") for why in found.skipped)


@pytest.mark.parametrize(
    ("file", "wins"),
    [
        ("/etc/sysctl.d/60-vendor.conf", False),
        ("/etc/sysctl.d/99-sysctl.conf", False),
        ("/usr/lib/sysctl.d/zzz.conf", True),
        ("/etc/sysctl.conf", True),
    ],
)
def test_a_line_that_is_read_later_is_named(file: str, wins: bool) -> None:
    line = SysctlLine(file=file, name="vm.swappiness", value="30")
    made = named(a_host(boot_lines=(line,)), "vm.swappiness")
    said = f"{file} (30)"
    assert made.conflict == (f"{said} is read later at boot" if wins else "")
    assert (said in made.why) is not wins


def test_lines_that_agree_or_are_ours_are_no_conflict() -> None:
    lines = (
        SysctlLine(file="/etc/sysctl.conf", name="vm.swappiness", value="1"),
        SysctlLine(file=SYSCTL_FILE, name="vm.swappiness", value="7"),
    )
    assert named(a_host(boot_lines=lines), "vm.swappiness").conflict == ""


def test_huge_pages_only_where_there_is_room() -> None:
    made = huge_pages(a_host(), 1000).made
    assert [(one.name, one.proposed) for one in made] == [("vm.nr_hugepages", "1000")]
    assert huge_pages(a_host(), 7000).made == ()
    assert "is not free" in huge_pages(a_host(), 7000).skipped[0]
    assert huge_pages(a_host(), None).skipped != ()
    enough = msgspec.structs.replace(MEMORY, huge_pages=1000)
    assert huge_pages(a_host(enough), 1000).made == huge_pages(a_host(enough), 900).made == ()


def test_an_own_value_has_to_be_of_the_same_shape() -> None:
    made = named(a_host(), "net.ipv4.tcp_rmem")
    assert chosen(made, "4096  131072 33554432") == "4096 131072 33554432"
    for wrong in ("", "much", "1 2", "1;reboot 2 3"):
        with pytest.raises(ValueError, match=r"net\.ipv4\.tcp_rmem"):
            chosen(made, wrong)
    assert chosen(named(a_host(), "vm.swappiness"), " 7 ") == "7"
    for proposed, own, as_shown in (
        ("16GB", "4096 MB", "4GB"),
        ("15min", "90s", "90s"),
        ("1.1", "2", "2"),
        ("off", "local", "local"),
        ("256M", "512M", "512M"),
    ):
        assert chosen(msgspec.structs.replace(made, proposed=proposed), own) == as_shown
    for proposed, wrong in (("7", "4; reboot"), ("16GB", "4096"), ("15min", "900"), ("off", "0")):
        with pytest.raises(ValueError, match="is nothing like"):
            chosen(msgspec.structs.replace(made, proposed=proposed), wrong)


NUMBER = st.integers(0, 1 << 34).map(str)
THREE = st.lists(st.integers(1, 1 << 30), min_size=3, max_size=3).map(
    lambda three: " ".join(map(str, three))
)
SYSCTLS = st.fixed_dictionaries(
    {}, optional={name: THREE if name.endswith("mem") else NUMBER for name in NAMES}
)
HOSTS = st.builds(
    lambda total, sysctls: a_host(msgspec.structs.replace(MEMORY, total=total), sysctls),
    st.integers(256 * MIB, 2048 * GIB),
    SYSCTLS,
)
ROADS = st.none() | st.builds(Road, st.floats(0, 1e11), st.floats(0, 2000))


@given(HOSTS, ROADS)
def test_buffers_are_never_lowered_and_bounded(seen: HostSeen, road: Road | None) -> None:
    for made in kernel(seen, road).made:
        if "mem" in made.name and made.name.startswith("net."):
            assert made.now is not None
            was, will = map(int, made.now.split()), map(int, made.proposed.split())
            assert all(before <= then for before, then in zip(was, will, strict=True))
            largest = int(made.proposed.split()[-1])
            assert BUFFER <= largest <= max(BUFFER_AT_MOST, int(made.now.split()[-1]))


@given(HOSTS, ROADS)
def test_once_set_nothing_more_is_proposed(seen: HostSeen, road: Road | None) -> None:
    found = kernel(seen, road)
    assert all(made.now != made.proposed for made in found.made)
    # A ratio that was replaced reads 0 from then on.
    replaced = {made.replaces[0]: "0" for made in found.made if made.replaces}
    then = after(seen, found.made)
    then = msgspec.structs.replace(then, sysctls={**then.sysctls, **replaced})
    assert kernel(then, road).made == ()
    assert all(made.arithmetic and made.rule and made.why for made in found.made)
    assert len({made.id for made in found.made}) == len(found.made)
