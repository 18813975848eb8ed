"""Where a figure was measured: versions and machine, without a name or a path in them."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from engine import VERSION
from profiles.errors import HostError
from rehearsal import binaries, pooler
from rehearsal.processes import THIS_MACHINE

LIBRARIES = ("asyncpg", "asyncssh", "psycopg", "textual")
ASK_DEADLINE_S = 10.0


def versions() -> dict[str, str]:
    """What took part in the measurement, and its version. Raises HostError."""
    programs = binaries.find().values()
    return {
        "nightferry": VERSION,
        "PostgreSQL": " → ".join(version_of([each / "postgres", "--version"]) for each in programs),
        "PgBouncer": _pooler(),
        "Python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }


def machine() -> dict[str, str]:
    """Processors, memory and system."""
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    kernel = re.match(r"[\d.]+", platform.release())
    return {
        "processors": str(os.cpu_count()),
        "memory": f"{memory_bytes / 2**30:.0f} GiB",
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", platform.system()),
        "kernel": kernel[0] if kernel else platform.system(),
    }


def _pooler() -> str:
    with tempfile.TemporaryDirectory() as folder:
        program, why = pooler.obtain(Path(folder))
        if program is None:
            raise HostError(THIS_MACHINE, "find PgBouncer", why)
        return version_of([program.path, "--version"], program.libraries)


def version_of(argv: Sequence[str | Path], libraries: Path | None = None) -> str:
    """The version in the first line a program prints."""
    env = {"LD_LIBRARY_PATH": str(libraries)} if libraries else {}
    ran = subprocess.run(
        argv, env=env, capture_output=True, text=True, check=True, timeout=ASK_DEADLINE_S
    )
    said = ran.stdout or ran.stderr
    found = re.search(r"\d+(\.\d+)+", said)
    return found[0] if found else said.partition("\n")[0]
