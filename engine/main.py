"""The engine's process: one night, from taking its journal's lock to letting go of it.

Knows in which order things are opened and closed; what the night does is the desk's. Exit codes: 0
ended in order, 3 this engine cannot run the night (another one does, or its files are not for this
version), 1 anything else; the keeper starts it again after 1 and after every other death.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from connections.passwords import Passwords
from engine import VERSION, told
from engine.entry import DeskFactory, Entry, NightDesk, profile_of
from engine.night import LiveNight
from engine.server import WindowServer, mistake
from profiles.errors import (
    JournalLockedError,
    JournalVersionError,
    NightferryError,
    ProfileError,
)
from profiles.events import EngineStarted, EngineStopped, Said
from profiles.fold import fold
from profiles.journal import Journal
from profiles.nights import clear_socket, make_socket_path
from profiles.profile import Profile

STOPPED, FAILED, NOT_THIS_NIGHT = 0, 1, 3

log = logging.getLogger("engine.main")


class KeptPasswords(Passwords):
    """What the operator typed, held here and by the keeper, so that it outlives this process."""

    def __init__(self, profile: Profile | None, keeper: socket.socket | None) -> None:
        super().__init__(profile)
        self._keeper = keeper
        for name, value in (told.held(keeper) if keeper else {}).items():
            super().hold(name, value)

    def hold(self, name: str, value: str) -> None:
        """Hold it, and let the keeper hold it too; without one it is asked again next time."""
        super().hold(name, value)
        if self._keeper is None:
            return
        try:
            told.send_up(self._keeper, name, value)
        except OSError as error:
            log.warning("the keeper is gone (%s): a restarted engine will ask again", error)
            self._keeper = None


class Engine:
    """One night being served; `run` returns when it was stopped."""

    def __init__(self, live: LiveNight, desk: NightDesk) -> None:
        self._live = live
        self._desk = desk
        self._stopped: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Serve windows, let the desk go on with the night, close in order when stopped."""
        server = WindowServer(self._live, self._desk, self._stop)
        await server.open(make_socket_path(self._live.folder))
        self._listen_to_signals()
        started = asyncio.create_task(self._start())
        reason = await self._stopped
        log.info("stopping: %s", reason)
        await self._close_desk(reason)
        started.cancel()
        await asyncio.gather(started, return_exceptions=True)
        self._live.publish(EngineStopped(reason=reason))
        await server.close()
        clear_socket(self._live.folder)

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, self._stop, f"signal {signum.name}")

    def _stop(self, reason: str) -> None:
        if not self._stopped.done():
            self._stopped.set_result(reason)

    async def _start(self) -> None:
        """Windows are served meanwhile: it may take a password, or an abort, to go on."""
        try:
            await self._desk.start()
        except NightferryError as error:
            self._live.publish(Said(text=str(error), trouble=True))
        except Exception as error:
            log.exception("the desk could not start")
            self._live.publish(Said(text=mistake(error), trouble=True))

    async def _close_desk(self, reason: str) -> None:
        try:
            await self._desk.close(reason)
        except NightferryError as error:
            self._live.publish(Said(text=str(error), trouble=True))


def main(argv: Sequence[str], new_desk: DeskFactory | None = None) -> int:
    """Serve the night of a folder to its end; the exit code for the keeper."""
    arguments = _parser().parse_args(argv)
    folder = arguments.folder.resolve()
    _become_a_service()
    line = _line(arguments.keeper_fd)
    try:
        asyncio.run(_serve(folder, line, new_desk or _desk))
    except (JournalLockedError, JournalVersionError, ProfileError) as error:
        log.error("%s", error)
        return NOT_THIS_NIGHT
    except NightferryError as error:
        log.error("%s", error)
        return FAILED
    return STOPPED


async def _serve(folder: Path, keeper: socket.socket | None, new_desk: DeskFactory) -> None:
    """Hold the journal while the night is served. Raises JournalError, ProfileError."""
    with Journal.open(folder) as journal:
        state = fold(journal.events)
        profile = profile_of(folder, state)
        live = LiveNight(folder, journal, state)
        resumed = any(isinstance(event, EngineStarted) for event in journal.events)
        journal.events.clear()  # a long night's events are many, and the state has what counts
        live.publish(EngineStarted(pid=os.getpid(), resumed=resumed, torn=journal.torn))
        log.info("engine %s of %s, process %d", VERSION, folder.name, os.getpid())
        passwords = KeptPasswords(profile, keeper)
        desk = Entry(live, profile, folder, passwords, new_desk)
        await Engine(live, desk).run()


def _desk(live: LiveNight, profile: Profile, folder: Path, passwords: Passwords) -> NightDesk:
    from engine.desk import Desk

    return Desk(live, profile, folder, passwords)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine.main", description="Serve one night.")
    parser.add_argument("folder", type=Path, help="the night's folder")
    parser.add_argument("--keeper-fd", type=int, help="the line to the keeper, inherited")
    return parser


def _become_a_service() -> None:
    """No terminal's end disturbs it, its files are private, its log is its standard error."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.umask(0o077)
    os.chdir("/")
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(name)s: %(message)s", stream=sys.stderr
    )
    logging.Formatter.converter = time.gmtime


def _line(keeper_fd: int | None) -> socket.socket | None:
    if keeper_fd is None:
        return None
    os.set_inheritable(keeper_fd, False)
    return socket.socket(fileno=keeper_fd)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
