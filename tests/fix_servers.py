"""Throwaway PostgreSQL servers for tests: made once a session, copied for whoever wants one."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from rehearsal import binaries, server
from rehearsal.processes import give
from rehearsal.server import Server

PASSWORD = "open sesame"
VERSIONS = {"old": 16, "new": 18}


@dataclass(frozen=True)
class Templates:
    """A fresh cluster of each version, and the programs that run it."""

    folder: Path
    programs: Mapping[int, Path]

    def copy(self, name: str, version: int, settings: Mapping[str, str]) -> Server:
        """A stopped server on a copy of its own, with settings on top of the rehearsal's."""
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))
        give(folder)
        source = self.folder / str(version) / "data"
        subprocess.run(["cp", "-a", "--reflink=auto", source, folder / "data"], check=True)
        server.configure(folder, settings)
        return Server(name, self.programs[version], folder, PASSWORD)


@dataclass(frozen=True)
class Pair:
    """A source and a destination that run, both empty."""

    old: Server
    new: Server


StartServer = Callable[..., Awaitable[Server]]
"""``await start_server(name, version, settings={}, hba=None)``."""


@pytest.fixture(scope="session")
def templates() -> Iterator[Templates]:
    """The clusters that others are copied from."""
    folder = Path(tempfile.mkdtemp(prefix="nightferry-tests-", dir="/var/tmp"))
    folder.chmod(0o711)
    try:
        yield asyncio.run(_make_templates(folder))
    finally:
        shutil.rmtree(folder)


@pytest.fixture
async def start_server(templates: Templates) -> AsyncIterator[StartServer]:
    """Starts a server for one test, as often as it is called."""
    started: list[Server] = []

    async def start(
        name: str, version: int, settings: Mapping[str, str] | None = None, hba: str | None = None
    ) -> Server:
        made = templates.copy(name, version, settings or {})
        if hba is not None:
            server.configure(made.folder, {}, hba)
        started.append(made)
        await made.start()
        return made

    yield start
    await asyncio.gather(*(each.stop() for each in started))


@pytest.fixture(scope="module")
def old_and_new(templates: Templates) -> Iterator[Pair]:
    """A PostgreSQL 16 and an 18 that run while a module's tests do; the tests share them."""
    pair = Pair(*(templates.copy(name, version, {}) for name, version in VERSIONS.items()))
    asyncio.run(_start_both(pair))
    yield pair
    asyncio.run(_stop_both(pair))


async def _make_templates(folder: Path) -> Templates:
    programs = binaries.runnable(binaries.find(), folder)
    await asyncio.gather(*(_make_template(folder, *found) for found in programs.items()))
    return Templates(folder, programs)


async def _make_template(folder: Path, version: int, programs: Path) -> None:
    await server.make(programs, folder / str(version), PASSWORD)
    server.configure(folder / str(version), server.SETTINGS)


async def _start_both(pair: Pair) -> None:
    await asyncio.gather(pair.old.start(), pair.new.start())


async def _stop_both(pair: Pair) -> None:
    await asyncio.gather(pair.old.stop(), pair.new.stop())
