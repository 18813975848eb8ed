"""This machine as a host: lines, files, and processes that stay behind."""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
import stat
from pathlib import Path

import pytest

from connections.host import Host, ThisMachine
from profiles.errors import DeadlineError, HostError


@pytest.fixture
def host() -> Host:
    return ThisMachine("host of db-old")


async def gone(pid: int) -> None:
    """Waits until a process is gone, or a zombie that nobody has waited for."""
    async with asyncio.timeout(5):
        while True:
            try:
                state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            except (FileNotFoundError, ProcessLookupError):
                return
            if state == "Z":
                return
            await asyncio.sleep(0.01)


async def written(path: Path) -> str:
    async with asyncio.timeout(5):
        while True:
            if path.exists() and path.read_text().endswith("\n"):
                return path.read_text().strip()
            await asyncio.sleep(0.01)


async def test_a_line_answers_code_output_and_errors(host: Host) -> None:
    ran = await host.run(
        'echo "$GREETING"; echo no >&2; exit 3', deadline_s=5, env={"GREETING": "é"}
    )
    assert ran == (3, "é\n", "no\n")


async def test_a_line_reads_nothing_of_ours(host: Host) -> None:
    assert await host.run("cat", deadline_s=5) == (0, "", "")


async def test_lines_are_told_as_they_come(host: Host, tmp_path: Path) -> None:
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


