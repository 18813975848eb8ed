"""A local port over a real OpenSSH server: it stays, and leads on again after the road was cut."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncssh
import pytest

from connections import tunnel as tunnels
from connections import tunnel_lines
from connections.tunnel import Tunnel
from profiles.errors import ChangedHostKeyError, LoginRefusedError, UnknownHostKeyError
from rehearsal.server import free_port
from tests.fix_ssh import Sshd, linked, needs_root, until

pytestmark = pytest.mark.live

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends all that comes back, and says goodbye at the end of it."""
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write(b"bye")
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


@pytest.fixture
async def database() -> AsyncIterator[int]:
    serving: set[asyncio.Task[None]] = set()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.create_task(echo(reader, writer)))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await asyncio.wait_for(asyncio.gather(*serving), 5)


@asynccontextmanager
async def opened(sshd: Sshd, to: int, port: int = 0, **more: object) -> AsyncIterator[Tunnel]:
    link = linked(sshd, **more)  # type: ignore[arg-type]
    one = Tunnel(link, ("127.0.0.1", to))
    try:
        await one.open(port)
        yield one
    finally:
        await one.close()
        await link.close()


async def said(streams: Streams, text: bytes) -> bytes:
    reader, writer = streams
    writer.write(text)
    return await asyncio.wait_for(reader.readexactly(len(text)), 10)


async def connected(one: Tunnel) -> Streams:
    return await asyncio.open_connection("127.0.0.1", one.port)


async def test_what_goes_in_comes_out_and_both_ends_are_told_the_end(
    sshd: Sshd, trusted: Path, database: int
) -> None:
    port = free_port()
    async with opened(sshd, database, port) as one:
        assert one.port == port
        reader, writer = await connected(one)
        assert await said((reader, writer), b"select 1") == b"select 1"
        writer.write_eof()
        assert await reader.read() == b"bye"
        writer.close()


async def test_several_at_once_carry_much_without_loss(
    sshd: Sshd, trusted: Path, database: int
) -> None:
    async with opened(sshd, database) as one:
        text = bytes(range(256)) * 20_000

        async def through() -> bytes:
            reader, writer = await connected(one)
            sending = asyncio.create_task(_sent(writer, text))
            back = await reader.readexactly(len(text))
            await sending
            writer.close()
            return back

        assert await asyncio.gather(*(through() for _ in range(4))) == [text] * 4


async def _sent(writer: asyncio.StreamWriter, text: bytes) -> None:
    writer.write(text)
    await writer.drain()


async def test_over_a_long_road_clients_do_not_share_a_connection(
    sshd: Sshd, trusted: Path, database: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunnel_lines, "LONG_ROAD_MS", 0.0)
    async with opened(sshd, database) as one:
        clients = [await connected(one) for _ in range(5)]
        for streams in clients:
            assert await said(streams, b"here") == b"here"
        assert len(sshd.processes()) >= tunnel_lines.MOST_LINES
        sshd.cut()
        for reader, _ in clients:
            with pytest.raises(ConnectionError):
                await reader.read()
        again = [await connected(one) for _ in range(2)]
        for streams in again:
            assert await said(streams, b"again") == b"again"
            streams[1].close()
        for _, writer in clients:
            writer.close()
    await until(lambda: not sshd.processes())


async def test_a_client_that_breaks_off_does_not_disturb_the_others(
    sshd: Sshd, trusted: Path, database: int
) -> None:
    async with opened(sshd, database) as one:
        steady = await connected(one)
        for _ in range(5):
            reader, writer = await connected(one)
            writer.write(bytes(1 << 20))
            await reader.readexactly(1000)
            writer.transport.abort()
            assert await said(steady, b"still there") == b"still there"
        steady[1].close()


async def test_it_is_back_on_its_port_within_a_second_and_nobody_mistakes_the_cut_for_an_end(
    sshd: Sshd, trusted: Path, database: int
) -> None:
    async with opened(sshd, database) as one:
        port = one.port
        for _ in range(3):
            reader, writer = await connected(one)
            assert await said((reader, writer), b"before") == b"before"
            began = time.monotonic()
            sshd.cut()
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(reader.read(), 5)
            writer.close()
            again = await connected(one)
            assert await said(again, b"after") == b"after"
            assert time.monotonic() - began < 1
            assert one.port == port
            again[1].close()


async def test_who_comes_while_it_is_down_waits_for_it(
    sshd: Sshd, trusted: Path, database: int
) -> None:
    async with opened(sshd, database) as one:
        sshd.stop()
        waiting = await connected(one)
        waiting[1].write(b"patience")
        await sshd.start()
        assert await asyncio.wait_for(waiting[0].readexactly(8), 10) == b"patience"
        waiting[1].close()


async def test_patience_ends(
    sshd: Sshd, trusted: Path, database: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tunnels, "PATIENCE_S", 0.2)
    async with opened(sshd, database) as one:
        sshd.stop()
        reader, writer = await connected(one)
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 5)
        writer.close()
        assert "no connection within" in str(one.last_error)
        await sshd.start()


async def test_a_changed_key_is_not_tried_again(sshd: Sshd, trusted: Path, database: int) -> None:
    async with opened(sshd, database) as one:
        other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
        (trusted / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{sshd.port} {other}")
        sshd.cut()
        await until(lambda: one.refused is not None)
        assert isinstance(one.refused, ChangedHostKeyError)
        reader, writer = await connected(one)
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 5)
        writer.close()
        assert one.last_error is one.refused


async def test_a_refused_login_is_not_tried_again(sshd: Sshd, trusted: Path, database: int) -> None:
    authorized = sshd.folder / "authorized"
    before = authorized.read_text()
    async with opened(sshd, database) as one:
        authorized.write_text("")
        try:
            sshd.cut()
            await until(lambda: one.refused is not None)
        finally:
            authorized.write_text(before)
        assert isinstance(one.refused, LoginRefusedError)


async def test_an_unknown_key_is_said_at_once(sshd: Sshd, operator: Path, database: int) -> None:
    with pytest.raises(UnknownHostKeyError):
        async with opened(sshd, database):
            pass


async def test_a_server_that_does_not_listen_there_is_said(sshd: Sshd, trusted: Path) -> None:
    port = free_port()
    async with opened(sshd, port) as one:
        reader, writer = await connected(one)
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 5)
        writer.close()
        assert f"reach 127.0.0.1:{port} from there: Connection refused" in str(one.last_error)


@needs_root
async def test_a_road_that_swallows_everything_is_noticed(
    sshd: Sshd, trusted: Path, database: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The far side is frozen, as behind a firewall that drops: no byte comes any more."""
    monkeypatch.setattr("connections.ssh.KEEPALIVE_S", 0.2)
    async with opened(sshd, database) as one:
        reader, writer = await connected(one)
        assert await said((reader, writer), b"before") == b"before"
        with sshd.frozen(), pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 5)
        writer.close()
        again = await connected(one)
        assert await said(again, b"after") == b"after"
        again[1].close()
