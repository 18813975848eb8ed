"""Our own sessions and consoles through SSH: shared, explained, checked by the server's name."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncssh
import msgspec
import pytest

from connections.hosts import Hosts
from connections.passwords import Passwords, client_of
from connections.postgres import Session, connect
from connections.reach import Reach
from connections.sessions import Sessions
from connections.ssh import Ssh, open_ssh
from connections.tunnel import Tunnel
from engine.looking import looking
from profiles.errors import (
    ChangedHostKeyError,
    DeadlineError,
    LoginRefusedError,
    NightferryError,
    ServerLostError,
    TlsRefusedError,
    UnknownHostKeyError,
    UnreachableError,
)
from profiles.profile import ConnectionFile, Login, PgBouncer, Profile, SecretRef, SshHost
from rehearsal.server import free_port
from tests.fix_connections import (
    ADMIN_PASSWORD,
    CLIENT,
    CLIENT_PASSWORD,
    DATABASE,
    PASSWORD,
    Lab,
    PooledLab,
    a_profile,
    with_tls,
)
from tests.fix_ssh import Sshd, until

pytestmark = pytest.mark.live


def _pooler(profile: Profile) -> PgBouncer:
    first = profile.endpoints[0]
    assert isinstance(first, PgBouncer)
    return first


def by_tunnel(profile: Profile, host: SshHost, **server: Any) -> Profile:
    """Everything in it reached over SSH."""
    far: dict[str, Any] = {"host": host, "by_tunnel": True}
    replace = msgspec.structs.replace
    poolers = [one for one in profile.endpoints if isinstance(one, PgBouncer)]
    return replace(
        profile,
        source=replace(profile.source, **far, **server),
        destination=replace(profile.destination, **far),
        endpoints=[replace(pooler, **far) for pooler in poolers],
    )


class Far:
    """Sessions of one profile whose hosts are reached over SSH."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.passwords = Passwords(profile)
        for name in ("old", "new"):
            self.passwords.tell(name, PASSWORD)
        for endpoint in profile.endpoints:
            if isinstance(endpoint, PgBouncer):
                self.passwords.tell(endpoint.name, ADMIN_PASSWORD)
            self.passwords.tell(client_of(endpoint.name), CLIENT_PASSWORD)
        self.hosts = Hosts(profile, self.passwords)
        self.sessions = Sessions(profile, self.passwords, self.hosts)

    async def tunnel(self, name: str = "old") -> Tunnel:
        """The one that its sessions share."""
        found = await self.hosts.tunnel(name)
        assert found is not None
        return found


@asynccontextmanager
async def far(profile: Profile) -> AsyncIterator[Far]:
    one = Far(profile)
    try:
        yield one
    finally:
        await one.hosts.close()


@asynccontextmanager
async def closing(*opening: Coroutine[Any, Any, Session]) -> AsyncIterator[list[Session]]:
    sessions = await asyncio.gather(*opening)
    try:
        yield sessions
    finally:
        await asyncio.gather(*(session.close() for session in sessions))


async def asked_until(session: Session, sql: str, *args: object) -> None:
    """Waits until it is true."""
    async with asyncio.timeout(5):
        while not await session.value(sql, *args):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_sessions_share_one_tunnel_which_keeps_its_port(
    lab: Lab, sshd: Sshd, trusted: Path
) -> None:
    async with far(by_tunnel(a_profile(lab.running.port), sshd.host())) as one:
        opens = one.sessions.server
        async with closing(*(opens("old") for _ in range(4))) as sessions:
            ports = {await session.value("SELECT inet_client_port()") for session in sessions}
            tunnel = await one.tunnel()
            assert len(tunnel._pipes) == len(ports) == 4
            for session in sessions:
                near = session._connection._transport.get_extra_info("peername")
                assert near == tunnel.entrance
                assert (session.server, session.database) == ("old", DATABASE)
        assert await one.tunnel() is tunnel
        assert await one.tunnel("new") is not tunnel


async def test_what_needs_no_tunnel_is_reached_without_one(lab: Lab, sshd: Sshd) -> None:
    profile = a_profile(lab.running.port)
    async with far(profile) as one, closing(one.sessions.server("old")) as (session,):
        assert await one.hosts.tunnel("old") is None
        road = session.road()
        assert road is not None and 0 < road.min_rtt_ms <= road.rtt_ms < 100
        assert road.path_mtu > 1000
    assert session.road() is None


async def test_a_sessions_road_is_that_of_the_ssh_connection(
    lab: Lab, sshd: Sshd, trusted: Path
) -> None:
    async with (
        far(by_tunnel(a_profile(lab.running.port), sshd.host())) as one,
        closing(one.sessions.server("old")) as (session,),
    ):
        below = (await one.hosts.link("old").open()).connection.get_extra_info("socket")
        assert below.getpeername()[1] == sshd.port
        road = session.road()
        assert road is not None and 0 < road.rtt_ms < 100
        assert (await one.tunnel()).road() is not None
    assert session.road() is None


