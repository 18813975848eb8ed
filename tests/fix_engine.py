"""A night with nothing behind it, for whoever tests the engine's shell: profile, folder, desk."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.launch import begin
from engine.night import LiveNight
from engine.server import WindowServer
from profiles.errors import EvidenceError, RefusedError
from profiles.events import ChecksBegan, ChecksEnded, NightEnded
from profiles.fold import fold
from profiles.journal import Journal
from profiles.nights import clear_socket, make_socket_path, socket_path
from profiles.profile import Profile, Server
from profiles.requests import Arm, EndNight, Go, Probe, Request, Skip

PATIENCE_S = 10.0


def a_profile(name: str = "orders") -> Profile:
    """A profile whose servers nobody ever asks."""
    old = Server(name="db-old", address="127.0.0.1", port=1, country="NO", operated_by="us")
    new = Server(name="db-new", address="127.0.0.1", port=2, country="NO", operated_by="us")
    return Profile(name=name, databases=["orders"], source=old, destination=new)


class QuietDesk:
    """Does nothing on any server: a probe is answered at once, some requests go wrong."""

    def __init__(self, live: LiveNight) -> None:
        self.live = live
        self.handled: list[Request] = []
        self.hold = asyncio.Event()

    async def handle(self, request: Request) -> None:
        self.handled.append(request)
        match request:
            case Probe():
                self.live.publish(ChecksBegan(phase=request.phase, request=request.id))
                self.live.publish(ChecksEnded(phase=request.phase, duration_ms=1.0))
            case Go():
                raise RefusedError("orders", "go", "nothing is armed", "Arm it first.")
            case Arm():
                raise EvidenceError("db-old", "arm", "the timer does not run")
            case Skip():
                raise ZeroDivisionError(request.reason)
            case EndNight():
                self.live.publish(NightEnded(report="report.md"))
            case _:
                await self.hold.wait()


class Served:
    """An engine's shell in this process: the live night, its desk and its server."""

    def __init__(self, live: LiveNight) -> None:
        self.live = live
        self.desk = QuietDesk(live)
        self.stopped: list[str] = []
        self.server = WindowServer(live, self.desk, self.stopped.append)


@asynccontextmanager
async def served(clock: Callable[[], datetime] | None = None) -> AsyncIterator[Served]:
    """A night that has just begun, served to whoever connects."""
    folder = begin(a_profile())
    with Journal.open(folder) as journal:
        live = LiveNight(
            folder, journal, fold(journal.events), clock or (lambda: datetime.now(UTC))
        )
        night = Served(live)
        await night.server.open(make_socket_path(folder))
        try:
            yield night
        finally:
            night.desk.hold.set()
            await night.server.close()
            clear_socket(folder)


async def until(holds: Callable[[], bool]) -> None:
    """Wait, looking every few milliseconds, until it holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 (what is waited for tells nobody)
            await asyncio.sleep(0.005)


class RawWindow:
    """A window that speaks in bytes, so that it can also speak wrongly."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, line: bytes) -> None:
        self.writer.write(line)
        await self.writer.drain()

    async def hears(self) -> dict[str, Any]:
        """The next line; raises IncompleteReadError when the engine has closed."""
        async with asyncio.timeout(PATIENCE_S):
            line = await self.reader.readuntil(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message

    async def is_closed(self) -> bool:
        """The engine has ended the connection."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                return not await self.reader.read()
            except ConnectionError:
                return True

    async def close(self) -> None:
        self.writer.transport.abort()
        await asyncio.sleep(0)


async def raw_window(folder: Path, *, small_buffer: bool = False) -> RawWindow:
    """A connection that has said nothing yet."""
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    if small_buffer:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.setblocking(False)
    await asyncio.get_running_loop().sock_connect(line, str(socket_path(folder)))
    reader, writer = await asyncio.open_unix_connection(sock=line, limit=1 << 24)
    return RawWindow(reader, writer)


def hello(**changed: Any) -> bytes:
    """The first line of a window."""
    return b"%s\n" % json.dumps({"kind": "hello", "id": "h", **changed}).encode()
