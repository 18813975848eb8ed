"""The facts of hosts of several kinds, as their scripts printed them; and of what is none."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.host.boot import dotted
from checks.host.parse import parsed
from checks.host.sections import decimal, whole, wholes
from checks.host.times import CpuShares, DiskRates, cpu_shares, disk_rates
from checks.host.verdicts import judged
from profiles.errors import HostError
from profiles.machine import Clock, HostSeen, ServerProcess
from tests.fix_hosts import ALPINE, CONTAINER, DEBIAN, RHEL8, SYSTEMS, counters, printed, seen


def test_a_machine_of_its_own() -> None:
    host = seen(DEBIAN)
    assert (host.system, host.kernel) == ("Debian GNU/Linux 12 (bookworm)", "Linux 6.1.0-18-amd64")
    assert (host.cpu.cores, host.cpu.hypervisor, host.container) == (8, False, False)
    assert (host.cpu.busy_percent, host.cpu.steal_percent, host.cpu.iowait_percent) == (35, 5, 5)
    assert host.memory.total == 65536000 * 1024 and host.memory.allowed is None
    assert (host.memory.huge_pages, host.memory.huge_pages_free) == (512, 500)
    assert host.memory.transparent == "always"
    assert host.watched_s == 2.0
    assert host.resolvers == ("192.0.2.53", "192.0.2.54")
    assert host.tools == {"python3": "/usr/bin/python3", "psql": "/usr/bin/psql"}
    assert host.listens == ("127.0.0.1:5432", "0.0.0.0:22", "[::1]:5432")
    assert host.firewall == "ufw"
    assert host.limits == {"open files": 65536, "processes": 96365, "locked memory": -1}
    assert host.clock == Clock(source="tsc", synchronised=True, by="chrony")
    assert host.unread == ("/nope: not there, or no right to see it",)


def test_a_disk_has_what_it_did_in_a_second_and_what_a_request_took() -> None:
    sda, sdb, dm_0 = seen(DEBIAN).disks
    assert (sda.name, sda.size, sda.rotational) == ("sda", 512000, False)
    assert (sda.scheduler, sda.write_cache) == ("mq-deadline", "write back")
    assert (sda.reads_a_second, sda.writes_a_second) == (50, 100)
    assert (sda.read_bytes_a_second, sda.write_bytes_a_second) == (512000, 1024000)
    assert (sda.read_await_ms, sda.write_await_ms, sda.flush_await_ms) == (0.5, 15, 4)
    assert sda.busy_percent == 25
    assert sdb.rotational is True and sdb.writes_a_second is None
    assert dm_0.name == "dm-0"


def test_the_disk_under_a_path_is_found_through_lvm_and_btrfs_or_not_named() -> None:
    data, log, temporary = seen(DEBIAN).places
    assert (data.disk, data.kind, data.mount) == ("sda", "xfs", "/var/lib/postgresql")
    assert (data.free, data.inodes_free) == (600000 * 1024, 4000)
    assert (log.disk, log.kind, log.mount) == ("sdb", "btrfs", "/srv/a b")
    assert (log.free, log.inodes_free) == (0, None)
    assert (temporary.mount, temporary.free, temporary.disk) == (None, None, None)
    striped = seen(DEBIAN, slaves="/sys/block/dm-0/slaves/sda2\n/sys/block/dm-0/slaves/sdb")
    assert striped.places[0].disk == "dm-0"
    assert seen(DEBIAN, slaves="/sys/block/dm-0/slaves/dm-0").places[0].disk == "dm-0"
    assert seen(DEBIAN, mounts="").places[0].disk is None


def test_lines_at_boot_come_in_the_order_in_which_they_count() -> None:
    lines = [(line.file, line.name, line.value) for line in seen(DEBIAN).boot_lines]
    assert lines == [
        ("/usr/lib/sysctl.d/10-first.conf", "vm.overcommit_memory", "2"),
        ("/etc/sysctl.d/50-db.conf", "net.core.somaxconn", "1024"),
        ("/etc/sysctl.d/50-db.conf", "vm.swappiness", "1"),
        ("/etc/sysctl.d/99-sysctl.conf", "vm.swappiness", "10"),
    ]
    without_systemd = [line.file for line in seen(DEBIAN, init="").boot_lines]
    assert without_systemd == [*(line[0] for line in lines), "/etc/sysctl.conf"]
    assert seen(ALPINE).boot_lines[-1].value == "70"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vm.swappiness", "vm.swappiness"),
        ("vm/swappiness", "vm.swappiness"),
        ("net/ipv4/conf/eth0.1/mtu", "net.ipv4.conf.eth0/1.mtu"),
        ("net.ipv4.conf.eth0/1.mtu", "net.ipv4.conf.eth0/1.mtu"),
        ("", ""),
    ],
)
def test_names_have_dots(name: str, expected: str) -> None:
    assert dotted(name) == expected


def test_a_hypervisors_disk_only_claims_to_spin_and_an_idle_one_has_no_await() -> None:
    host = seen(ALPINE)
    (vda,) = host.disks
    assert host.cpu.hypervisor and vda.rotational is None
    assert (vda.read_await_ms, vda.write_await_ms, vda.flush_await_ms) == (None, None, None)
    assert vda.writes_a_second == 0
    assert host.place("data") is not None and host.places[0].disk == "vda"
    assert [disk.rotational for disk in seen(RHEL8).disks] == [None, True, None]


def test_a_kernel_that_counts_no_flushes_has_none() -> None:
    sda = seen(RHEL8).disks[0]
    assert (sda.write_await_ms, sda.flush_await_ms) == (40, None)
    assert seen(RHEL8).firewall == "firewalld"
    assert seen(RHEL8).clock == Clock(source="tsc", synchronised=True, by="chrony")


def test_somebody_who_is_not_root_reads_less_and_says_so() -> None:
    host = seen(ALPINE)
    assert host.firewall is None and host.limits == {}
    assert "firewall: only root may ask" in host.unread
    assert host.clock == Clock(source="hpet", synchronised=False)


def test_a_container_is_one_and_a_process_of_another_namespace_is_not_the_server() -> None:
    host = seen(CONTAINER)
    assert host.container and seen(ALPINE).container is False
    assert seen(CONTAINER, container="").container, "its root is an overlay"
    assert host.memory.allowed == 500000000
    assert host.limits == {}
    assert any("that process is systemd" in why for why in host.unread)
    assert "/sys/block: nothing to read" in host.unread
    assert host.disks == () and host.places[0].kind == "overlay"
    assert host.clock.synchronised is None


DAEMON = (
    "pid 77\nuser postgres\nparent 1 systemd\nprogram /usr/lib/postgresql/16/bin/postgres\n"
    "messages /var/log/postgresql/16 main.log\n"
)


def test_whose_task_it_is_to_start_the_server_again() -> None:
    assert seen(DEBIAN).process is None
    daemon = seen(DEBIAN, server=DAEMON).process
    assert daemon == ServerProcess(
        user="postgres",
        program="/usr/lib/postgresql/16/bin/postgres",
        messages="/var/log/postgresql/16 main.log",
    )
    unit = DAEMON + "unit postgresql@16-main.service\nMainPID="
    by_systemd, by_another = (seen(DEBIAN, server=f"{unit}{main}").process for main in ("77", "7"))
    assert by_systemd is not None and by_another is not None
    assert (by_systemd.unit, by_systemd.kept_by) == ("postgresql@16-main.service", None)
    assert (by_another.unit, by_another.kept_by) == (None, "postgresql@16-main.service")


@pytest.mark.parametrize(
    ("parent", "container", "expected"),
    [
        ("1 runit", "", None),
        ("1 tini", "/.dockerenv", "its container"),
        ("1 systemd", "docker", None),
        ("0 ", "", "its container"),
        ("812 systemd", "", None),
        ("812 supervisord", "", "supervisord"),
        ("812 ", "", "process 812"),
    ],
)
def test_who_waits_for_the_servers_end(parent: str, container: str, expected: str | None) -> None:
    server = DAEMON.replace("1 systemd", parent)
    found = seen(DEBIAN, server=server, container=container).process
    assert found is not None and found.kept_by == expected


def test_what_is_not_to_be_seen_of_a_process_is_none() -> None:
    said = "pid 77\nuser postgres\nparent 1 init\nprogram\n"
    assert seen(DEBIAN, server=said).process == ServerProcess(user="postgres")
    replaced = said + "program /usr/bin/postgres (deleted)"
    assert seen(DEBIAN, server=replaced).process == ServerProcess(user="postgres")
    assert seen(DEBIAN, server=said, process="systemd").process is None


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("type filter hook input priority 0; policy accept;\n\t}", None),
        ("type filter hook input priority 0; policy drop;\n\t}", "nftables"),
        ("type filter hook input priority 0; policy accept;\n\ttcp dport 22 accept", "nftables"),
    ],
)
def test_nftables_are_at_work_when_they_refuse_something(rules: str, expected: str | None) -> None:
    assert seen(DEBIAN, ufw="Status: inactive", nftables=rules).firewall == expected


RULES = """\
table inet filter {
\tchain input {
\t\ttype filter hook input priority filter; policy drop;
\t\ttcp dport { 22, 80 } accept
table ip other {
\tchain incoming {
\t\ttype filter hook input priority 10; policy accept;
\t}
\tchain guard {
\t\ttype filter hook input priority 20; policy accept;
\t\ttcp dport 5432 drop
\t}
table ip6 empty {
"""


def test_the_chains_that_a_packet_has_to_pass() -> None:
    found = seen(DEBIAN, ufw="", nftables=RULES)
    assert found.firewall == "nftables"
    assert found.input_chains == ("inet filter input", "ip other guard")
    iptables = RULES.replace("chain guard", "chain INPUT").replace("ip other", "ip filter")
    assert seen(DEBIAN, ufw="", nftables=iptables).firewall == "iptables"
    assert seen(DEBIAN, ufw="", nftables="").input_chains == ()


def test_a_line_of_a_file_makes_no_section() -> None:
    host = seen(DEBIAN, **{"boot /etc/sysctl.d/50-db.conf": "@@ cores\n 1\n@@ end"})
    assert host.cpu.cores == 8


def test_limits_of_the_control_group_and_none_of_version_1() -> None:
    assert seen(DEBIAN, allowed="9223372036854771712").memory.allowed is None
    assert seen(DEBIAN, allowed="2000\nmax\n1000").memory.allowed == 1000


@pytest.mark.parametrize("missing", ["end", "cores", "memory"])
def test_what_is_cut_short_or_no_linux_is_an_error(missing: str) -> None:
    with pytest.raises(HostError, match="old: look at the host"):
        seen(DEBIAN, **{missing: None})


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("missing", sorted(DEBIAN))
def test_a_missing_section_is_none_and_never_a_zero(system: str, missing: str) -> None:
    if missing in ("end", "cores", "memory"):
        return
    before, after = seen(SYSTEMS[system]), seen(SYSTEMS[system], **{missing: None})
    was, will = _figures(before), _figures(after)
    assert all(will[name] in (was[name], None) for name in was)
    if missing.startswith(("time", "io")):
        assert all(disk.writes_a_second is None for disk in after.disks)
    if missing.startswith("cpu ") and missing != "cpuinfo":
        assert (after.cpu.steal_percent, after.cpu.iowait_percent) == (None, None)
    judged(after)


def _figures(host: HostSeen) -> dict[str, Any]:
    every = {**msgspec.structs.asdict(host.cpu), **msgspec.structs.asdict(host.memory)}
    return {name: value for name, value in every.items() if not isinstance(value, bool)}


WORDS = st.sampled_from([*DEBIAN, "place x", "boot /x", "io after", "cpu before"])
LINES = st.one_of(
    st.text(max_size=40),
    st.sampled_from([line for text in DEBIAN.values() for line in text.split("\n")]),
    st.from_regex(r"(\d+ ){0,20}", fullmatch=True),
    st.sampled_from(["cpu  9 9 9 9 9 9 9 " + "9" * 5000, "٣", "²", "1_0", "-1", "8 0 sda"]),
)


@given(st.text())
def test_garbage_is_an_error_of_a_host_and_nothing_else(text: str) -> None:
    with pytest.raises(HostError):
        parsed("old", text)


@given(st.dictionaries(WORDS, st.lists(LINES, max_size=5)))
def test_garbage_in_any_section_is_read_or_refused(bent: dict[str, list[str]]) -> None:
    system = {**DEBIAN, **{name: "\n".join(lines) for name, lines in bent.items()}}
    try:
        host = parsed("old", printed(system))
    except HostError:
        return
    assert set(judged(host)) and host.cpu.cores > 0 and host.memory.total > 0


@given(st.text())
def test_only_plain_digits_are_a_number(text: str) -> None:
    for read in (whole(text), decimal(text)):
        assert read is None or (read >= 0 and text.isascii())


def test_words_that_are_not_all_numbers_are_none() -> None:
    assert wholes(["1", "2"]) == [1, 2] and wholes(["1", "x"]) is None


def test_no_time_passed_or_counters_that_went_back_give_no_rates() -> None:
    words = counters(writes=5).split()[3:]
    assert disk_rates(words, words, None) == disk_rates(words, words, 0.0) == DiskRates()
    back = counters(writes=4).split()[3:]
    assert disk_rates(words, back, 1.0) == DiskRates()
    same = "cpu 1 1 1 1 1 1 1 1"
    assert cpu_shares(same, same) == CpuShares()
    assert cpu_shares("cpu 1 2 3", "cpu 2 3 4") == CpuShares()
    less_iowait = cpu_shares("cpu 0 0 0 0 9 0 0 0", "cpu 1 0 0 1 8 0 0 0")
    assert less_iowait == CpuShares(busy=50, steal=0, iowait=0)
