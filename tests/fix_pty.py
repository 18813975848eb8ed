"""A program in a pseudo-terminal that pyte interprets: every cell it painted, with its colours.

Unlike tmux it paints what the program wrote and nothing else, and it can stop reading.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import signal
import subprocess
import termios
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import product
from typing import NamedTuple

import pyte
import pytest

from rehearsal.processes import until

SHOWS_S = 20.0
LOOK_S = 0.02
READ_BYTES = 1 << 16
NIGHT, DAY = ("d0d0d0", "000000"), ("000000", "ffffff")
"""What a dark and a light terminal have as their own text and ground."""
SIXTEEN = {
    "black": "000000",
    "red": "cd0000",
    "green": "00cd00",
    "brown": "cdcd00",
    "blue": "0000ee",
    "magenta": "cd00cd",
    "cyan": "00cdcd",
    "white": "e5e5e5",
    "brightblack": "7f7f7f",
    "brightred": "ff0000",
    "brightgreen": "00ff00",
    "brightbrown": "ffff00",
    "brightblue": "5c5cff",
    "brightmagenta": "ff00ff",
    "bfightmagenta": "ff00ff",
    "brightcyan": "00ffff",
    "brightwhite": "ffffff",
}
"""xterm's colours under the names that pyte gives them, its own slip of the pen included."""


class Cell(NamedTuple):
    """Where something cannot be read, and what it is."""

    line: int
    column: int
    text: str
    colour: str


class Pty:
    """One program; what it writes is read as it comes, unless told otherwise."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.read_bytes = 0
        self._screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self._screen)
        self._main, self._other = pty.openpty()
        os.set_blocking(self._main, False)
        self.process: subprocess.Popen[bytes] | None = None
        self.resize(*size)

    def start(self, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        """Run it as the terminal's own session, as a login shell would."""
        self.process = subprocess.Popen(
            argv,
            stdin=self._other,
            stdout=self._other,
            stderr=self._other,
            env=dict(environment),
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(self._other)
        asyncio.get_running_loop().add_reader(self._main, self._read)

    def resize(self, width: int, height: int) -> None:
        """The user pulls at the window: the kernel tells the program."""
        self._screen.resize(height, width)
        termios.tcsetwinsize(self._main, (height, width))

    @contextmanager
    def unread(self) -> Iterator[None]:
        """Nobody reads what it writes: ctrl+s, a suspended laptop, a line without an answer."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._main)
        try:
            yield
        finally:
            loop.add_reader(self._main, self._read)

    def keys(self, keys: str) -> None:
        """Press keys, as fast as a terminal can send them."""
        os.write(self._main, keys.encode())

    @property
    def lines(self) -> list[str]:
        """What stands on the screen."""
        return list(self._screen.display)

    @property
    def text(self) -> str:
        """What stands on the screen, as one text."""
        return "\n".join(line.rstrip() for line in self.lines)

    async def shows(self, *texts: str, deadline_s: float = SHOWS_S) -> str:
        """The screen, once it holds all of these; fails with the screen when it never does."""
        if not await until(lambda: all(text in self.text for text in texts), deadline_s, LOOK_S):
            missing = [text for text in texts if text not in self.text]
            pytest.fail(f"not shown: {missing}\n{self.text}")
        return self.text

    async def leaves(self, text: str) -> None:
        """Press esc, alone, and wait until this is gone."""
        self.keys("\x1b")
        if not await until(lambda: text not in self.text, SHOWS_S, LOOK_S):
            pytest.fail(f"still shown: {text}\n{self.text}")

    async def still(self, for_s: float = 0.15) -> None:
        """Wait until nothing more has come for so long."""
        seen = -1
        while seen != self.read_bytes:
            seen = self.read_bytes
            await asyncio.sleep(for_s)

    def unreadable(self) -> list[Cell]:
        """Text in the colour of its ground, on a dark or a light terminal, bold bright or not."""
        found = []
        for at, column in product(range(self._screen.lines), range(self._screen.columns)):
            cell = self._screen.buffer[at][column]
            if cell.data.strip(" \u2800") and any(_same(cell, ours) for ours in (NIGHT, DAY)):
                found.append(Cell(at, column, cell.data, f"{cell.fg} on {cell.bg}"))
        return found

    async def end(self) -> int:
        """Its exit code, once it has ended by itself."""
        assert self.process is not None
        return await asyncio.to_thread(self.process.wait, SHOWS_S)

    def close(self) -> None:
        """End the program and give the terminal back."""
        asyncio.get_running_loop().remove_reader(self._main)
        if self.process is not None and self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self._main)

    def _read(self) -> None:
        try:
            drawn = os.read(self._main, READ_BYTES)
        except OSError:  # nobody has the other end open any more
            asyncio.get_running_loop().remove_reader(self._main)
            return
        self.read_bytes += len(drawn)
        self._stream.feed(drawn)


def _same(cell: pyte.screens.Char, ours: tuple[str, str]) -> bool:
    """The text cannot be told from its ground; many terminals draw bold in the bright colour."""
    names = {cell.fg, f"bright{cell.fg}"} if cell.bold and cell.fg in SIXTEEN else {cell.fg}
    ground = _rgb(cell.bg, ours[1])
    return any(_rgb(name, ours[0]) == ground for name in names)


def _rgb(name: str, default: str) -> str:
    return default if name == "default" else SIXTEEN.get(name, name)


@asynccontextmanager
async def in_a_pty(
    argv: Sequence[str], environment: Mapping[str, str], size: tuple[int, int] = (80, 24)
) -> AsyncIterator[Pty]:
    """The program runs until the end of the block, at the latest."""
    terminal = Pty(size)
    terminal.start(argv, environment)
    try:
        yield terminal
    finally:
        terminal.close()
