"""The process that keeps a rehearsal: ``python -m rehearsal.supervisor FOLDER LOCK``.

It builds the world, answers commands on a UNIX socket (a JSON object a line, one answer each), and
takes everything down when told to, on SIGTERM, or when nobody has used the rehearsal for long. The
lock on the folder came with it as a file descriptor; when that goes, the rehearsal is dead.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Literal

import asyncpg  # type: ignore[import-untyped]
import msgspec

from profiles.errors import HostError, NightferryError
from rehearsal.breaking import Breaking
from rehearsal.folders import Layout, Settings
from rehearsal.ledger import Verdict
from rehearsal.wire import Carried, Conditions
from rehearsal.world import World

IDLE_EVERY_S = 2.0
TROUBLE = (NightferryError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A command to a running rehearsal."""

    do: Literal["stop-application", "compare", "road", "fault", "end"]
    server: Literal["old", "new"] = "new"
    conditions: Conditions = Conditions()
    name: str = ""
    """Of the fault."""
    undo: bool = False


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: what went wrong, or what was asked for."""

    error: str = ""
    remedy: str = ""
    verdict: Verdict | None = None
    carried: Carried | None = None
    says: str = ""


class Supervisor:
    """One rehearsal, from its building to its end."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        text = layout.settings.read_bytes()
        self.settings = msgspec.json.decode(text, type=Settings)
        self.world = World(layout, self.settings)
        self.breaking = Breaking(self.world)
        self.over = asyncio.Event()

    async def run(self) -> None:
        """Build, serve, take down; a failed start is told in ``box.json``, for who started it."""
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, self.over.set)
        try:
            await self.world.build()
        except TROUBLE as error:
            await self.world.end()
            self.world.tell(state="failed", error=str(error), processes=())
            return
        try:
            await self._serve()
        finally:
            await self.breaking.end()
            await self.world.end()
            shutil.rmtree(self.layout.folder, ignore_errors=True)

    async def _serve(self) -> None:
        listener = await asyncio.start_unix_server(self._answer, self.layout.control)
        self.layout.control.chmod(0o600)
        self.world.tell(state="ready")
        async with listener:
            while not self.over.is_set() and not self._idle():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.over.wait(), IDLE_EVERY_S)

    def _idle(self) -> bool:
        """Nobody has used it for long, or somebody has removed its folder."""
        if not self.layout.keepalive.exists():
            return True
        return time.time() - self.layout.keepalive.stat().st_mtime > self.settings.idle_s

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            async for line in reader:
                writer.write(msgspec.json.encode(await self._obey(line)) + b"\n")
                await writer.drain()
        writer.close()

    async def _obey(self, line: bytes) -> Reply:
        try:
            order = msgspec.json.decode(line, type=Order)
            match order.do:
                case "stop-application":
                    await self.world.stop_application()
                case "compare":
                    return Reply(verdict=await self.world.compare(order.server))
                case "road":
                    return Reply(carried=self.world.be(order.conditions))
                case "fault" if order.undo:
                    return Reply(says=await self.breaking.undo(order.name))
                case "fault":
                    return Reply(says=await self.breaking.make(order.name))
                case "end":
                    self.over.set()
        except HostError as error:
            return Reply(error=error.answered, remedy=error.remedy)
        except (msgspec.MsgspecError, *TROUBLE) as error:
            return Reply(error=str(error))
        return Reply()


def detach() -> None:
    """Leave the process that started us, so that its end does not matter and it has no child."""
    if os.fork():
        os._exit(0)
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def main(folder: str, lock: str) -> None:
    """Keep the rehearsal in a folder; the lock is the number of an inherited file descriptor."""
    detach()
    os.set_inheritable(int(lock), False)
    try:
        asyncio.run(Supervisor(Layout(Path(folder))).run())
    except BaseException:
        traceback.print_exc()
        raise


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
