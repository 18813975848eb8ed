"""A local port that leads to a server over SSH, for the wizard's own sessions.

The port is ours for as long as the tunnel is, whatever becomes of the connection below it: that is
opened again by itself, and who comes meanwhile waits. Must not know what speaks through it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import cast

import asyncssh

from connections.ssh import Ssh
from connections.ssh_link import Link
from connections.tcp_info import TcpInfo
from connections.tunnel_lines import Lines
from profiles.errors import (
    ConnectError,
    HostKeyError,
    LoginRefusedError,
    NightferryError,
    SecretError,
    UnreachableError,
)

LOOPBACK = "127.0.0.1"
WINDOW_BYTES = 4 << 20
"""How much may be on its way to us in one channel; asyncssh gives credit again when half is used.

At 80 ms that is 25 MB/s. More is worse: OpenSSH's server (9.2) reads ahead as far as it may, and
with 16 MiB needs ten times the processor for each byte: 20 MB/s on loopback in the place of 650.
"""

BUFFER_BYTES = 1 << 20
"""How much waits on either side before its sender is told to wait."""

FIRST_PAUSE_S = 0.1
LAST_PAUSE_S = 5.0
"""Between two attempts to open the connection again: from the first to the last, doubling."""

PATIENCE_S = 10.0
"""How long a client waits for a connection that is being opened again."""

FINAL = (HostKeyError, LoginRefusedError, SecretError)
"""What does not become better by trying again, and may lock the operator out."""


class Tunnel:
    """Open until it is closed, or until the host refuses us; then it can be opened again."""

    def __init__(self, link: Link, to: tuple[str, int]) -> None:
        self.port = 0
        self.refused: NightferryError | None = None
        """Why it has given up; None as long as it has not."""
        self.last_error: NightferryError | None = None
        """Why the last client that was not led on was reset instead."""
        self.down: NightferryError | None = None
        """Why the connection could not be opened again yet; None while it stands."""
        self._link = link
        self._lines = Lines(link)
        self._to = to
        self._ssh: Ssh | None = None
        self._up = asyncio.Event()
        self._turn = asyncio.Lock()
        self._server: asyncio.Server | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._pipes: set[_Near] = set()
        self._opening: set[asyncio.Task[None]] = set()

    async def open(self, port: int = 0) -> None:
        """Listens on the port of the loopback address (0: any), and opens the connection.

        Does nothing while it is open; when it has given up, its port is led on again. Raises
        ConnectError and SecretError, and OSError for a port in use.
        """
        async with self._turn:
            if self._keeper is not None and self.refused is None:
                return
            self._ssh = await self._link.open()
            await self._listen(port)
            self.refused = self.down = None
            self._up.set()
            self._keeper = asyncio.create_task(self._keep())

    async def _listen(self, port: int) -> None:
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(lambda: _Near(self._accepted), LOOPBACK, port)
            self.port = self._server.sockets[0].getsockname()[1]

    @property
    def entrance(self) -> tuple[str, int]:
        """Where to dial."""
        return LOOPBACK, self.port

    def road(self) -> TcpInfo | None:
        """The road to the host, as far as it can be seen from here."""
        return self._link.road()

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Whoever is not led on in here raises what the host answered: a client sees a reset."""
        before = self.last_error
        try:
            yield
        except UnreachableError:
            new = self.last_error if self.last_error is not before else None
            why = self.refused or new or self.down
            if why is None:
                raise
            raise why from None

    async def close(self) -> None:
        """Ends it and all that goes through it; never raises. The link stays."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in (self._keeper, *self._opening):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        self._keeper = None
        for pipe in [*self._pipes]:
            pipe.reset()
        await self._lines.close()

    async def _keep(self) -> None:
        """Opens the connection again whenever it ends, until the host refuses us."""
        pause_s = FIRST_PAUSE_S
        while self.refused is None:
            try:
                self._ssh = await self._link.open()
            except FINAL as error:
                self.refused = error
                self._up.set()
            except ConnectError as error:
                self.down = error
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LAST_PAUSE_S)
            else:
                pause_s = FIRST_PAUSE_S
                self.down = None
                self._up.set()
                await self._ssh.ended()
                self._up.clear()

    def _accepted(self, near: _Near) -> None:
        self._pipes.add(near)
        near.when_lost = self._lost
        task = asyncio.create_task(self._joined(near))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    def _lost(self, near: _Near) -> None:
        self._pipes.discard(near)
        self._lines.leave(near)

    async def _joined(self, near: _Near) -> None:
        """Leads a client on to the server, or resets it."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._lead_on(near)
        except NightferryError as error:
            self.last_error = error
        except TimeoutError:
            why = "" if self.down is None else f": {self.down.answered}"
            self.last_error = self._unreached(f"no connection within {PATIENCE_S:g} s{why}")
        except (OSError, asyncssh.Error) as error:
            self.last_error = self._unreached(getattr(error, "reason", "") or str(error))
        else:
            return
        near.reset()

    async def _lead_on(self, near: _Near) -> None:
        while True:
            await self._up.wait()
            if self.refused is not None:
                raise self.refused
            assert self._ssh is not None
            ssh = await self._lines.take(near, self._ssh)
            try:
                await ssh.connection.create_connection(
                    lambda: _Far(near), *self._to, window=WINDOW_BYTES, encoding=None
                )
            except (OSError, asyncssh.Error):
                if not ssh.lost:
                    raise
                if self._ssh is ssh:  # the keeper has not heard of it yet
                    self._up.clear()
            else:
                return

    def _unreached(self, said: str) -> UnreachableError:
        address, port = self._to
        where, tried = f"host of {self._link.name}", f"reach {address}:{port} from there"
        return UnreachableError(where, tried, said, "See whether that server listens there.")


