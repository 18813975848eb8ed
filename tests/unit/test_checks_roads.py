"""Which roads are probed, and what is measured where the servers stand apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from checks import roads
from checks.check import Look
from profiles.errors import ConnectError, NightferryError
from profiles.events import Event, Probed
from profiles.fold import Night
from profiles.profile import (
    Address,
    PgBouncer,
    Profile,
    ReplicationTunnel,
    SshHost,
)
from tests.fix_looks import A_CLIENT, a_profile, a_server, finding, findings
from tests.fix_scripted import LOCAL, SSH, Scripted, a_look, looked


@pytest.mark.parametrize("seen", [None, Address(address="10.9.0.5", port=6000)])
def test_the_target_is_where_the_destination_sees_the_source(seen: Address | None) -> None:
    old = a_server("old", 5416, address="/run/postgresql", seen_from_destination=seen)
    profile = a_profile(old, a_server("new", 5418))
    if seen is None:
        with pytest.raises(NightferryError, match="reached by a socket"):
            roads.of_replication(profile)
    else:
        found = roads.of_replication(profile)
        assert (found.target, found.leads_to) == ("10.9.0.5:6000", "database port of old")


TUNNEL = ReplicationTunnel(login="ferry@fd77:3::2", login_port=2222, comes_from="10.9.0.1")


def test_a_replication_that_goes_through_ssh_takes_the_road_to_sshd() -> None:
    profile = a_profile(a_server("old", 5416, replication_tunnel=TUNNEL), a_server("new", 5418))
    found = roads.of_replication(profile)
    assert found == roads.Road(
        "new", "new", "fd77:3::2", 2222, "SSH port of old's host, for replication", True
    )
    assert found.target == "[fd77:3::2]:2222"


async def test_the_roads_from_here_lead_where_our_sessions_go() -> None:
    old = a_server("old", 5416, address="127.0.0.1", host=SSH, by_tunnel=True)
    jumping = msgspec.structs.replace(SSH, jump=["gate@192.0.2.1:22022", "192.0.2.2"])
    new = a_server("new", 5418, address="10.1.0.9", host=jumping, by_tunnel=True)
    found = await roads.from_here(a_profile(old, new))
    assert [(one.origin, one.target, one.leads_to, one.ends_at_sshd) for one in found] == [
        ("this machine", "192.0.2.7:2222", "SSH port of old's host", True),
        ("this machine", "192.0.2.1:22022", "SSH port of new's jump host 192.0.2.1", True),
    ]
    both = await roads.from_here(a_profile(msgspec.structs.replace(old, host=jumping), new))
    assert [one.leads_to for one in both] == ["SSH port of old's and new's jump host 192.0.2.1"]
    direct = msgspec.structs.replace(new, by_tunnel=False)
    (_, to_new) = await roads.from_here(a_profile(old, direct))
    assert (to_new.target, to_new.ends_at_sshd) == ("10.1.0.9:5418", False)


@pytest.mark.parametrize(
    ("address", "host"), [("10.1.0.9", LOCAL), ("/run/postgresql", None), ("127.0.0.1", None)]
)
async def test_no_road_leads_to_a_server_on_this_machine(address: str, host: Any) -> None:
    here = a_server("new", 5418, address=address, host=host)
    far = a_server("old", 5416, address="10.1.0.5")
    found = [one.target for one in await roads.from_here(a_profile(far, here))]
    # From the destination's own host the road to the source is the one that replication takes.
    assert found == ([] if host is LOCAL else ["10.1.0.5:5416"])


async def test_a_command_that_leads_to_a_host_is_no_road(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host far\n  ProxyCommand nc %h %p\n")
    host = SshHost(ssh="far", config=str(config))
    new = a_server("new", 5418, address="10.1.0.9", host=host, by_tunnel=True)
    with pytest.raises(ConnectError, match="a ProxyCommand leads there"):
        await roads.from_here(a_profile(a_server("old", 5416), new))


async def test_the_session_by_a_socket_and_through_ssh() -> None:
    old = a_server("old", 5416, address="/run/postgresql")
    new = a_server("new", 5418, host=SSH, by_tunnel=True)
    look = a_look(Scripted(), profile=a_profile(old, new))
    socket, ssh = await findings(look, "net.session")
    assert socket.figure == "by a socket on this machine: no road"
    assert ssh.evidence.endswith("of the SSH connection that carries the session")


def far_apart(**more: Any) -> Profile:
    """Both servers elsewhere, our sessions straight to them."""
    old = a_server("old", 5416, address="10.1.0.5", host=SSH, **more)
    return a_profile(old, a_server("new", 5418, address="10.1.0.9", host=SSH))


async def test_each_road_is_probed_and_told_apart() -> None:
    told: list[Event] = []
    machine = Scripted(lost=1)
    found = await looked(a_look(machine, told, profile=far_apart()))
    assert machine.ran.count("probe") == 3
    assert found["net.from_here"].verdict == "warn"
    assert found["net.from_here"].figure == (
        "database port of old: 5.0 % lost, 1.0 ms; database port of new: 5.0 % lost, 1.0 ms"
    )
    night = Night()
    for event in reversed([event for event in told if isinstance(event, Probed)]):
        night.apply(event)
    assert list(night.roads) == [
        ("new", "10.1.0.5:5416"),
        ("this machine", "10.1.0.9:5418"),
        ("this machine", "10.1.0.5:5416"),
    ]


async def test_the_port_of_sshd_is_spared_and_not_asked_for_tls() -> None:
    machine, profile = Scripted(), far_apart(replication_tunnel=TUNNEL)
    found = await looked(a_look(machine, profile=profile))
    spared = [line for line in machine.lines if "--no-target" in line.partition("<<")[0]]
    assert [line.partition("-I - ")[2][:15] for line in spared] == ["fd77:3::2 2222 "]
    assert found["net.connecting"].figure == "connect 0.4 ms, to sshd"
    assert machine.words("pull")[1] == "fd77:3::2"


async def test_what_is_measured_beside_a_tunnel_says_so_and_may_be_compressed() -> None:
    profile = far_apart(replication_tunnel=TUNNEL)
    fast = await looked(a_look(Scripted(), profile=profile))
    assert fast["net.throughput"].figure == "directly, 100 MB/s over one, 100 MB/s over 4"
    assert fast["net.throughput"].remedy is None
    for check in ("net.throughput", "net.copy"):
        assert "its own figure is not measured" in fast[check].says
    slow = (await looked(a_look(Scripted(rate=20e6), profile=profile)))["net.throughput"]
    assert (slow.verdict, slow.remedy, slow.wants) == ("note", "tunnel@new", "Compression yes")
    direct = await looked(a_look(Scripted(rate=20e6), profile=far_apart()))
    assert direct["net.throughput"].remedy is None


async def test_a_window_is_read_on_both_hosts() -> None:
    found = (await looked(a_look(Scripted(rate=500e6 * 20), profile=far_apart())))["net.window"]
    assert found.verdict == "warn"
    assert found.evidence == ("old: net.ipv4.tcp_wmem → 4.2 MB\nnew: net.ipv4.tcp_rmem → 3.1 MB")
    assert "net.ipv4.tcp_rmem on new" in found.todo


async def test_the_window_of_one_host_alone_and_of_none() -> None:
    look = a_look(Scripted(), profile=far_apart())
    alone = replace(look, machines={"new": look.machines["new"]})
    found = await finding(alone, "net.window")
    assert found.verdict == "note"
    assert "Not looked at: old: look: needs a host" in found.says
    broken = a_look(Scripted(broken="buffers"), profile=far_apart())
    assert (await finding(broken, "net.window")).verdict == "unknown"


async def test_without_a_port_between_the_hosts_their_clocks_are_read_from_here() -> None:
    look = a_look(Scripted(broken="pull"), profile=far_apart())
    ahead: Any = Scripted(ahead_s=9.0)
    found = await finding(replace(look, machines={**look.machines, "old": ahead}), "net.clocks")
    assert found.verdict == "warn"
    assert found.figure.startswith("+")
    assert "by the hosts' clocks, from here" in found.evidence


POOL = PgBouncer(
    name="pool",
    address="10.1.0.7",
    database="shop",
    config="/etc/pgbouncer.ini",
    client=A_CLIENT,
    host=LOCAL,
)
INI = "[databases]\nshop = host=10.1.0.55 port=6000 dbname=app\n"


def paging(pool: PgBouncer, **more: Any) -> Look:
    profile = msgspec.structs.replace(far_apart(), endpoints=[pool])
    return a_look(Scripted(**more), profile=profile)


async def test_a_page_is_measured_where_its_queries_come_from() -> None:
    look = paging(POOL, files={POOL.config: INI}, trips_ms={"10.1.0.55": 0.2, "10.1.0.9": 20.0})
    found = await finding(look, "net.page")
    assert found.figure == "a page of 50 queries: 10 ms on the way now, 1000 ms after the move"
    assert found.verdict == "warn"
    assert found.says.startswith("Seen from pool: 0.2 ms to old, 20.0 ms to new.")
    machine: Any = look.machines["pool"]
    assert machine.words("trips") == ["10.1.0.55", "6000", "10.1.0.9", "5418"]


async def test_a_pooler_whose_file_cannot_be_read_sees_the_source_where_we_do() -> None:
    look = paging(POOL)
    found = await finding(look, "net.page")
    machine: Any = look.machines["pool"]
    assert found.verdict == "pass"
    assert machine.words("trips")[:2] == ["10.1.0.5", "5416"]


async def test_a_pooler_beside_its_server_has_no_way_to_it() -> None:
    ini = "[databases]\nshop = host=/run/postgresql dbname=app\n"
    found = await finding(paging(POOL, files={POOL.config: ini}), "net.page")
    assert "0.0 ms to old, 0.3 ms to new" in found.says


@pytest.mark.parametrize("broken", [{"broken": "trips"}, {"trips_ms": {"10.1.0.9": None}}])
async def test_a_page_that_could_not_be_measured_is_unknown(broken: dict[str, Any]) -> None:
    found = await finding(paging(POOL, **broken), "net.page")
    assert found.verdict == "unknown"
    assert found.figure in ("not measured: it does not run", "not measured: timed out")


async def test_without_a_host_of_a_pooler_a_page_is_seen_from_here() -> None:
    found = await finding(paging(msgspec.structs.replace(POOL, host=None)), "net.page")
    assert found.verdict == "pass"
    assert "Seen from this machine" in found.says
    assert "names no host of a pooler" in found.says
