"""What runs beside a measurement, until its end."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from profiles.errors import HostError
from rehearsal.processes import THIS_MACHINE

CHECKOUT = Path(__file__).parent.parent
ENDING_S = 5.0


def first_line(stack: ExitStack, words: Sequence[str | Path]) -> str:
    """The first line of what runs until the end of the stack. Raises HostError."""
    process = subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
        start_new_session=True,
    )
    stack.callback(_end, process)
    assert process.stdout
    line = process.stdout.readline().strip()
    if not line:
        raise HostError(THIS_MACHINE, f"run {' '.join(map(str, words))}", "it ended at once")
    return line


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate(timeout=ENDING_S)
