"""Becoming another user on a host, by real sudo: with a password, without, and not at all."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from profiles.errors import HostError, SecretError
from profiles.profile import SecretRef
from tests.fix_processes import words
from tests.fix_ssh import PASSWORD, Sshd, machine, needs_root, nothing_about, until

pytestmark = [pytest.mark.live, needs_root]

ASK = SecretRef(ask=True)


async def test_sudo_without_a_password(sshd: Sshd, trusted: Path) -> None:
    async with machine(sshd, "porter", sudo_user="root") as host:
        assert (await host.run("id -un", deadline_s=5)).out == "root\n"
        assert (await host.run("id -un", deadline_s=5, as_user="keeper")).out == "keeper\n"
        assert (await host.run("id -un", deadline_s=5, as_user="porter")).out == "porter\n"
        with pytest.raises(HostError, match="become nobody-here: there is no such user"):
            await host.run("true", deadline_s=5, as_user="nobody-here")


@pytest.mark.parametrize("login", ["porter", "root"])
async def test_whoever_the_lines_are_for_has_their_own_home_and_files(
    sshd: Sshd, trusted: Path, login: str
) -> None:
    async with machine(sshd, login, sudo_user="keeper") as host:
        line = 'echo "$HOME"; cat "$A"; stat -L -c %U "$A"'
        ran = await host.run(line, deadline_s=5, files={"A": "x\n"})
        assert ran == (0, f"{sshd.folder}/home/keeper\nx\nkeeper\n", "")


async def test_sudo_with_a_password_which_is_nowhere_to_be_seen(
    sshd: Sshd, trusted: Path, tmp_path: Path
) -> None:
    async with machine(sshd, "ferry", PASSWORD, sudo_user="root", sudo_password=ASK) as host:
        file = tmp_path / "of-root"
        file.write_text("old")
        file.chmod(0o600)
        running = asyncio.create_task(
            host.run(f"id -un; until [ -e {tmp_path}/go ]; do sleep 0.05; done", deadline_s=10)
        )
        await until(lambda: not nothing_about(tmp_path))
        assert PASSWORD not in "\n".join(" ".join(words(pid)) for pid in sshd.processes())
        (tmp_path / "go").touch()
        ran = await running
        assert (ran.code, ran.out, ran.err) == (0, "root\n", "")
        assert await host.read(str(file)) == "old"
        await host.write(str(file), "new")
        assert file.read_text() == "new"
        assert PASSWORD not in (sshd.folder / "sshd.log").read_text()


async def test_a_password_that_sudo_does_not_ask_for_is_not_read_as_a_command(
    sshd: Sshd, trusted: Path
) -> None:
    async with machine(sshd, "porter", PASSWORD, sudo_user="root", sudo_password=ASK) as host:
        assert await host.run("id -un", deadline_s=5) == (0, "root\n", "")


async def test_a_cancelled_line_of_sudos_is_ended_too(
    sshd: Sshd, trusted: Path, tmp_path: Path
) -> None:
    async with machine(sshd, "ferry", PASSWORD, sudo_user="root", sudo_password=ASK) as host:
        running = asyncio.create_task(host.run(f"sh -c 'sleep 600; :' {tmp_path}", deadline_s=60))
        await until(lambda: not nothing_about(tmp_path))
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await until(lambda: nothing_about(tmp_path))


async def test_a_wrong_password_is_asked_for_again(sshd: Sshd, trusted: Path) -> None:
    async with machine(sshd, "ferry", "guess", sudo_user="root", sudo_password=ASK) as host:
        with pytest.raises(SecretError, match="sudo did not take the password") as wrong:
            await host.run("true", deadline_s=10)
        assert wrong.value.where == "old host sudo_password"
        assert "guess" not in str(wrong.value)


@pytest.mark.parametrize(
    ("user", "secret", "says"),
    [
        ("ferry", None, "sudo asks for a password"),
        ("typist", None, "sudo wants a terminal"),
        ("guest", None, "sudo asks for a password"),
        ("guest", PASSWORD, "sudo allows this user nothing"),
    ],
)
async def test_what_sudo_refuses_is_said_in_plain_words(
    sshd: Sshd, trusted: Path, user: str, secret: str | None, says: str
) -> None:
    sudo_password = ASK if secret is not None else None
    host_of = machine(sshd, user, secret, sudo_user="root", sudo_password=sudo_password)
    async with host_of as host:
        with pytest.raises(HostError, match=f"host of old: become root: {says}") as refused:
            await host.run("true", deadline_s=10)
        assert refused.value.remedy
