"""The tiny parent of an engine: starts it again when it dies, holds what the operator typed.

Standard library only, and nothing heavy of it: it lives as long as the night. It knows no server,
no journal and no window. Exit codes of the engine: 0 it ended in order, 3 it cannot run this night;
anything else is a death, and the keeper never gives up (an armed stretch may wait for its end).
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import IO

from engine import told

FINAL_CODES = (0, 3)
AT_ONCE = 5
"""This many restarts within `WINDOW_S` are made at once; later ones after a growing delay."""
WINDOW_S = 60.0
LONGEST_DELAY_S = 5.0
LOCK = "keeper.lock"
LOCK_PATIENCE_S = 0.5
ROOT = Path(__file__).resolve().parents[1]
"""Where the packages are: the engine is started there, so that it need not be installed."""
ENGINE = (sys.executable, "-m", "engine.main")


class Keeper:
    """Starts one engine after the other, until one ends for good."""

    def __init__(self, folder: Path, engine: Sequence[str]) -> None:
        self._command = [*engine, str(folder), "--keeper-fd"]
        self._held: dict[str, str] = {}
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = False
        self._restarts: deque[float] = deque(maxlen=64)

    def stop(self, signum: int = signal.SIGTERM, frame: FrameType | None = None) -> None:
        """End the engine in order, and do not start another (a signal handler)."""
        self._stopping = True
        if self._child is not None:
            self._child.terminate()

    def run(self) -> int:
        """The exit code of the last engine."""
        while True:
            code = self._one_engine()
            if self._stopping or code in FINAL_CODES:
                return max(code, 0)
            delay = self._delay()
            _say(f"the engine died ({_death(code)}); starting it again in {delay:.1f} s")
            self._pause(delay)

    def _one_engine(self) -> int:
        if self._stopping:
            return 0
        mine, its = told.pair()
        with mine:
            told.hand_down(mine, self._held)
            with its:
                self._child = subprocess.Popen(
                    [*self._command, str(its.fileno())],
                    stdin=subprocess.DEVNULL,
                    pass_fds=(its.fileno(),),
                    cwd=ROOT,
                )
            if self._stopping:
                self._child.terminate()
            while (secret := told.receive(mine)) is not None:
                self._held[secret[0]] = secret[1]
        return self._child.wait()

    def _delay(self) -> float:
        now = time.monotonic()
        self._restarts.append(now)
        late = sum(now - at < WINDOW_S for at in self._restarts) - AT_ONCE
        return 0.0 if late <= 0 else min(LONGEST_DELAY_S, 0.25 * 2.0**late)

    def _pause(self, delay_s: float) -> None:
        until = time.monotonic() + delay_s
        while not self._stopping and time.monotonic() < until:
            time.sleep(0.05)


def main(argv: Sequence[str], engine: Sequence[str] = ENGINE) -> int:
    """Keep the night of the folder ``argv[0]``; 3 when another keeper does so already.

    Returns 0 in the process that was called once the lock is held; the keeper is its child, so
    that whoever starts one can wait for that and has no zombie to bury at the end of the night.
    """
    folder = Path(argv[0]).resolve()
    os.umask(0o077)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with (folder / LOCK).open("a") as lock:
        if not _taken(lock):
            _say(f"{folder.name}: another keeper holds this night")
            return 3
        if os.fork():
            return 0
        os.chdir("/")
        keeper = Keeper(folder, engine)
        signal.signal(signal.SIGTERM, keeper.stop)
        return keeper.run()


def _taken(lock: IO[str]) -> bool:
    """The lock is ours; whoever only looks whether it is held may hold it for a moment."""
    until = time.monotonic() + LOCK_PATIENCE_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                return False
            time.sleep(0.02)
        else:
            return True


def _death(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _say(text: str) -> None:
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    print(f"{stamp} keeper: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