async def test_errors_name_the_server_and_the_address_that_its_host_sees(
    lab: Lab, sshd: Sshd, trusted: Path
) -> None:
    profile = by_tunnel(a_profile(lab.running.port), sshd.host(), address="localhost")
    async with far(profile) as one:
        one.passwords.tell("old", "wrong-one")
        with pytest.raises(LoginRefusedError, match="28P01") as refused:
            await one.sessions.server("old")
        port = lab.running.port
        tried = f"log in to {DATABASE} at localhost:{port} through SSH as postgres"
        assert (refused.value.where, refused.value.tried) == ("old", tried)
        assert "127.0.0.1" not in str(refused.value)


async def test_what_the_host_cannot_reach_is_said_in_its_words(sshd: Sshd, trusted: Path) -> None:
    async with far(by_tunnel(a_profile(port := free_port()), sshd.host())) as one:
        for _ in range(2):
            with pytest.raises(UnreachableError) as no:
                await one.sessions.server("old")
            assert no.value.where == "host of old"
            assert no.value.tried == f"reach 127.0.0.1:{port} from there"
            assert no.value.answered == "Connection refused"


async def test_a_console_that_the_host_cannot_reach_is_said_the_same_way(
    lab: Lab, pooled: PooledLab, sshd: Sshd, trusted: Path
) -> None:
    nowhere = msgspec.structs.replace(pooled.endpoint, port=free_port())
    async with far(by_tunnel(a_profile(lab.running.port, nowhere), sshd.host())) as one:
        with pytest.raises(UnreachableError, match=r"host of pool: reach .*: Connection refused"):
            await one.sessions.console(_pooler(one.profile))


async def test_a_host_that_is_away_is_said_and_not_that_nobody_answered(
    lab: Lab, sshd: Sshd, trusted: Path
) -> None:
    async with far(by_tunnel(a_profile(lab.running.port), sshd.host())) as one:
        tunnel = await one.tunnel()
        sshd.stop()
        try:
            await until(lambda: tunnel.down is not None)
            with pytest.raises(UnreachableError, match="by SSH: nothing listens there"):
                await one.sessions.server("old", deadline_s=0.3)
        finally:
            await sshd.start()
        async with closing(one.sessions.server("old")) as (session,):
            assert await session.value("SELECT 1") == 1


