"""A whole rehearsal: it comes up, writes at its rate, compares, and is gone when it ends."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import pytest

from profiles import load
from profiles.errors import HostError
from profiles.profile import ConnectionFile, PgBouncer
from rehearsal import box, debian, folders, pooler, processes
from rehearsal.box import Box
from rehearsal.folders import Layout, Settings
from rehearsal.processes import NOBODY, until
from rehearsal.server import Server
from rehearsal.world import create_shop
from tests.fix_servers import Pair

pytestmark = pytest.mark.live

SMALL = Settings(rows=500, hosts="local")
POOLED = pooler.installed() is not None or debian.available() == ""


@contextmanager
def a_root() -> Iterator[Path]:
    """A root of one's own, so that nobody else's rehearsal is seen or cleared up."""
    with tempfile.TemporaryDirectory(prefix="nf-", dir=folders.root()) as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.fixture
def here() -> Iterator[Path]:
    with a_root() as root:
        yield root


@pytest.fixture(scope="module")
def small() -> Iterator[Box]:
    """One rehearsal for the tests that only look; its application may be stopped."""
    with a_root() as root:
        started = asyncio.run(box.start(SMALL, root))
        yield started
        asyncio.run(started.end())


async def acknowledged(running: Box, count: int) -> None:
    """Wait until the application has had so many writes acknowledged."""

    def enough() -> bool:
        stats = running.stats()
        return stats is not None and stats.acknowledged >= count

    assert await until(enough, 15.0, every_s=0.05), running.stats()


async def test_its_profile_is_whole_and_private(small: Box) -> None:
    profile = load.read(small.profile_path)
    assert profile.rehearsal
    assert (profile.source.name, profile.destination.name) == ("old", "new")
    (endpoint,) = profile.endpoints
    assert isinstance(endpoint, PgBouncer if POOLED else ConnectionFile)
    text = small.profile_path.read_text()
    for name in ("old", "new", "app", "pooladmin"):
        secret = small.layout.secret(name)
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
        assert secret.read_text().strip() not in text
        assert f"cat {secret}" in text


async def test_every_login_needs_its_password(small: Box) -> None:
    state = small.state()
    for port in filter(None, (state.old_port, state.new_port, state.pool_port)):
        with pytest.raises(asyncpg.PostgresError):
            await asyncpg.connect(
                host="127.0.0.1",
                port=port,
                user="app",
                password="wrong",
                database="shop",
                ssl=False,
                timeout=10,
            )


async def test_it_writes_at_its_rate_and_the_old_server_holds_all_of_it(small: Box) -> None:
    await acknowledged(small, 700)
    await small.stop_application()
    entries = small.ledger()
    took_s = entries[-1].sent.due - entries[0].sent.due
    assert len(entries) / took_s == pytest.approx(300, rel=0.05)
    verdict = await small.compare("old")
    assert verdict.clean, verdict.examples
    assert (verdict.failed, verdict.in_doubt) == (0, 0)
    assert verdict.acknowledged == len(entries)
    assert {entry.sent.id.split("-")[0] for entry in entries} == {f"w{n}" for n in range(8)}
    ports = {entry.ended.server for entry in entries if entry.ended}
    assert ports == {small.state().old_port}
    with pytest.raises(HostError, match="does not exist"):
        await small.compare("new")


async def test_nothing_is_left_when_it_ends(here: Path) -> None:
    started = await box.start(SMALL, here)
    running = started.state().processes
    names = {process.name for process in running}
    assert names == {"old", "new", "application"} | ({"pooler"} if POOLED else set())
    await started.end()
    assert not started.folder.exists()
    assert not any(map(processes.is_running, running))
    await started.end()


async def test_what_a_killed_one_left_is_cleared_up_by_the_next_start(here: Path) -> None:
    killed = await box.start(SMALL, here)
    running = killed.state().processes
    os.kill(supervisor_of(killed.layout), signal.SIGKILL)
    assert await until(lambda: not folders.is_alive(killed.layout), 5.0)
    assert all(map(processes.is_running, running))
    assert box.living(here) == []
    following = await box.start(SMALL, here)
    try:
        assert not killed.folder.exists()
        assert not any(map(processes.is_running, running))
        assert box.living(here) == [following]
        os.kill(supervisor_of(following.layout), signal.SIGTERM)
        assert await until(lambda: not following.folder.exists(), 20.0, every_s=0.05)
    finally:
        await following.end()


async def test_one_that_nobody_uses_ends_by_itself(here: Path) -> None:
    started = await box.start(Settings(rows=1, hosts="local", idle_s=0.0), here)
    assert await until(lambda: not started.folder.exists(), 20.0, every_s=0.05)


async def test_one_whose_folder_is_removed_leaves_no_process(here: Path) -> None:
    started = await box.start(SMALL, here)
    running = started.state().processes
    while started.folder.exists():  # the servers go on writing into it
        shutil.rmtree(started.folder, ignore_errors=True)
    assert await until(lambda: not any(map(processes.is_running, running)), 20.0, every_s=0.05)


async def test_the_application_follows_the_connection_file(here: Path) -> None:
    started = await box.start(Settings(rows=1, hosts="local", pooler=False), here)
    try:
        await acknowledged(started, 100)
        (endpoint,) = load.read(started.profile_path).endpoints
        assert isinstance(endpoint, ConnectionFile)
        await fill_new(started)
        switch(endpoint)
        new_port = started.state().new_port
        assert await until(lambda: server_of(started) == new_port, 10.0, every_s=0.05)
        await started.stop_application()
        done = [entry.ended for entry in started.ledger() if entry.ending == "acknowledged"]
        ports = [ended.server for ended in done if ended]
        assert set(ports) == {started.state().old_port, new_port}
        assert ports[-1] == new_port
    finally:
        await started.end()


async def test_connections_cut_in_the_middle_leave_doubts_and_no_loss(here: Path) -> None:
    started = await box.start(Settings(rows=1, hosts="local", rate=1000), here)
    try:
        await acknowledged(started, 500)
        for _ in range(8):
            await cut(started)
        doubts = [entry for entry in started.ledger() if entry.ending == "in_doubt" and entry.ended]
        assert doubts
        await started.stop_application()
        verdict = await started.compare("old")
        assert verdict.in_doubt >= len(doubts)
        assert verdict.clean, verdict.examples
    finally:
        await started.end()


async def test_a_start_that_fails_says_why_and_leaves_nothing(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(HostError, match=r"(?s)start the rehearsal.*integer"):
        await box.start(Settings(rows=10**12, hosts="local"), here)
    assert list(here.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="every other test is without root already")
def test_it_works_without_root(here: Path) -> None:
    here.chmod(0o777)
    python = interpreter_for_nobody()
    script = (
        "import asyncio, sys; from pathlib import Path; from rehearsal import box, folders\n"
        "async def go():\n"
        "    one = await box.start(folders.Settings(rows=1), Path(sys.argv[1]))\n"
        "    await one.stop_application()\n"
        "    print(await one.compare('old'), one.state().traffic, one.state().hosts)\n"
        "    await one.end()\n"
        "asyncio.run(go())\n"
    )
    paths = os.pathsep.join(str(path) for path in importable_by_nobody(here))
    done = subprocess.run(
        [python, "-c", script, here],
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        cwd="/",
        env={"PYTHONPATH": paths, "PATH": os.defpath, "HOME": str(here)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "lost=0" in done.stdout
    assert done.stdout.split()[-1] in ("road", "ssh")
    assert ("pgbouncer" if POOLED else "connection-file") in done.stdout
    assert list(here.glob(f"{folders.PREFIX}*")) == []


def interpreter_for_nobody() -> str:
    """This interpreter, or the system's of the same version, whichever nobody can run."""
    same = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    for path in (sys.executable, same):
        if as_nobody(path, "-c", "import asyncio"):
            return path
    pytest.skip("nobody cannot run any Python of this version")


