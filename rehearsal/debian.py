"""PgBouncer from the archive of a Debian or Ubuntu, without root and without installing it.

Knows apt and dpkg-deb; their state is private, in the cache, and the machine's own is not touched.
Its sources, keys and proxies are used as they are, its hooks are not.
"""

from __future__ import annotations

import fcntl
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from profiles.errors import HostError
from rehearsal.binaries import can_run
from rehearsal.processes import THIS_MACHINE

DISTRIBUTIONS = ("debian", "ubuntu")
APT_DEADLINE_S = 180.0
TOOLS = ("apt-get", "apt-config", "dpkg-deb", "ldd")
LDD_ROUNDS = 8
REMEDY = "Install pgbouncer, or rehearse with the connection file instead."


def available() -> str:
    """Why PgBouncer cannot be fetched on this machine; empty where it can."""
    release = os_release()
    family = {release.get("ID", ""), *release.get("ID_LIKE", "").split()}
    if not family & set(DISTRIBUTIONS):
        return "this machine is neither Debian nor Ubuntu"
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    return f"there is no {missing[0]}" if missing else ""


def os_release() -> dict[str, str]:
    """What os-release(5) says of this machine; empty where there is no such file."""
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def cache_folder() -> Path:
    """Nightferry's folder under ``XDG_CACHE_HOME``."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "nightferry"


def fetch(cache: Path) -> Path:
    """A folder with ``pgbouncer`` and ``lib/``, from the cache or fetched now (about 25 MB).

    Several may ask at once: one fetches, the others wait. Raises HostError when it cannot be had.
    """
    release = os_release()
    name = f"pgbouncer-{release.get('ID')}-{release.get('VERSION_ID')}-{platform.machine()}"
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(cache / f"{name}.lock"):
        ready = cache / name
        if not _runs(ready):
            shutil.rmtree(ready, ignore_errors=True)
            build(cache, ready)
        return ready


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def build(cache: Path, ready: Path) -> None:
    """Make the folder ``ready``, whole or not at all; HostError says at what it failed."""
    with tempfile.TemporaryDirectory(dir=cache, prefix="fetching-") as name:
        work = Path(name)
        for package in _download(work):
            run(["dpkg-deb", "--extract", str(package), str(work / "tree")])
        made = work / "made"
        assemble(work / "tree", made)
        if not _runs(made):
            raise HostError(THIS_MACHINE, "run the fetched pgbouncer", "it does not start", REMEDY)
        made.rename(ready)


def _download(work: Path) -> list[Path]:
    """The packages of PgBouncer and of its libraries, as an empty machine would get them."""
    config = configure(work)
    for words in (["update"], ["--yes", "--download-only", "install", "pgbouncer"]):
        run(["apt-get", "--quiet", *words], {"APT_CONFIG": str(config)})
    packages = sorted((work / "cache" / "archives").glob("*.deb"))
    return [path for path in packages if path.name.startswith(("pgbouncer_", "lib"))]


def configure(work: Path) -> Path:
    """An apt.conf(5) with the machine's settings, no hooks, and state of its own under ``work``."""
    for folder in ("state/lists/partial", "cache/archives/partial", "tree"):
        (work / folder).mkdir(parents=True)
    (work / "status").touch()
    theirs = run(["apt-config", "dump"]).splitlines()
    kept = [
        line for line in theirs if line.startswith(("Acquire", "APT::Architecture", "APT::Key"))
    ]
    ours = {
        "Dir::Etc::main": "/dev/null",
        "Dir::Etc::parts": "/dev/null",
        "Dir::State": work / "state",
        "Dir::State::status": work / "status",
        "Dir::Cache": work / "cache",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "Debug::NoLocking": "true",
    }
    config = work / "apt.conf"
    config.write_text("\n".join([*kept, *(f'{key} "{value}";' for key, value in ours.items()), ""]))
    return config


def assemble(tree: Path, made: Path) -> None:
    """Put the program and just those libraries together that this machine does not have."""
    libraries = made / "lib"
    libraries.mkdir(parents=True)
    shutil.copy(tree / "usr" / "sbin" / "pgbouncer", made / "pgbouncer")
    for _ in range(LDD_ROUNDS):
        missing = missing_libraries(made)
        if not missing:
            return
        for name in missing:
            shutil.copy(_library(tree, name), libraries / name)


def missing_libraries(made: Path) -> list[str]:
    """The libraries that the loader does not find for the program in that folder."""
    listed = run(["ldd", str(made / "pgbouncer")], {"LD_LIBRARY_PATH": str(made / "lib")})
    return re.findall(r"^\s*(\S+) => not found", listed, flags=re.MULTILINE)


def _library(tree: Path, name: str) -> Path:
    for path in (*tree.glob(f"usr/lib/*/{name}"), *tree.glob(f"lib/*/{name}")):
        return path
    raise HostError(THIS_MACHINE, f"find {name} for pgbouncer", "no package has it", REMEDY)


def _runs(folder: Path) -> bool:
    return can_run(folder / "pgbouncer", folder / "lib", as_ourselves=True)


def run(argv: Sequence[str], env: dict[str, str] | None = None) -> str:
    """What a tool printed; HostError when it failed."""
    said = " ".join(argv[:3])
    try:
        done = subprocess.run(
            argv,
            env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive", **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=APT_DEADLINE_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostError(THIS_MACHINE, said, str(error), REMEDY) from error
    if done.returncode != 0:
        raise HostError(THIS_MACHINE, said, done.stderr.strip()[-500:], REMEDY)
    return done.stdout
