"""A window's end of the engine's socket: for the wizard, the command line, the unattended walk.

Knows the protocol and the fold; loads no driver and no screen. Coming back after the engine was
lost is the caller's business.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import TracebackType

import msgspec

from engine.wire import MAX_EVENT_BYTES, Welcome, decode_welcome, encode_line
from profiles.errors import EngineError, RefusedError
from profiles.events import Event, Refused, decode
from profiles.fold import Night
from profiles.nights import socket_path
from profiles.requests import PROTOCOL, Hello, Request

CONNECT_DEADLINE_S = 5.0
ATTACH = "Run `nightferry attach` to start the engine again; it goes on where it was."


def new_id() -> str:
    """An id for a request, that no other window makes."""
    return secrets.token_hex(8)


class Client:
    """A connection to the engine; ``state`` is folded from every event that was read.

    Read it either with ``async for`` or with `until`, not both at the same time.
    """

    def __init__(
        self, welcome: Welcome, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.welcome = welcome
        self.state = Night()
        self._reader = reader
        self._writer = writer

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._events()

    async def _events(self) -> AsyncIterator[Event]:
        while True:
            yield await self._next()

    async def send(self, request: Request) -> None:
        """Ask; ``seen_seq`` is set to what this client has seen. Raises EngineError."""
        if not request.seen_seq:
            request = msgspec.structs.replace(request, seen_seq=self.state.seq)
        try:
            self._writer.write(encode_line(request))
            await self._writer.drain()
        except OSError as error:
            raise self._lost() from error

    async def until(self, predicate: Callable[[Night], bool], deadline_s: float) -> Night:
        """The state as soon as the predicate is true of it.

        Raises EngineError when the engine is lost or the deadline (seconds) passes, and
        RefusedError when a request is refused meanwhile.
        """
        try:
            async with asyncio.timeout(deadline_s):
                while not predicate(self.state):
                    event = await self._next()
                    if isinstance(event, Refused):
                        raise RefusedError(self.welcome.night, "ask the engine", event.why)
        except TimeoutError as error:
            raise EngineError(
                self.welcome.night,
                "wait for the night to come further",
                f"not within {deadline_s:g} s; the last event was {self.state.seq}",
            ) from error
        return self.state

    async def caught_up(self, deadline_s: float = 30.0) -> Night:
        """The state once everything that had happened at the welcome was read."""
        return await self.until(lambda night: night.seq >= self.welcome.seq, deadline_s)

    async def close(self) -> None:
        """End the connection; the engine goes on."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except OSError:
            return  # the engine was quicker

    async def _next(self) -> Event:
        try:
            event = decode(await self._reader.readuntil(b"\n"))
        except (OSError, asyncio.IncompleteReadError) as error:
            raise self._lost() from error
        except msgspec.MsgspecError as error:
            raise EngineError(self.welcome.night, "read an event", str(error), ATTACH) from error
        self.state.apply(event)
        return event

    def _lost(self) -> EngineError:
        return EngineError(
            self.welcome.night, "talk to the engine", "it closed the connection", ATTACH
        )


async def connect(folder: Path, watch: bool = False, after_seq: int = 0) -> Client:
    """A window on the night of that folder, sent the events after ``after_seq``.

    Raises EngineError when no engine answers, or one that speaks another protocol.
    """
    path = socket_path(folder)
    try:
        async with asyncio.timeout(CONNECT_DEADLINE_S):
            reader, writer = await asyncio.open_unix_connection(path, limit=MAX_EVENT_BYTES)
            hello = Hello(id=new_id(), watch=watch, after_seq=after_seq)
            writer.write(encode_line(hello))
            welcome = await _welcomed(reader, writer)
    except (OSError, asyncio.IncompleteReadError, msgspec.MsgspecError) as error:
        answer = str(error) or type(error).__name__
        raise EngineError(folder.name, f"connect to {path}", answer, ATTACH) from error
    return Client(welcome, reader, writer)


async def _welcomed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Welcome:
    """The engine's first line; raises EngineError, with the connection closed, on another one."""
    try:
        welcome = decode_welcome(await reader.readuntil(b"\n"))
        if welcome.protocol != PROTOCOL:
            raise EngineError(
                welcome.night,
                "say hello",
                f"this engine speaks protocol {welcome.protocol}, this window {PROTOCOL}",
                f"Open the night with Nightferry {welcome.version}.",
            )
    except BaseException:
        writer.close()
        raise
    return welcome
