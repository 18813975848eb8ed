"""Another machine over a real OpenSSH server: lines, files, and connections that die."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from connections import ssh_host, ssh_shell
from connections.host import Host
from connections.ssh_exchange import exchange
from connections.ssh_host import RemoteMachine
from profiles.errors import DeadlineError, HostError, HostLostError
from tests.fix_processes import words
from tests.fix_ssh import USERS, Sshd, all_pids, machine, needs_root, nothing_about, until

pytestmark = pytest.mark.live


@pytest.fixture(params=["dash", "busybox"])
def server(request: pytest.FixtureRequest, operator: Path) -> Sshd:
    """A server whose /bin/sh and commands are of the one or the other kind."""
    name = {"dash": "sshd", "busybox": "busybox_sshd"}[request.param]
    found: Sshd = request.getfixturevalue(name)
    (operator / ".ssh" / "known_hosts").write_text(found.known)
    return found


@pytest.fixture
async def host(server: Sshd) -> AsyncIterator[RemoteMachine]:
    async with machine(server) as opened:
        yield opened


async def test_it_is_a_host(host: RemoteMachine) -> None:
    as_one: Host = host
    assert as_one.name == "host of old"


async def test_a_line_answers_code_output_and_errors(host: RemoteMachine) -> None:
    ran = await host.run(
        'printf \'%s\\n\' "$GREETING"; echo "it\'s" >&2\nprintf end; exit 3',
        deadline_s=5,
        env={"GREETING": "é 'quoted' \\n $HOME"},
    )
    assert ran == (3, "é 'quoted' \\n $HOME\nend", "it's\n")
    assert await host.run("cat", deadline_s=5) == (0, "", "")
    assert (await host.run("no-such-program", deadline_s=5)).code == 127
    assert (await host.run("kill -9 $$", deadline_s=5)).code == 137


async def test_a_file_of_a_line_is_one_and_in_no_folder(host: RemoteMachine) -> None:
    line = 'stat -L -c "%a %F %h" "$A"; cat "$A"; cat "$B" "$A"'
    files = {"A": "it's \\n %s é\n", "B": "2\n"}
    ran = await host.run(line, deadline_s=5, files=files)
    assert ran == (0, "600 regular file 0\nit's \\n %s é\n2\nit's \\n %s é\n", "")


async def test_a_name_that_is_no_variables_is_refused(host: RemoteMachine) -> None:
    with pytest.raises(ValueError, match="no name of a variable: A B"):
        await host.run("true", deadline_s=5, env={"A B": "1"})


async def test_much_output_arrives_whole(host: RemoteMachine) -> None:
    ran = await host.run("i=0; while [ $i -lt 40000 ]; do echo $i; i=$((i+1)); done", deadline_s=20)
    assert ran.out == "".join(f"{i}\n" for i in range(40000))


async def test_who_is_told_every_line_is_not_given_them_all_again(
    host: RemoteMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connections.ssh_exchange.KEPT_BYTES", 1000)
    told: list[str] = []
    line = "i=0; while [ $i -lt 40000 ]; do echo $i; i=$((i+1)); done"
    ran = await host.run(line, deadline_s=20, on_line=told.append)
    assert told == [str(i) for i in range(40000)]
    assert ran.out.endswith("\n39999\n")
    assert len(ran.out) < 200_000


async def test_lines_are_told_as_they_come(host: RemoteMachine, tmp_path: Path) -> None:
    told: list[str] = []
    go_on = tmp_path / "go"

    def hear(line: str) -> None:
        told.append(line)
        go_on.touch()

    line = f"echo one; until [ -e {go_on} ]; do sleep 0.02; done; echo two >&2; printf three"
    ran = await host.run(line, deadline_s=10, on_line=hear)
    assert told[0] == "one"
    assert sorted(told) == ["one", "three", "two"]
    assert (ran.out, ran.err) == ("one\nthree", "two\n")


async def test_a_deadline_ends_the_whole_group(host: RemoteMachine, tmp_path: Path) -> None:
    line = f"sh -c 'sleep 600; :' {tmp_path} & sh -c 'sleep 600; :' {tmp_path}"
    with pytest.raises(DeadlineError, match=r"host of old: run .* after 0\.5 s, and was stopped"):
        await host.run(line, deadline_s=0.5)
    await until(lambda: nothing_about(tmp_path))


async def test_who_ignores_the_polite_signal_is_ended_too(
    host: RemoteMachine, tmp_path: Path
) -> None:
    with pytest.raises(DeadlineError):
        await host.run(f"trap '' TERM; while :; do sleep 1; done # {tmp_path}", deadline_s=0.3)
    await until(lambda: nothing_about(tmp_path))


async def test_a_cancelled_caller_ends_the_group(host: RemoteMachine, tmp_path: Path) -> None:
    line = f"sh -c 'sleep 600; :' {tmp_path}"
    running = asyncio.create_task(host.run(line, deadline_s=60))
    await until(lambda: not nothing_about(tmp_path))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await until(lambda: nothing_about(tmp_path))


async def test_a_line_ends_with_its_connection_and_the_next_one_has_a_new_one(
    host: RemoteMachine, server: Sshd, tmp_path: Path
) -> None:
    running = asyncio.create_task(host.run(f"sh -c 'sleep 600; :' {tmp_path}", deadline_s=60))
    await until(lambda: not nothing_about(tmp_path))
    server.cut()
    with pytest.raises(HostLostError, match=r"host of old: run .* in the middle"):
        await running
    await until(lambda: nothing_about(tmp_path))
    assert (await host.run("echo again", deadline_s=5)).out == "again\n"
    server.cut()
    assert (await host.run("echo and again", deadline_s=5)).out == "and again\n"


async def test_a_daemon_that_the_line_starts_is_not_waited_for(host: RemoteMachine) -> None:
    async with asyncio.timeout(5):
        ran = await host.run("sleep 60 & echo $!", deadline_s=30)
    pid = int(ran.out)
    await until(lambda: words(pid) == ["sleep", "60"])
    os.kill(pid, signal.SIGTERM)
    await until(lambda: not words(pid))


async def test_nothing_of_ours_is_left_behind(host: RemoteMachine, server: Sshd) -> None:
    deadline_s = 100_000 + os.getpid()  # so that no other process sleeps as long

    def sleepers() -> int:
        return sum(words(pid) == ["sleep", str(deadline_s + 2)] for pid in all_pids())

    await asyncio.gather(*(host.run("true", deadline_s=deadline_s) for _ in range(12)))
    running = [asyncio.create_task(host.run("sleep 600", deadline_s=deadline_s)) for _ in range(3)]
    await until(lambda: sleepers() >= 3)
    server.cut()
    with pytest.raises(HostLostError):
        await asyncio.gather(*running)
    await asyncio.gather(*running, return_exceptions=True)
    await until(lambda: not sleepers())


async def test_many_lines_at_once_share_the_connection(host: RemoteMachine) -> None:
    ran = await asyncio.gather(*(host.run(f"echo {i}", deadline_s=20) for i in range(20)))
    assert [int(one.out) for one in ran] == [*range(20)]


async def test_a_secret_in_a_line_is_not_repeated(host: RemoteMachine) -> None:
    with pytest.raises(DeadlineError) as late:
        await host.run("PGPASSWORD=s3cr3t exec sleep 60", deadline_s=0.3)
    assert "s3cr3t" not in str(late.value)


# Files


async def test_a_file_is_replaced_and_its_owner_mode_and_backup_stay(
    host: RemoteMachine, tmp_path: Path
) -> None:
    file = tmp_path / "pg bouncer's.ini"
    file.write_bytes(b"caf\xe9=1\r\nHOST=old\r\n")
    file.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(file, 65534, 65534)
    before = file.stat()
    text = await host.read(str(file))
    backup = Path(await host.write(str(file), text.replace("old", "new")))
    assert file.read_bytes() == b"caf\xe9=1\r\nHOST=new\r\n"
    assert backup.read_bytes() == b"caf\xe9=1\r\nHOST=old\r\n"
    for now in (file.stat(), backup.stat()):
        assert (now.st_uid, now.st_gid) == (before.st_uid, before.st_gid)
        assert stat.S_IMODE(now.st_mode) == 0o640
    assert file.stat().st_ino != before.st_ino
    assert sorted(tmp_path.glob("pg*")) == sorted([file, backup])
    assert not [*tmp_path.glob(".*")]


async def test_a_link_stays_a_link_and_a_file_may_become_empty(
    host: RemoteMachine, tmp_path: Path
) -> None:
    file, link = tmp_path / "real", tmp_path / "link"
    file.write_text("old")
    link.symlink_to(file)
    await host.write(str(link), "")
    assert link.is_symlink()
    assert file.read_text() == ""


async def test_a_large_file_arrives_whole(host: RemoteMachine, tmp_path: Path) -> None:
    file = tmp_path / "large"
    file.write_text("")
    text = "".join(f"{i:07}\n" for i in range(1_000_000))
    await host.write(str(file), text)
    assert file.read_text() == text


@pytest.mark.parametrize("name", ["nope", "folder"])
async def test_what_is_no_file_is_an_error_with_its_path(
    host: RemoteMachine, tmp_path: Path, name: str
) -> None:
    (tmp_path / "folder").mkdir()
    path = str(tmp_path / name)
    for attempt in (host.read(path), host.write(path, "x")):
        with pytest.raises(HostError, match=rf"host of old: (read|write) {path}: "):
            await attempt
    assert [*tmp_path.glob("*nightferry*")] == []


@needs_root
async def test_a_read_only_filesystem_is_said(host: RemoteMachine, server: Sshd) -> None:
    path = str(server.read_only / "postgresql.conf")
    with pytest.raises(HostError, match="Read-only file system"):
        await host.write(path, "port = 5433\n")
    assert await host.read(path) == "port = 5432\n"


@needs_root
async def test_an_owner_that_cannot_be_kept_is_not_changed(server: Sshd) -> None:
    folder = server.folder / "shared"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777)
    file = folder / "of-root"
    file.write_text("old")
    file.chmod(0o644)
    async with machine(server, "guest") as host:
        with pytest.raises(HostError, match="its owner and mode cannot be kept"):
            await host.write(str(file), "new")
    assert file.read_text() == "old"
    assert [*folder.iterdir()] == [file]


async def test_a_connection_that_dies_in_mid_file_leaves_it_as_it_was(
    host: RemoteMachine, server: Sshd, tmp_path: Path
) -> None:
    file = tmp_path / "pgbouncer.ini"
    file.write_text("old")
    writing = asyncio.create_task(host.write(str(file), "x" * 100_000_000))
    await until(lambda: any(one.stat().st_size > 1 << 20 for one in tmp_path.glob(".*")), 20)
    server.cut()
    with pytest.raises(HostLostError):
        await writing
    assert file.read_text() == "old"
    await until(lambda: sorted(tmp_path.glob("*pgbouncer*")) == [file])
    assert not [*tmp_path.glob(".*")]


@pytest.mark.parametrize("moved", [True, False])
async def test_a_connection_that_dies_at_the_swap_is_looked_at_again(
    host: RemoteMachine,
    server: Sshd,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    moved: bool,
) -> None:
    """What is reported is what stands there: the journal and the host agree."""
    file = tmp_path / "pgbouncer.ini"
    file.write_text("old")
    real = ssh_shell.swap_line
    monkeypatch.setattr(
        ssh_shell,
        "swap_line",
        lambda path, stamp: f"{real(path, stamp) if moved else 'true'}; touch {file}.now; sleep 60",
    )
    writing = asyncio.create_task(host.write(str(file), "new"))
    await until(Path(f"{file}.now").exists)
    server.cut()
    if moved:
        assert Path(await writing).read_text() == "old"
        assert file.read_text() == "new"
    else:
        with pytest.raises(HostLostError, match="the file is as it was"):
            await writing
        assert file.read_text() == "old"
    assert not [*tmp_path.glob(".*")]


# Made ready before its moment


async def test_an_edit_made_ready_is_taken_in_one_act(host: RemoteMachine, tmp_path: Path) -> None:
    file = tmp_path / "pgbouncer.ini"
    file.write_text("old")
    file.chmod(0o640)
    prepared = await host.prepare(str(file), "old", "new")
    assert file.read_text() == "old"
    assert Path(await prepared.take()).read_text() == "old"
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("new", 0o640)
    await prepared.drop()
    assert not [*tmp_path.glob(".*")]


async def test_a_file_that_is_no_longer_what_it_was_is_left_alone(
    host: RemoteMachine, tmp_path: Path
) -> None:
    file = tmp_path / "pgbouncer.ini"
    file.write_text("old")
    with pytest.raises(HostError, match="it has changed since"):
        await host.prepare(str(file), "older", "new")
    assert [*tmp_path.glob("*pgbouncer*"), *tmp_path.glob(".*")] == [file]
    prepared = await host.prepare(str(file), "old", "new")
    file.write_text("theirs")
    with pytest.raises(HostError, match="it has changed since"):
        await prepared.take()
    await prepared.drop()
    assert (file.read_text(), [*tmp_path.glob("*pgbouncer*"), *tmp_path.glob(".*")]) == (
        "theirs",
        [file],
    )


async def test_a_shell_that_never_comes_is_not_waited_for_without_end(
    host: RemoteMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "pgbouncer.ini"
    file.write_text("old")
    opened = exchange

    def stuck(*some: Any) -> Any:
        """The shell that waits for its moment is opened without anyone who hears its lines."""
        return opened(*some) if len(some) == 3 else never()

    @asynccontextmanager
    async def never() -> AsyncIterator[None]:
        await asyncio.Event().wait()
        yield

    monkeypatch.setattr(ssh_host, "exchange", stuck)
    monkeypatch.setattr(ssh_host, "FILE_S", 3.0)
    with pytest.raises(DeadlineError, match="make ready to write"):
        await host.prepare(str(file), "old", "new")
    assert [*tmp_path.glob("*pgbouncer*"), *tmp_path.glob(".*")] == [file]


async def test_what_a_killed_engine_made_ready_is_gone_with_the_next_edit(
    host: RemoteMachine, tmp_path: Path
) -> None:
    file = tmp_path / "pgbouncer.ini"
    file.write_text("old")
    await host.prepare(str(file), "old", "newer")
    assert len([*tmp_path.glob(".*")]) == 1
    await host.write(str(file), "new")
    assert (file.read_text(), [*tmp_path.glob(".*")]) == ("new", [])


async def test_what_was_not_taken_leaves_neither_file_nor_process(
    host: RemoteMachine, tmp_path: Path
) -> None:
    file = tmp_path / "pgbouncer.ini"
    file.write_text("old")
    prepared = await host.prepare(str(file), "old", "new")
    await prepared.drop()
    assert [*tmp_path.glob("*pgbouncer*"), *tmp_path.glob(".*")] == [file]
    await until(lambda: nothing_about(tmp_path))


@pytest.mark.parametrize("when", ["before", "within"])
async def test_a_connection_that_dies_before_or_within_the_act_is_looked_at_again(
    host: RemoteMachine,
    server: Sshd,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    when: str,
) -> None:
    file = tmp_path / "pgbouncer.ini"
    file.write_text("old")
    prepared = await host.prepare(str(file), "old", "new")
    if when == "before":
        server.cut()
        with pytest.raises(HostLostError, match="the file is as it was"):
            await prepared.take()
        assert file.read_text() == "old"
    else:
        real = ssh_shell.take_script
        stalled = f"touch {file}.now; sleep 60\n"
        monkeypatch.setattr(
            ssh_shell,
            "take_script",
            lambda *some: real(*some).replace("code=$?\n", f"code=$?\n{stalled}"),
        )
        taking = asyncio.create_task(prepared.take())
        await until(Path(f"{file}.now").exists)
        server.cut()
        assert Path(await taking).read_text() == "old"
        assert file.read_text() == "new"
    await prepared.drop()
    assert not [*tmp_path.glob(".*")]


# What stays behind


async def test_a_detached_process_outlives_the_connection(
    host: RemoteMachine, server: Sshd, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    argv = ["sh", "-c", 'echo "it has $1"; exec sleep 60', "sh", "a word; with 'quotes'"]
    pid = await host.detach(argv, user=None, log=str(log))
    try:
        server.cut()
        await until(lambda: log.exists() and log.read_text() == "it has a word; with 'quotes'\n")
        assert os.getsid(pid) == pid
        await until(lambda: words(pid)[:1] == ["sleep"])
    finally:
        os.kill(pid, signal.SIGTERM)
    await until(lambda: not words(pid))


@needs_root
@pytest.mark.parametrize("user", ["keeper", USERS["keeper"]])
async def test_a_detached_process_runs_as_another_user(
    host: RemoteMachine, server: Sshd, user: str | int
) -> None:
    log = server.folder / "home" / "keeper" / "log"
    log.unlink(missing_ok=True)
    pid = await host.detach(["sh", "-c", "id -u; exec sleep 60"], user=user, log=str(log))
    await until(lambda: log.exists() and log.read_text() == f"{USERS['keeper']}\n")
    os.kill(pid, signal.SIGTERM)
    await until(lambda: not words(pid))


@pytest.mark.parametrize(
    ("program", "user", "says"),
    [
        ("no-such-program", None, "there is no program no-such-program"),
        ("sh", 63999, "there is no user 63999 there"),
    ],
)
async def test_what_cannot_be_detached(
    host: RemoteMachine, tmp_path: Path, program: str, user: int | None, says: str
) -> None:
    with pytest.raises(HostError, match=says):
        await host.detach([program], user=user, log=str(tmp_path / "log"))


@needs_root
async def test_root_becomes_another_user_without_sudo(host: RemoteMachine) -> None:
    assert (await host.run("id -un", deadline_s=5, as_user="keeper")).out == "keeper\n"
    assert (await host.run("id -un", deadline_s=5, as_user="root")).out == "root\n"
    with pytest.raises(HostError, match="become nobody-here"):
        await host.run("id -un", deadline_s=5, as_user="nobody-here")
