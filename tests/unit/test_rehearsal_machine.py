"""What of a rehearsal touches this machine: processes, folders, programs, the pooler's files."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import msgspec
import pytest

from profiles.errors import HostError
from rehearsal import binaries, debian, folders, pooler, processes
from rehearsal.folders import BoxState, Layout
from rehearsal.processes import Running

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGQUIT, signal.SIG_IGN); print(1, flush=True);"
    "time.sleep(60)",
]


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(SLEEP) as process:
        yield process
        process.kill()


def test_a_process_is_known_by_its_start(sleeper: subprocess.Popen[bytes]) -> None:
    noted = processes.record("sleeper", sleeper)
    assert noted is not None
    assert processes.is_running(noted)
    assert not processes.is_running(msgspec.structs.replace(noted, started=noted.started - 1))


def test_a_zombie_does_not_run(sleeper: subprocess.Popen[bytes]) -> None:
    noted = processes.record("sleeper", sleeper)
    assert noted is not None
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert not processes.is_running(noted)
    assert processes.record("sleeper", sleeper) is None


async def test_what_is_recorded_is_ended_and_another_process_of_that_pid_is_not(
    sleeper: subprocess.Popen[bytes],
) -> None:
    noted = processes.record("sleeper", sleeper)
    assert noted is not None
    stranger = msgspec.structs.replace(noted, started=noted.started + 1)
    assert await processes.end_recorded([stranger]) == []
    assert sleeper.poll() is None
    assert await processes.end_recorded([noted]) == [noted]
    assert sleeper.wait(5) == -signal.SIGQUIT


@pytest.fixture
def stubborn() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(STUBBORN, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"1\n"
        yield process
        process.kill()


async def test_a_process_that_will_not_end_is_killed(stubborn: subprocess.Popen[bytes]) -> None:
    noted = processes.record("stubborn", stubborn)
    assert noted is not None
    await processes.end_recorded([noted], wait_s=0.1)
    assert stubborn.wait(5) == -signal.SIGKILL


async def test_a_program_that_fails_says_what_it_said(tmp_path: Path) -> None:
    words = ["/bin/sh", "-c", "echo the disk is on fire; exit 3"]
    with pytest.raises(HostError, match=r"(?s)exit code 3.*the disk is on fire"):
        await processes.run(words, folder=Path("/"), log=tmp_path / "log", deadline_s=10)


async def test_a_program_that_never_ends_is_ended(tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"no end within 0\.1 s"):
        await processes.run(
            ["/bin/sleep", "60"], folder=Path("/"), log=tmp_path / "log", deadline_s=0.1
        )


def test_the_environment_of_a_server_has_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("LC_ALL", "xx_XX")
    found = processes.clean_environment(Path("/somewhere"), {"EXTRA": "1"})
    assert (found["LC_ALL"], found["HOME"], found["EXTRA"]) == ("C", "/somewhere", "1")
    assert "PGPORT" not in found


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(HostError, match=r"pip install 'nightferry\[rehearsal\]'"):
        binaries.find()


def test_programs_that_cannot_be_run_where_they_are_are_copied_with_their_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site-packages" / binaries.PACKAGE
    for name in binaries.FOLDERS.values():
        (package / name / "bin").mkdir(parents=True)
        (package / name / "bin" / "postgres").write_text(name)
    libraries = package.with_name(f"{binaries.PACKAGE}.libs")
    libraries.mkdir()
    (libraries / "libpq.so").touch()
    monkeypatch.setattr(binaries, "can_run", lambda program, ground: False)
    found = {major: package / name / "bin" for major, name in binaries.FOLDERS.items()}
    copied = binaries.runnable(found, tmp_path / "box")
    assert (copied[18] / "postgres").read_text() == binaries.FOLDERS[18]
    assert (copied[16] / "../../.." / libraries.name / "libpq.so").resolve().exists()
    assert binaries.runnable(found, tmp_path / "box") == copied, "a second time they are there"


def test_what_was_fetched_once_is_there_for_the_next_rehearsal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, str] = {}

    def spawn(argv: object, *, env: dict[str, str], **more: object) -> None:
        given.update(env)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    monkeypatch.setattr(processes, "spawn", spawn)
    processes.spawn_module("rehearsal.supervisor", folder=tmp_path, log=tmp_path / "log")
    assert given["XDG_CACHE_HOME"] == str(tmp_path / "caches")


def test_a_fetched_pooler_is_copied_where_it_can_be_run_and_only_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = tmp_path / "cache"
    (fetched / "lib").mkdir(parents=True)
    (fetched / "pgbouncer").write_text("program")
    monkeypatch.setattr(pooler, "installed", lambda: None)
    monkeypatch.setattr(pooler, "can_run", lambda path, libraries, ground: False)
    monkeypatch.setattr(debian, "available", lambda: "")
    monkeypatch.setattr(debian, "fetch", lambda folder: fetched)
    program, why = pooler.obtain(tmp_path / "box")
    assert program is not None and not why
    assert program.path.read_text() == "program"
    assert program.path.is_relative_to(tmp_path / "box")
    assert pooler.obtain(tmp_path / "box") == (program, "")


def test_programs_that_can_be_run_stay_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "can_run", lambda program, ground: True)
    found = {16: tmp_path / "16", 18: tmp_path / "18"}
    assert binaries.runnable(found, tmp_path / "box") is found
    assert not (tmp_path / "box").exists()


def test_a_folder_whose_lock_is_held_is_alive(tmp_path: Path) -> None:
    layout, lock = folders.make(tmp_path)
    assert folders.is_alive(layout)
    os.close(lock)
    assert not folders.is_alive(layout)


def test_a_folder_admits_nobody_but_to_pass_through(tmp_path: Path) -> None:
    layout, lock = folders.make(tmp_path)
    os.close(lock)
    assert layout.folder.stat().st_mode & 0o066 == 0
    assert layout.secret("old").parent.stat().st_mode & 0o777 == 0o700


async def test_clearing_up_ends_what_runs_and_leaves_the_living_alone(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    dead, dead_lock = folders.make(tmp_path)
    living, living_lock = folders.make(tmp_path)
    noted = processes.record("old", sleeper)
    assert noted is not None
    gone = Running(name="new", pid=noted.pid, started=1)
    dead.write_state(BoxState(state="ready", processes=(noted, gone)))
    os.close(dead_lock)
    assert await folders.clean_up(tmp_path) == [dead.folder]
    assert sleeper.wait(5) == -signal.SIGQUIT
    assert not dead.folder.exists()
    assert living.folder.exists()
    os.close(living_lock)


async def test_clearing_up_leaves_a_folder_in_the_making_and_takes_an_old_one(
    tmp_path: Path,
) -> None:
    young, old = (tmp_path / f"{folders.PREFIX}{name}" for name in ("young", "old"))
    for folder in (young, old):
        folder.mkdir()
    hour_ago = time.time() - 3600
    os.utime(old, (hour_ago, hour_ago))
    assert await folders.clean_up(tmp_path) == [old]
    assert young.exists()


def test_a_link_is_no_rehearsal(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"{folders.PREFIX}link").symlink_to(tmp_path / "elsewhere")
    assert list(folders.ours(tmp_path)) == []


def test_socket_paths_are_short_enough() -> None:
    layout = Layout(folders.root() / f"{folders.PREFIX}abcdefgh")
    for path in (layout.control, layout.folder / "pooler" / ".s.PGSQL.65535"):
        assert len(os.fsencode(path)) <= 107


def test_the_poolers_file_has_two_pools_in_transaction_mode(tmp_path: Path) -> None:
    folder = tmp_path / "pooler"
    ways = pooler.Ways(5432, server="10.77.1.2", port=6432, listen=("127.0.0.1", "10.77.4.2"))
    config = pooler.configure(folder, ways, {"app": 'a"b', pooler.ADMIN: "x"})
    parsed = ConfigParser(interpolation=None)
    parsed.read_string(config.read_text())
    assert list(parsed["databases"]) == ["shop_admin", "shop"]
    assert "host=10.77.1.2 port=5432" in parsed["databases"]["shop"]
    assert parsed["pgbouncer"]["listen_addr"] == "127.0.0.1, 10.77.4.2"
    assert parsed["pgbouncer"]["pool_mode"] == "transaction"
    assert "server_login_retry" not in parsed["pgbouncer"]
    assert (folder / "userlist.txt").read_text() == '"app" "a""b"\n"pooladmin" "x"\n'
    assert (folder / "userlist.txt").stat().st_mode & 0o077 == 0


def test_a_machine_of_another_kind_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "os_release", lambda: {"ID": "fedora"})
    monkeypatch.setattr(pooler, "installed", lambda: None)
    program, why = pooler.obtain(Path("/nowhere"))
    assert program is None
    assert "neither Debian nor Ubuntu" in why


def test_a_relative_of_ubuntu_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "os_release", lambda: {"ID": "mint", "ID_LIKE": "ubuntu debian"})
    monkeypatch.setattr(shutil, "which", lambda tool: f"/usr/bin/{tool}")
    assert debian.available() == ""


def test_only_libraries_that_this_machine_lacks_are_put_beside_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree, made = tmp_path / "tree", tmp_path / "made"
    (tree / "usr" / "sbin").mkdir(parents=True)
    (tree / "usr" / "sbin" / "pgbouncer").touch()
    library = tree / "usr" / "lib" / "x86_64-linux-gnu"
    library.mkdir(parents=True)
    (library / "libcares.so.2.5").write_text("resolver")
    (library / "libcares.so.2").symlink_to("libcares.so.2.5")
    (library / "libc.so.6").touch()

    def lacking(made: Path) -> list[str]:
        return [] if (made / "lib" / "libcares.so.2").exists() else ["libcares.so.2"]

    monkeypatch.setattr(debian, "missing_libraries", lacking)
    debian.assemble(tree, made)
    assert [path.name for path in (made / "lib").iterdir()] == ["libcares.so.2"]
    assert (made / "lib" / "libcares.so.2").read_text() == "resolver"


def test_a_library_that_no_package_has_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tree" / "usr" / "sbin").mkdir(parents=True)
    (tmp_path / "tree" / "usr" / "sbin" / "pgbouncer").touch()
    monkeypatch.setattr(debian, "missing_libraries", lambda made: ["libfoo.so.1"])
    with pytest.raises(HostError, match=r"libfoo\.so\.1"):
        debian.assemble(tmp_path / "tree", tmp_path / "made")


def test_aptconf_keeps_proxies_and_drops_hooks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dumped = 'Acquire::http::Proxy "http://proxy:3128";\nAPT::Update::Post-Invoke:: "rm -rf";\n'
    monkeypatch.setattr(debian, "run", lambda argv: dumped)
    config = debian.configure(tmp_path).read_text()
    assert 'Acquire::http::Proxy "http://proxy:3128";' in config
    assert "Post-Invoke" not in config
    assert f'Dir::State "{tmp_path}/state";' in config


def test_while_one_fetches_the_others_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[bool] = []

    def build(cache: Path, ready: Path) -> None:
        with (cache / f"{ready.name}.lock").open("w") as other:
            try:
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                held.append(True)

    monkeypatch.setattr(debian, "build", build)
    debian.fetch(tmp_path)
    assert held == [True]
