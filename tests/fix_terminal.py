"""A real terminal for a test: tmux on a socket of its own, keys in, the screen's text out."""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from rehearsal.processes import until

SHOWS_S = 60.0


class Terminal:
    """One tmux session, 80×24 unless said otherwise; it lives until `close`."""

    def __init__(self, environment: Mapping[str, str], size: tuple[int, int] = (80, 24)) -> None:
        self._socket = ""
        self._environment = dict(environment)
        self._size = size

    def open(self, *command: str) -> None:
        """Run a command in a new one, on a socket that no server on its way out still holds."""
        self._socket = f"nightferry-test-{secrets.token_hex(4)}"
        width, height = self._size
        line = f"{shlex.join(command)}; echo; echo left with $?; exec cat"
        words = ["new-session", "-d", "-s", "wizard", "-x", str(width), "-y", str(height), line]
        self._tmux("-f", os.devnull, *words)

    def keys(self, *keys: str) -> None:
        """Press keys, by tmux's names."""
        self._tmux("send-keys", "-t", "wizard", *keys)

    def screen(self) -> str:
        """What is on the screen now."""
        return self._tmux("capture-pane", "-t", "wizard", "-p")

    async def shows(self, text: str, deadline_s: float = SHOWS_S) -> str:
        """The screen, once it holds this text; fails with the screen when it never does."""
        if not await until(lambda: text in self.screen(), deadline_s, every_s=0.1):
            pytest.fail(f"“{text}” was not shown within {deadline_s:g} s:\n{self.screen()}")
        return self.screen()

    def kill(self, program: str) -> None:
        """SIGKILL the window's process: the terminal is gone in the middle of whatever it did."""
        shell = int(self._tmux("display-message", "-t", "wizard", "-p", "#{pane_pid}"))
        for pid in _children(shell):
            if program in Path(f"/proc/{pid}/cmdline").read_text():
                os.kill(pid, signal.SIGKILL)
                break
        else:
            pytest.fail(f"{program} does not run in this terminal:\n{self.screen()}")
        self.close()

    def close(self) -> None:
        """End the session and its server; no error when there is none."""
        subprocess.run(
            ["tmux", "-L", self._socket, "kill-server"], capture_output=True, check=False
        )

    def _tmux(self, *words: str) -> str:
        ran = subprocess.run(
            ["tmux", "-L", self._socket, *words],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
            env=self._environment,
        )
        return ran.stdout


def _children(parent: int) -> list[int]:
    listed = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(pid) for pid in listed]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal whose nights are the test's own; skipped where there is no tmux."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    environment = {
        **os.environ,
        "XDG_STATE_HOME": str(tmp_path),
        "TERM": "xterm-256color",
        "LC_ALL": "C.UTF-8",
    }
    for name in ("TMUX", "NO_COLOR", "COLORTERM", "SSH_CONNECTION"):
        environment.pop(name, None)
    here = Terminal(environment)
    try:
        yield here
    finally:
        here.close()