async def test_a_deadline_ends_the_whole_group(host: Host, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    line = f"sleep 60 & echo $! > {pids}; wait"
    with pytest.raises(DeadlineError, match=r"host of db-old: run .* after 0\.2 s") as late:
        await host.run(line, deadline_s=0.2)
    assert late.value.where == "host of db-old"
    await gone(int(await written(pids)))


async def test_who_ignores_the_polite_signal_is_ended_too(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connections.host.GRACE_S", 0.1)
    pids = tmp_path / "pids"
    with pytest.raises(DeadlineError):
        await host.run(f"trap '' TERM; echo $$ > {pids}; while :; do sleep 1; done", deadline_s=0.2)
    await gone(int(await written(pids)))


async def test_a_cancelled_caller_ends_the_group(host: Host, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    running = asyncio.create_task(host.run(f"echo $$ > {pids}; exec sleep 60", deadline_s=60))
    pid = int(await written(pids))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await gone(pid)


async def test_a_daemon_that_the_line_starts_is_not_waited_for(host: Host) -> None:
    async with asyncio.timeout(5):
        ran = await host.run("sleep 60 & echo $!", deadline_s=30)
    pid = int(ran.out)
    os.kill(pid, signal.SIGTERM)
    await gone(pid)


async def test_a_secret_in_a_line_is_not_repeated(host: Host) -> None:
    with pytest.raises(DeadlineError) as late:
        await host.run("PGPASSWORD=s3cr3t exec sleep 60", deadline_s=0.05)
    assert "s3cr3t" not in str(late.value)


async def test_a_file_is_replaced_and_its_owner_mode_and_backup_stay(
    host: Host, tmp_path: Path
) -> None:
    file = tmp_path / "pgbouncer.ini"
    file.write_text("old\n")
    file.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(file, 65534, 65534)
    before = file.stat()
    backup = Path(await host.write(str(file), "new\n"))
    assert file.read_text() == "new\n"
    assert backup.parent == tmp_path
    assert backup.read_text() == "old\n"
    for now in (file.stat(), backup.stat()):
        assert (now.st_uid, now.st_gid) == (before.st_uid, before.st_gid)
        assert stat.S_IMODE(now.st_mode) == 0o640
    assert file.stat().st_ino != before.st_ino
    assert sorted(tmp_path.iterdir()) == sorted([file, backup])
    second = Path(await host.write(str(file), "newer\n"))
    assert (backup.read_text(), second.read_text()) == ("old\n", "new\n")


async def test_bytes_that_are_no_utf8_and_line_ends_survive(host: Host, tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_bytes(b"caf\xe9=1\r\nHOST=old\r\n")
    text = await host.read(str(file))
    await host.write(str(file), text.replace("old", "new"))
    assert file.read_bytes() == b"caf\xe9=1\r\nHOST=new\r\n"


async def test_a_link_stays_a_link(host: Host, tmp_path: Path) -> None:
    file, link = tmp_path / "real", tmp_path / "link"
    file.write_text("old")
    link.symlink_to(file)
    await host.write(str(link), "new")
    assert link.is_symlink()
    assert file.read_text() == "new"


async def test_a_file_that_is_not_there_is_an_error_with_its_path(
    host: Host, tmp_path: Path
) -> None:
    path = str(tmp_path / "nope")
    for attempt in (host.read(path), host.write(path, "x")):
        with pytest.raises(HostError, match=f"host of db-old: .*{path}.*No such file"):
            await attempt
    assert [*tmp_path.iterdir()] == []


async def test_a_write_that_fails_leaves_the_file_alone(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(_: int) -> None:
        raise OSError(28, "No space left on device")

    file = tmp_path / "pgbouncer.ini"
    file.write_text("old")
    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(HostError, match="No space left"):
        await host.write(str(file), "new")
    assert file.read_text() == "old"
    assert [*tmp_path.iterdir()] == [file]


async def test_a_detached_process_has_a_session_of_its_own(host: Host, tmp_path: Path) -> None:
    log = tmp_path / "log"
    argv = ["sh", "-c", 'echo "it has $1"; exec sleep 60', "sh", "a word; with 'quotes'"]
    pid = await host.detach(argv, user=None, log=str(log))
    try:
        assert os.getsid(pid) != os.getsid(0)
        assert await written(log) == "it has a word; with 'quotes'"
    finally:
        os.kill(pid, signal.SIGTERM)
    await gone(pid)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("user", ["nobody", 65534])
async def test_a_detached_process_runs_as_another_user(
    host: Host, tmp_path: Path, user: str | int
) -> None:
    log = tmp_path / "log"
    pid = await host.detach(["sh", "-c", "id -u; id -G; exec sleep 60"], user=user, log=str(log))
    async with asyncio.timeout(5):
        while True:
            if len(log.read_text().split()) == 2:
                break
            await asyncio.sleep(0.01)
    assert log.read_text().split() == ["65534", "65534"]
    os.kill(pid, signal.SIGTERM)
    await gone(pid)


@pytest.mark.parametrize(
    ("program", "user", "says"),
    [("no-such-program", None, "there is no program"), ("sh", "no-such-user", "no user")],
)
async def test_what_cannot_be_detached(
    host: Host, tmp_path: Path, program: str, user: str | None, says: str
) -> None:
    with pytest.raises(HostError, match=says):
        await host.detach([program], user=user, log=str(tmp_path / "log"))


# What only the line may read


async def test_a_file_of_a_line_is_one_and_in_no_folder(host: Host) -> None:
    line = 'stat -L -c "%a %F %h" "$A"; cat "$A"; cat "$B" "$A"'
    ran = await host.run(line, deadline_s=5, files={"A": "it's %s\n", "B": "é\n"})
    assert ran == (0, "600 regular file 0\nit's %s\né\nit's %s\n", "")


async def test_a_file_of_a_line_is_not_left_open_here(host: Host) -> None:
    def held() -> list[str]:
        opened = [
            str(one.readlink()) for one in Path("/proc/self/fd").iterdir() if one.is_symlink()
        ]
        return [one for one in opened if "memfd:nightferry" in one]

    await host.run("true", deadline_s=5, files={"A": "secret"})
    with pytest.raises(DeadlineError):
        await host.run("sleep 60", deadline_s=0.05, files={"A": "secret"})
    assert held() == []


async def test_a_line_runs_as_another_user_with_that_users_home_and_files(host: Host) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    line = 'id -un; echo "$HOME"; cat "$A"'
    ran = await host.run(line, deadline_s=5, files={"A": "x\n"}, as_user="nobody")
    assert ran == (0, f"nobody\n{pwd.getpwnam('nobody').pw_dir}\nx\n", "")