class _Near(asyncio.Protocol):
    """The client's side."""

    def __init__(self, accepted: Callable[[_Near], None]) -> None:
        self.when_lost: Callable[[_Near], None] = lambda _: None
        self.transport: asyncio.Transport | None = None
        self._accepted = accepted
        self._far: asyncssh.SSHTCPChannel[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Nothing is read before there is somewhere to send it."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(BUFFER_BYTES)
        self.transport.pause_reading()
        self._accepted(self)

    def join(self, far: asyncssh.SSHTCPChannel[bytes]) -> None:
        """From now on what comes goes there."""
        self._far = far
        assert self.transport is not None
        if self.transport.is_closing():
            far.abort()
        else:
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Towards the server."""
        assert self._far is not None
        with suppress(OSError):  # it is gone, and this side about to be told
            self._far.write(data)

    def eof_received(self) -> bool:
        """The other direction stays open."""
        if self._far is not None:
            with suppress(OSError):
                self._far.write_eof()
        return True

    def pause_writing(self) -> None:
        """The client reads more slowly than the server sends."""
        assert self._far is not None
        self._far.pause_reading()

    def resume_writing(self) -> None:
        """It has caught up."""
        assert self._far is not None
        self._far.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        """The server is told, too."""
        self.when_lost(self)
        if self._far is not None:
            self._far.close()

    def reset(self) -> None:
        """Ends it as a broken connection: an orderly end would look like the server's own."""
        if self.transport is not None and not self.transport.is_closing():
            near = cast(socket.socket, self.transport.get_extra_info("socket"))
            with suppress(OSError):
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()


class _Far(asyncssh.SSHTCPSession[bytes]):
    """The server's side."""

    def __init__(self, near: _Near) -> None:
        self._near = near
        self._ended = False
        self._come: list[bytes] = []

    @property
    def _transport(self) -> asyncio.Transport:
        assert self._near.transport is not None
        return self._near.transport

    def connection_made(self, chan: asyncssh.SSHTCPChannel[bytes]) -> None:
        """The way is free."""
        chan.set_write_buffer_limits(BUFFER_BYTES)
        self._near.join(chan)

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        """Towards the client, together with what comes in the same moment."""
        if not self._come:
            asyncio.get_running_loop().call_soon(self._hand_on)
        self._come.append(data)

    def _hand_on(self) -> None:
        data = b"".join(self._come)
        self._come.clear()
        if not self._transport.is_closing():
            self._transport.write(data)

    def eof_received(self) -> bool:
        """The other direction stays open."""
        self._ended = True
        self._hand_on()
        # An error here would end the whole connection, and every other client's channel with it.
        with suppress(OSError):
            if not self._transport.is_closing():
                self._transport.write_eof()
        return True

    def pause_writing(self) -> None:
        """The road is slower than the client sends."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end of the channel alone is orderly only when the server said so first."""
        self._hand_on()
        if exc is None and self._ended:
            self._transport.close()
        else:
            self._near.reset()
