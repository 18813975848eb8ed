"""Copying to where a paste will find it: tmux's buffer, the terminal by OSC 52, else a file."""

from __future__ import annotations

import base64
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

LONGEST_OSC52 = 74_994
"""Characters of base64 that terminals take (xterm's limit)."""
TMUX_DEADLINE_S = 2.0


def copy(text: str, *, inside_tmux: bool, write: Callable[[str], None] | None) -> str:
    """Copy the text and say where it went.

    ``write`` sends raw characters to the terminal; None where there is none to send to.
    """
    if inside_tmux and _to_tmux(text):
        return "copied to tmux's buffer and the terminal's clipboard (tmux load-buffer -w)"
    encoded = base64.b64encode(text.encode()).decode("ascii")
    if write is not None and not inside_tmux and len(encoded) <= LONGEST_OSC52:
        write(f"\x1b]52;c;{encoded}\x07")
        return "sent to the terminal's clipboard (OSC 52)"
    return f"written to {_to_file(text)}"


def _to_tmux(text: str) -> bool:
    try:
        done = subprocess.run(
            ["tmux", "load-buffer", "-w", "-"],
            input=text.encode(),
            capture_output=True,
            timeout=TMUX_DEADLINE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _to_file(text: str) -> Path:
    descriptor, name = tempfile.mkstemp(prefix="nightferry-copy-", suffix=".txt")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text + "\n")
    return Path(name)
