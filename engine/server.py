"""The engine's socket: any number of windows, events out, requests in.

Knows who may connect and what a window may ask at all; what a request does is the desk's.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from engine import VERSION
from engine.night import LiveNight
from engine.window import Window
from engine.wire import MAX_REQUEST_BYTES, Welcome, decode_request, encode_line, id_of
from profiles.errors import JournalError, NightferryError, RefusedError
from profiles.events import Event, Refused, Said, encode
from profiles.requests import PROTOCOL, Hello, Request, Stop, TellSecret

REMEMBERED_REQUESTS = 512
HELLO_DEADLINE_S = 10.0

log = logging.getLogger(__name__)


class RequestDesk(Protocol):
    """Who does what requests ask."""

    async def handle(self, request: Request) -> None:
        """Carry out a request; raises RefusedError with the reason when it may not be."""


class WindowServer:
    """Serves one night to its windows until it is closed.

    ``stop`` is called, with the reason, once the desk has let the engine be ended.
    """

    def __init__(self, live: LiveNight, desk: RequestDesk, stop: Callable[[str], None]) -> None:
        self._live = live
        self._desk = desk
        self._stop = stop
        self._windows: set[Window] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._closing = False
        self._taken: OrderedDict[str, None] = OrderedDict(
            (event.request, None) for event in live.state.told if event.request
        )

    async def open(self, path: Path) -> None:
        """Listen at ``path`` (0600), in the place of a dead engine's socket; raises OSError."""
        self._server = await asyncio.start_unix_server(
            self._on_connection, sock=_bound(path), limit=MAX_REQUEST_BYTES
        )
        self._live.listeners.append(self._broadcast)

    async def close(self) -> None:
        """Stop listening, cancel what requests still do, and see the windows off."""
        self._closing = True
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(window.close() for window in self._windows))

    def _broadcast(self, event: Event) -> None:
        line = encode(event) + b"\n"
        for window in tuple(self._windows):
            if window.live:
                window.send(line)

    async def _on_connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            if peer_uid(writer.get_extra_info("socket")) in (0, os.getuid()):
                await self._serve(reader, writer)
            else:
                log.warning("a window of another user was turned away")
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the window went away: nothing is lost, it may come back
        except TimeoutError:
            log.warning("a window was dropped: it said no hello, or read nothing")
        except asyncio.LimitOverrunError:
            log.warning("a window was dropped: a line over %d bytes", MAX_REQUEST_BYTES)
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(HELLO_DEADLINE_S):
            line = await reader.readuntil(b"\n")
        hello = self._hello(line)
        window = Window(writer, watch=not isinstance(hello, Hello) or hello.watch)
        self._windows.add(window)
        try:
            window.send(encode_line(self._welcome()))
            if isinstance(hello, Refused):
                window.send(encode(hello) + b"\n")
                return
            await self._bring_up_to_date(window, hello.after_seq)
            while line := await reader.readuntil(b"\n"):
                self._take(line, window)
        finally:
            self._windows.discard(window)

    def _welcome(self) -> Welcome:
        live = self._live
        return Welcome(night=live.name, version=VERSION, seq=live.state.seq)

    def _hello(self, line: bytes) -> Hello | Refused:
        try:
            request = decode_request(line)
        except msgspec.MsgspecError:
            return self._refusal(id_of(line), "the first line of a window is a hello")
        if not isinstance(request, Hello):
            return self._refusal(request.id, "the first line of a window is a hello")
        if request.protocol != PROTOCOL:
            return self._refusal(
                request.id,
                f"this engine speaks protocol {PROTOCOL}, the window {request.protocol}:"
                f" open it with Nightferry {VERSION}",
            )
        return request

    async def _bring_up_to_date(self, window: Window, after_seq: int) -> None:
        """The journal from there on, then what is under way now and not journalled."""
        await window.replay(self._live.journal_path, after_seq)
        window.live = True
        state = self._live.state
        now = (*list(state.samples)[-1:], *state.gates.values(), *state.progress.values())
        for event in now:
            window.send(encode(event) + b"\n")

    def _take(self, line: bytes, window: Window) -> None:
        """One line of a window: refused, ignored as a repetition, or begun."""
        try:
            request = decode_request(line)
        except msgspec.MsgspecError as error:
            self._refuse(window, id_of(line), f"not a request of this version: {error}")
            return
        if window.watch:
            self._refuse(window, request.id, "this window only watches")
        elif isinstance(request, Hello):
            self._refuse(window, request.id, "this window has said hello already")
        elif self._closing:
            self._refuse(window, request.id, "the engine is stopping")
        elif not self._repeated(request.id):
            task = asyncio.create_task(self._carry_out(request, window))
            self._tasks.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a request could not even be answered", exc_info=error)

    def _repeated(self, request_id: str) -> bool:
        if request_id in self._taken:
            return True
        self._taken[request_id] = None
        while len(self._taken) > REMEMBERED_REQUESTS:
            self._taken.popitem(last=False)
        return False

    async def _carry_out(self, request: Request, window: Window) -> None:
        """Let the desk do it. Only the kind of a request is ever logged: one may tell a secret."""
        try:
            await self._desk.handle(request)
        except RefusedError as refused:
            self._refuse(window, request.id, str(refused))
        except NightferryError as error:
            self._trouble(window, request.id, str(error))
        except Exception as error:
            kind = request.__struct_config__.tag
            log.error("a %s failed", kind, exc_info=not isinstance(request, TellSecret))
            self._trouble(window, request.id, mistake(error))
        else:
            if isinstance(request, Stop):
                self._stop("a window asked for it")
            elif self._live.state.ended:
                self._stop("the night is over")

    def _trouble(self, window: Window, request_id: str, text: str) -> None:
        """Tell every window; only the one that asked, when the journal itself is the trouble."""
        try:
            self._live.publish(Said(text=text, trouble=True, request=request_id))
        except JournalError as error:
            self._refuse(window, request_id, f"{text} And it could not be journalled: {error}")

    def _refuse(self, window: Window, request_id: str | None, why: str) -> None:
        window.send(encode(self._refusal(request_id, why)) + b"\n")

    def _refusal(self, request_id: str | None, why: str) -> Refused:
        refused = self._live.stamped(Refused(request=request_id, why=why))
        assert isinstance(refused, Refused)
        return refused


def mistake(error: Exception) -> str:
    """What the operator reads of a fault of ours; its text stays out, it may hold anything."""
    return (
        f"The engine made a mistake ({type(error).__name__}); it goes on, and engine.log in the"
        " night's folder tells where."
    )


def _bound(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    bound.bind(str(path))
    path.chmod(0o600)
    return bound


def peer_uid(connection: socket.socket) -> int:
    """The user at the other end, by the kernel's word (unix(7), SO_PEERCRED)."""
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack(
        "3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    )
    return int(uid)
