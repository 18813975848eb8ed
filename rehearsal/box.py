"""A rehearsal as others use it: start one, find it again, stop its application, compare, end it.

A client of the supervisor process and of its folder; nothing here outlives or holds anything open,
so that any process of the same user can be the one that ends a rehearsal.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from profiles.errors import HostError
from rehearsal import binaries, folders, killing
from rehearsal.application import Stats
from rehearsal.folders import BoxState, Layout, Settings
from rehearsal.ledger import Entry, Verdict, read
from rehearsal.processes import THIS_MACHINE, spawn_module, tail, until
from rehearsal.supervisor import Order, Reply
from rehearsal.wire import Carried, Conditions

READY_DEADLINE_S = 240.0
"""A first start may have to fetch PgBouncer."""
ORDER_DEADLINE_S = 120.0
END_DEADLINE_S = 120.0


@dataclass(frozen=True)
class Box:
    """A rehearsal that was started, by us or by another process of this user."""

    folder: Path

    @property
    def layout(self) -> Layout:
        """Where everything of it is."""
        return Layout(self.folder)

    @property
    def profile_path(self) -> Path:
        """The profile that the wizard opens."""
        return self.layout.profile

    def state(self) -> BoxState:
        """What it is made of, and how it is; FileNotFoundError when it is gone."""
        return self.layout.read_state()

    def stats(self) -> Stats | None:
        """The application's figures, at most a second old; None before the first."""
        if not self.layout.stats.exists():
            return None
        return msgspec.json.decode(self.layout.stats.read_bytes(), type=Stats)

    def ledger(self) -> list[Entry]:
        """Every write so far."""
        return read(self.layout.ledger)

    def touch(self) -> None:
        """Say that somebody uses it: it ends by itself when nobody has for half an hour."""
        os.utime(self.layout.keepalive)

    async def stop_application(self) -> None:
        """Let the application finish the writes on their way, and end. Raises HostError."""
        await self._order(Order(do="stop-application"))

    async def compare(self, server: str = "new") -> Verdict:
        """The ledger against what ``old`` or ``new`` holds now. Raises HostError.

        Stop the application first: what it writes meanwhile would count as lost or unknown.
        """
        order = msgspec.convert({"do": "compare", "server": server}, Order)
        verdict = (await self._order(order)).verdict
        assert verdict is not None
        return verdict

    async def road(self, conditions: Conditions) -> Carried:
        """Change the road from now on; what it carried since the last time.

        Raises HostError, also where there is no road.
        """
        carried = (await self._order(Order(do="road", conditions=conditions))).carried
        assert carried is not None
        return carried

    async def fault(self, name: str, *, undo: bool = False) -> str:
        """Make a fault, by its name in `rehearsal.faults`, or take it back; says what was done.

        Raises HostError where it cannot be made now, with what has to be there first.
        """
        if name == "killed-engine":
            return killing.says() if undo else await asyncio.to_thread(killing.kill, self.folder)
        tried = f"{'take back' if undo else 'make'} the fault {name}"
        return (await self._order(Order(do="fault", name=name, undo=undo), tried)).says

    async def end(self) -> None:
        """Take everything down and remove the folder; returns when it is gone. Raises HostError.

        Where its supervisor was killed, what that left is cleared up.
        """
        if folders.is_alive(self.layout):
            await self._end_living()
        else:
            await clean_up_dead(self.folder.parent)
        if not await until(lambda: not self.folder.exists(), END_DEADLINE_S, every_s=0.02):
            said = f"it is still there after {END_DEADLINE_S:g} s"
            raise HostError(THIS_MACHINE, f"end the rehearsal {self.folder}", said)

    async def _end_living(self) -> None:
        """Tell the supervisor, and wait until it has ended too: its folder goes before it does."""
        try:
            lock = os.open(self.layout.lock, os.O_RDWR)
        except FileNotFoundError:  # it is just ending by itself
            return
        try:
            await self._order(Order(do="end"))
            await until(lambda: folders.is_free(lock), END_DEADLINE_S, every_s=0.02)
        finally:
            os.close(lock)

    async def _order(self, order: Order, tried: str = "") -> Reply:
        tried = tried or f"tell the rehearsal {self.folder}: {order.do}"
        try:
            async with asyncio.timeout(ORDER_DEADLINE_S):
                answer = await self._ask(msgspec.json.encode(order) + b"\n")
        except (OSError, EOFError) as error:
            remedy = f"What it said last is in {self.layout.log}."
            raise HostError(THIS_MACHINE, tried, str(error) or "no answer", remedy) from error
        reply = msgspec.json.decode(answer, type=Reply)
        if reply.error:
            raise HostError(THIS_MACHINE, tried, reply.error, reply.remedy)
        return reply

    async def _ask(self, line: bytes) -> bytes:
        reader, writer = await asyncio.open_unix_connection(self.layout.control)
        try:
            writer.write(line)
            return await reader.readuntil(b"\n")
        finally:
            writer.close()
            await writer.wait_closed()


async def start(settings: Settings | None = None, under: Path | None = None) -> Box:
    """Clear up after dead rehearsals, start one, and wait until it can be used.

    Raises HostError without the ``rehearsal`` extra, or with the reason why it did not come up;
    then nothing is left of it.
    """
    where = under or folders.root()
    binaries.find()
    await clean_up_dead(where)
    layout, lock = folders.make(where)
    try:
        layout.settings.write_bytes(msgspec.json.encode(settings or Settings()))
        _launch(layout, lock)
    finally:
        os.close(lock)
    try:
        error = await _trouble(layout)
    except BaseException:
        await asyncio.shield(Box(layout.folder).end())
        raise
    if error:
        await until(lambda: not folders.is_alive(layout), END_DEADLINE_S, every_s=0.02)
        await clean_up_dead(where)
        raise HostError(THIS_MACHINE, "start the rehearsal", error)
    return Box(layout.folder)


async def clean_up_dead(under: Path | None = None) -> list[Path]:
    """End what killed rehearsals of this user left running, and remove their folders."""
    return await folders.clean_up(under or folders.root())


def living(under: Path | None = None) -> list[Box]:
    """The rehearsals of this user that can be used now."""
    found = [layout for layout in folders.ours(under or folders.root()) if _is_ready(layout)]
    return [Box(layout.folder) for layout in found]


def _launch(layout: Layout, lock: int) -> None:
    words = (layout.folder, str(lock))
    process = spawn_module(
        "rehearsal.supervisor", *words, folder=layout.folder, log=layout.log, keep=(lock,)
    )
    process.wait()


async def _trouble(layout: Layout) -> str:
    """Wait until it is ready; else why it is not."""
    settled = await until(lambda: _settled(layout), READY_DEADLINE_S, every_s=0.02)
    state = layout.read_state() if layout.state.exists() else None
    if state is not None and state.state == "ready":
        return ""
    if state is not None and state.error:
        return state.error
    return tail(layout.log) if settled else f"not ready after {READY_DEADLINE_S:g} s"


def _settled(layout: Layout) -> bool:
    ended = layout.state.exists() and layout.read_state().state in ("ready", "failed")
    return ended or not folders.is_alive(layout)


def _is_ready(layout: Layout) -> bool:
    return layout.control.exists() and folders.is_alive(layout)