async def test_a_host_that_does_not_answer_ends_at_the_deadline(lab: Lab, trusted: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        there = SshHost(ssh="127.0.0.1", port=silent.getsockname()[1])
        async with far(by_tunnel(a_profile(lab.running.port), there)) as one:
            with pytest.raises(UnreachableError, match=r"host of old: open a tunnel .*within 0\.2"):
                await one.sessions.server("old", deadline_s=0.2)


async def test_a_key_that_nobody_accepted_is_asked_about_before_anything_is_said(
    lab: Lab, sshd: Sshd, operator: Path
) -> None:
    async with far(by_tunnel(a_profile(lab.running.port), sshd.host())) as one:
        with pytest.raises(UnknownHostKeyError):
            await one.sessions.server("old")
        (operator / ".ssh" / "known_hosts").write_text(sshd.known)
        async with closing(one.sessions.server("old")) as (session,):
            assert await session.value("SELECT 1") == 1


async def test_a_tunnel_that_gave_up_says_why_and_is_opened_anew_when_asked(
    lab: Lab, sshd: Sshd, trusted: Path
) -> None:
    async with far(by_tunnel(a_profile(lab.running.port), sshd.host())) as one:
        tunnel = await one.tunnel()
        port = tunnel.port
        other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
        (trusted / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{sshd.port} {other}")
        sshd.cut()
        await until(lambda: tunnel.refused is not None)
        with pytest.raises(ChangedHostKeyError):
            await one.sessions.server("old")
        (trusted / ".ssh" / "known_hosts").write_text(sshd.known)
        async with closing(one.sessions.server("old")) as (session,):
            assert await session.value("SELECT 1") == 1
        assert (await one.tunnel()).port == port


async def test_a_cut_loses_the_sessions_and_the_next_is_there_within_a_second(
    lab: Lab, sshd: Sshd, trusted: Path
) -> None:
    async with far(by_tunnel(a_profile(lab.running.port), sshd.host())) as one:
        reach = Reach(one.profile, one.passwords, one.hosts)
        tunnel = await one.tunnel()
        port = tunnel.port
        for _ in range(3):
            session = await reach.session("old", DATABASE)
            asking = asyncio.create_task(session.rows("SELECT pg_sleep(60)", deadline_s=60))
            async with closing(connect(lab.choice, DATABASE, PASSWORD)) as (watcher,):
                await asked_until(watcher, ACTIVE, session.pid)
            began = time.monotonic()
            sshd.cut()
            with pytest.raises(ServerLostError, match="the session ended"):
                await asking
            again = await reach.session("old", DATABASE)
            assert await again.value("SELECT 1") == 1
            assert time.monotonic() - began < 1
            assert again is not session
            assert tunnel.port == port
        await reach.close()


ACTIVE = "SELECT coalesce((SELECT state = 'active' FROM pg_stat_activity WHERE pid = $1), false)"
ENDED = f"SELECT NOT ({ACTIVE})"


async def test_what_is_given_up_ends_on_the_server(lab: Lab, sshd: Sshd, trusted: Path) -> None:
    async with (
        far(by_tunnel(a_profile(lab.running.port), sshd.host())) as one,
        closing(one.sessions.server("old"), connect(lab.choice, DATABASE, PASSWORD)) as both,
    ):
        session, watcher = both
        with pytest.raises(DeadlineError):
            await session.rows("SELECT pg_sleep(60)", deadline_s=0.1)
        await asked_until(watcher, ENDED, session.pid)
        asking = asyncio.create_task(session.rows("SELECT pg_sleep(60)", deadline_s=60))
        await asked_until(watcher, ACTIVE, session.pid)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await asked_until(watcher, ENDED, session.pid)
        assert await session.value("SELECT 2") == 2


async def test_console_and_client_of_a_pooler(
    lab: Lab, pooled: PooledLab, sshd: Sshd, trusted: Path
) -> None:
    async with far(by_tunnel(a_profile(lab.running.port, pooled.endpoint), sshd.host())) as one:
        console = await one.sessions.console(_pooler(one.profile))
        rows = {row["name"]: row for row in await console.show("SHOW DATABASES")}
        assert rows[DATABASE]["port"] == str(lab.running.port)
        async with closing(one.sessions.client("pool", one.profile.source)) as (client,):
            assert await client.value("SELECT current_user") == CLIENT
        sshd.cut()
        with pytest.raises(ServerLostError):
            await console.show("SHOW VERSION")
        assert console.lost
        await console.close()
        again = await one.sessions.console(_pooler(one.profile))
        assert await again.show("SHOW VERSION")
        await again.close()


async def test_a_console_without_a_password_goes_to_no_socket_of_this_machine(
    lab: Lab, pooled: PooledLab, sshd: Sshd, trusted: Path
) -> None:
    endpoint = msgspec.structs.replace(pooled.endpoint, admin_password=None)
    profile = by_tunnel(a_profile(lab.running.port, endpoint), sshd.host())
    hosts = Hosts(profile, _no_password)
    try:
        with pytest.raises(LoginRefusedError, match=f"{endpoint.port} through SSH as"):
            await Sessions(profile, _no_password, hosts).console(_pooler(profile))
    finally:
        await hosts.close()


async def _no_password(name: str) -> str | None:
    return None


async def test_a_client_behind_a_file_goes_by_the_tunnel_of_the_server_it_names(
    lab: Lab, sshd: Sshd, trusted: Path
) -> None:
    profile = by_tunnel(a_profile(lab.running.port), sshd.host())
    login = Login(user=CLIENT, password=SecretRef(ask=True))
    env = ConnectionFile(name="env", path="/x", replace={"a": "b"}, client=login)
    async with far(msgspec.structs.replace(profile, endpoints=[env])) as one:
        for server in (profile.source, profile.destination):
            async with closing(one.sessions.client("env", server)) as (client,):
                near = client._connection._transport.get_extra_info("peername")
                assert near == (await one.tunnel(server.name)).entrance


# TLS through a tunnel: the certificate is the server's, whatever was dialled


@asynccontextmanager
async def under_tls(
    lab: Lab, pooled: PooledLab, sshd: Sshd, address: str, mode: str = "require"
) -> AsyncIterator[tuple[Far, Path]]:
    """A pooler whose certificate is for ``localhost``, by this address of it."""
    certificate = await with_tls(pooled, "DNS:localhost", mode)
    endpoint = msgspec.structs.replace(pooled.endpoint, address=address, tls="verify-full")
    async with far(by_tunnel(a_profile(lab.running.port, endpoint), sshd.host())) as one:
        yield one, certificate


async def test_the_certificate_is_that_of_the_server_and_not_of_the_near_end(
    lab: Lab, pooled: PooledLab, sshd: Sshd, trusted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with under_tls(lab, pooled, sshd, "localhost") as (one, certificate):
        monkeypatch.setenv("PGSSLROOTCERT", str(certificate))
        async with closing(one.sessions.client("pool", one.profile.source)) as (client,):
            assert client.encrypted
            with pytest.raises(DeadlineError):  # what cancels it goes under TLS too
                await client.rows("SELECT 77, pg_sleep(60)", deadline_s=0.1)
            async with closing(connect(lab.choice, DATABASE, PASSWORD)) as (watcher,):
                await asked_until(watcher, IT_ENDED)
        console = await one.sessions.console(_pooler(one.profile))
        assert console._connection.pgconn.ssl_in_use
        await console.close()


IT_ENDED = """SELECT count(*) = 0 FROM pg_stat_activity
WHERE state = 'active' AND query LIKE 'SELECT 77%'"""


async def test_another_servers_certificate_is_refused(
    lab: Lab, pooled: PooledLab, sshd: Sshd, trusted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with under_tls(lab, pooled, sshd, "127.0.0.1") as (one, certificate):
        monkeypatch.setenv("PGSSLROOTCERT", str(certificate))
        with pytest.raises(TlsRefusedError, match=r"not valid for '127\.0\.0\.1'") as refused:
            await one.sessions.client("pool", one.profile.source)
        assert f"127.0.0.1:{pooled.running.port} through SSH" in refused.value.tried
        assert "the name the CA signed" in refused.value.remedy
        with pytest.raises(TlsRefusedError, match="does not match host name"):
            await one.sessions.console(_pooler(one.profile))


async def test_a_root_certificate_that_is_not_there_is_named(
    lab: Lab, pooled: PooledLab, sshd: Sshd, trusted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGSSLROOTCERT", raising=False)
    async with under_tls(lab, pooled, sshd, "localhost") as (one, certificate):
        root = trusted / ".postgresql" / "root.crt"
        with pytest.raises(TlsRefusedError, match=f"no root certificate {root}"):
            await one.sessions.client("pool", one.profile.source)
        root.parent.mkdir()
        root.write_bytes(certificate.read_bytes())
        async with closing(one.sessions.client("pool", one.profile.source)) as (client,):
            assert client.encrypted


async def test_our_own_certificate_is_shown_where_libpq_would_show_it(
    lab: Lab, pooled: PooledLab, sshd: Sshd, trusted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with under_tls(lab, pooled, sshd, "localhost", "verify-ca") as (one, certificate):
        monkeypatch.setenv("PGSSLROOTCERT", str(certificate))
        with pytest.raises(NightferryError):
            await one.sessions.client("pool", one.profile.source)
        monkeypatch.setenv("PGSSLCERT", str(certificate))
        monkeypatch.setenv("PGSSLKEY", str(certificate.with_suffix(".key")))
        async with closing(one.sessions.client("pool", one.profile.source)) as (client,):
            assert client.encrypted


# A whole look


async def test_a_look_goes_through_the_tunnels(
    lab: Lab, pooled: PooledLab, sshd: Sshd, trusted: Path
) -> None:
    async with far(by_tunnel(a_profile(lab.running.port, pooled.endpoint), sshd.host())) as one:
        async with looking(one.profile, one.passwords, one.hosts) as look:
            assert {look.on(side).server for side in ("source", "destination")} == {"old", "new"}
            assert await look.console("pool").show("SHOW VERSION")
            for name, database in (("source", "postgres"), ("pool", None)):
                async with look.opener(name, database) as session:
                    assert await session.value("SELECT 1") == 1
            assert await look.machine("old").read("/etc/hostname")
            sshd.cut()
            with pytest.raises(ServerLostError):
                await look.on("destination").value("SELECT 1")
        async with looking(one.profile, one.passwords, one.hosts) as look:
            assert await look.on("destination").value("SELECT 1") == 1


async def test_a_host_that_refuses_us_is_not_asked_again_for_another_database(
    lab: Lab, sshd: Sshd, trusted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    knocked: list[str] = []

    async def counted(name: str, *how: Any, **more: Any) -> Ssh:
        knocked.append(name)
        return await open_ssh(name, *how, **more)

    monkeypatch.setattr("connections.ssh_link.open_ssh", counted)
    profile = by_tunnel(a_profile(lab.running.port), sshd.host())
    source = msgspec.structs.replace(profile.source, host=sshd.host("nobody-here"))
    async with (
        far(msgspec.structs.replace(profile, source=source)) as one,
        looking(one.profile, one.passwords, one.hosts) as look,
    ):
        with pytest.raises(LoginRefusedError, match="host of old"):
            look.on("source")
        assert await look.on("destination").value("SELECT 1") == 1
    # Once for the session, once for the machine; the destination's are one.
    assert sorted(knocked) == ["new", "old", "old"]