def importable_by_nobody(here: Path) -> list[Path]:
    """This project and its packages; copied to where nobody can read them, if need be."""
    root, packages = Path(__file__).parents[2], Path(sysconfig.get_paths()["purelib"])
    if as_nobody("/usr/bin/test", "-r", str(root / "rehearsal")):
        return [root, packages]
    copies = here / "packages"
    for source in (*root.glob("[a-z]*/py.typed"), *packages.glob("*/__init__.py")):
        if source.parent.name not in FOR_TESTS_ONLY:
            shutil.copytree(source.parent, copies / source.parent.name)
    for libraries in packages.glob("*.libs"):
        shutil.copytree(libraries, copies / libraries.name)
    for module in packages.glob("*.py"):
        shutil.copy(module, copies)
    return [copies]


FOR_TESTS_ONLY = ("pip", "setuptools", "pkg_resources", "mypy", "textual", "hypothesis", "pytest")


def as_nobody(*words: str) -> bool:
    """Whether nobody can run this, and it succeeds."""
    try:
        done = subprocess.run(words, user=NOBODY, group=NOBODY, extra_groups=[], cwd="/")
    except PermissionError:
        return False
    return done.returncode == 0


def supervisor_of(layout: Layout) -> int:
    """The pid of the process that keeps a rehearsal, by its command line."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        words = path.read_bytes().split(b"\0")
        if b"rehearsal.supervisor" in words and os.fsencode(layout.folder) in words:
            return int(path.parent.name)
    raise AssertionError("no supervisor")


def server_of(running: Box) -> int | None:
    stats = running.stats()
    return stats.server if stats else None


def switch(endpoint: ConnectionFile) -> None:
    """Do what the profile says of a connection file."""
    path = Path(endpoint.path)
    text = path.read_text()
    for old, new in endpoint.replace.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    path.write_text(text)
    assert endpoint.reload is not None
    subprocess.run(["/bin/sh", "-c", endpoint.reload], check=True)


async def cut(running: Box) -> None:
    """End the application's sessions on the old server, and see it write again."""
    old = Server("old", Path(), running.folder / "old", secret(running, "old"))
    old.port = running.state().old_port
    before = written(running)
    session = await old.connect()
    await session.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'"
    )
    await session.close()
    assert await until(lambda: written(running) > before + 50, 15.0, every_s=0.02)


def written(running: Box) -> int:
    return sum(entry.ending == "acknowledged" for entry in running.ledger())


async def fill_new(running: Box) -> None:
    """Make the same shop on the new server, so that the application can go on there."""
    new = Server("new", Path(), running.folder / "new", secret(running, "new"))
    new.port = running.state().new_port
    await create_shop(new, 1, {name: secret(running, name) for name in ("app", "reporting")})


def secret(running: Box, name: str) -> str:
    return running.layout.secret(name).read_text().strip()


async def test_a_pair_is_up_and_each_is_its_version(old_and_new: Pair) -> None:
    for each, major in ((old_and_new.old, 16), (old_and_new.new, 18)):
        session = await each.connect()
        try:
            assert int(await session.fetchval("SHOW server_version_num")) // 10000 == major
        finally:
            await session.close()


async def test_a_server_comes_back_on_its_port_after_a_crash(old_and_new: Pair) -> None:
    old = old_and_new.old
    port = old.port
    assert old.process is not None
    old.process.send_signal(signal.SIGQUIT)
    await asyncio.to_thread(old.process.wait, 10)
    await old.restart()
    assert old.port == port
    session = await old.connect()
    await session.close()
