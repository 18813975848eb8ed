"""A program in a terminal of its own: what stands on its screen, keys, and its end."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import pyte

from profiles.errors import DeadlineError

ROWS, CELLS = 30, 100
END_S = 60.0


class Terminal:
    """Runs from entering to leaving the block; what still runs then is killed."""

    def __init__(self, argv: Sequence[str | Path], size: tuple[int, int] = (CELLS, ROWS)) -> None:
        cells, rows = size
        self.read_bytes = 0
        """What it has written so far, as far as it was taken in."""
        self._screen = pyte.Screen(cells, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._main, other = pty.openpty()
        termios.tcsetwinsize(other, (rows, cells))
        self._process = subprocess.Popen(
            argv,
            stdin=other,
            stdout=other,
            stderr=other,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color"},
        )
        os.close(other)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._main)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def text(self) -> str:
        """What stands on its screen now."""
        return "\n".join(self._screen.display)

    def see(self, pattern: str, deadline_s: float) -> float:
        """When that stands on its screen: monotonic, seconds. Raises DeadlineError."""
        until = time.monotonic() + deadline_s
        while not re.search(pattern, self.text):
            if time.monotonic() > until or not self._read(until):
                raise DeadlineError("the terminal", f"see {pattern}", self.text)
        return time.monotonic()

    def resize(self, size: tuple[int, int]) -> None:
        """Another size, and word of it: this terminal controls nobody, so the kernel sends none."""
        cells, rows = size
        self._screen.resize(rows, cells)
        termios.tcsetwinsize(self._main, (rows, cells))
        self._process.send_signal(signal.SIGWINCH)

    def watch(self, seconds: float) -> None:
        """Take in what it writes, for so long."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self._read(until):
            pass

    def press(self, key: str) -> None:
        """One key."""
        os.write(self._main, key.encode())

    def end(self) -> int:
        """Its exit code, once it has ended by itself. Raises DeadlineError."""
        until = time.monotonic() + END_S
        while self._read(until):
            if time.monotonic() > until:
                raise DeadlineError("the terminal", "see it end", self.text)
        return self._process.wait(END_S)

    def _read(self, until: float) -> bool:
        """Take in what it has written; false at its end."""
        ready, _, _ = select.select([self._main], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            return True
        try:
            drawn = os.read(self._main, 65536)
        except OSError:  # Linux says EIO when nobody has the other end open any more
            return False
        self.read_bytes += len(drawn)
        self._stream.feed(drawn)
        return bool(drawn)
