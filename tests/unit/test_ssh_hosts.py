"""From a profile to its hosts and their secrets; and hosts that are not what they should be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import msgspec
import pytest

from connections.host import ThisMachine
from connections.hosts import Hosts
from connections.passwords import Passwords, of_host
from connections.ssh_host import RemoteMachine
from connections.ssh_link import Link
from profiles.errors import DeadlineError, HostError, HostLostError, SecretError
from profiles.profile import (
    ByHand,
    ConnectionFile,
    LocalHost,
    Login,
    Profile,
    SecretRef,
    Server,
    SshHost,
)

ASK = SecretRef(ask=True)


def a_profile() -> Profile:
    old = Server(name="old", address="127.0.0.1", country="NO", operated_by="us")
    return Profile(
        name="orders",
        databases=["orders"],
        source=msgspec.structs.replace(
            old, host=SshHost(ssh="db1", passphrase=ASK, sudo_password=SecretRef(env="SUDO"))
        ),
        destination=msgspec.structs.replace(old, name="new", host=LocalHost()),
        standbys=[msgspec.structs.replace(old, name="standby")],
        endpoints=[
            ConnectionFile(
                name="env",
                path="/x",
                replace={},
                client=Login(user="app"),
                host=SshHost(ssh="app1", password=ASK),
            ),
            ByHand(name="dns", address="db.lan", how="change the record"),
        ],
    )


async def no_secret(name: str) -> str | None:
    raise AssertionError(name)


async def test_each_host_is_reached_as_the_profile_says_and_kept() -> None:
    hosts = Hosts(a_profile(), no_secret)
    assert isinstance(hosts.of(None), ThisMachine)
    assert isinstance(hosts.of("new"), ThisMachine)
    assert hosts.of("new").name == "host of new"
    old = hosts.of("old")
    assert isinstance(old, RemoteMachine)
    assert old.name == "host of old"
    assert hosts.of("old") is old
    assert hosts.link("old") is hosts.link("old")
    assert hosts.of("env") is not old
    await hosts.close()


@pytest.mark.parametrize("name", ["standby", "dns", "nobody"])
async def test_where_the_profile_says_no_way_it_is_done_by_hand(name: str) -> None:
    with pytest.raises(HostError, match=name):
        Hosts(a_profile(), no_secret).of(name)


async def test_this_machine_needs_no_connection() -> None:
    with pytest.raises(HostError, match="host of new: open a connection with it"):
        Hosts(a_profile(), no_secret).link("new")


def test_a_remote_host_is_never_taken_for_this_machine() -> None:
    hosts = Hosts(a_profile(), no_secret)
    assert isinstance(hosts.of("old"), RemoteMachine)
    assert [name for name in ("old", "new", "standby") if hosts.is_far(name)] == ["old"]


async def test_a_hosts_secrets_have_names_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = Passwords(a_profile())
    monkeypatch.setenv("SUDO", "from the environment")
    assert await passwords(of_host("old", "sudo_password")) == "from the environment"
    passwords.tell(of_host("old", "passphrase"), "typed")
    assert await passwords(of_host("old", "passphrase")) == "typed"
    with pytest.raises(SecretError) as asked:
        await passwords(of_host("env", "password"))
    assert asked.value.where == "env host password"
    with pytest.raises(SecretError, match="no password of that name"):
        await passwords(of_host("old", "password"))


# Hosts in this process, which do what a real one would not do when it is told to


Handler = Callable[[asyncssh.SSHServerProcess[bytes]], None]


class _Admits(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return False


@asynccontextmanager
async def a_host(home: Path, handler: Handler | None) -> AsyncIterator[RemoteMachine]:
    key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.create_server(
        _Admits,
        "127.0.0.1",
        0,
        server_host_keys=[key],
        process_factory=handler,
        encoding=None,
    )
    port = server.get_port()
    line = f"[127.0.0.1]:{port} {key.export_public_key().decode()}"
    (home / ".ssh" / "known_hosts").write_text(line)
    link = Link("old", SshHost(ssh="127.0.0.1", port=port), no_secret)
    try:
        yield RemoteMachine(link)
    finally:
        await link.close()
        server.close()
        await server.wait_closed()


def no_login(process: asyncssh.SSHServerProcess[bytes]) -> None:
    process.stderr.write(b"Last login: never\nThis account is currently not available.\n")
    process.exit(1)


def hangs_up(process: asyncssh.SSHServerProcess[bytes]) -> None:
    process.channel.get_connection().abort()


def silent(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """Neither answers nor ends."""


def deaf(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """Says that it is ready, and then nothing more."""
    ready = process.command.split("echo ")[1].split(";")[0].encode() if process.command else b""
    process.stdout.write(ready + b"\n")
    process.stderr.write(ready + b"\n")


def forgetful(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """Says that it is ready, and is killed before it says how it ended."""
    ready = process.command.split("echo ")[1].split(";")[0].encode() if process.command else b""
    process.stdout.write(ready + b"\nhalf")
    process.stderr.write(ready + b"\n")
    process.exit_with_signal("KILL")


async def test_an_account_without_a_shell_is_said(operator: Path) -> None:
    async with a_host(operator, no_login) as host:
        with pytest.raises(HostError, match="open a shell: This account is currently not avail"):
            await host.run("true", deadline_s=5)


async def test_a_host_that_admits_no_session_is_said(operator: Path) -> None:
    async with a_host(operator, None) as host:
        with pytest.raises(HostError, match="open a session"):
            await host.run("true", deadline_s=5)


async def test_a_host_that_hangs_up_each_time_ends_the_line(operator: Path) -> None:
    async with a_host(operator, hangs_up) as host:
        with pytest.raises((HostError, DeadlineError)):
            await host.run("true", deadline_s=1)


async def test_a_host_that_never_answers_ends_at_the_deadline(operator: Path) -> None:
    async with a_host(operator, silent) as host:
        with pytest.raises(DeadlineError, match=r"there was no shell for it within 0\.3 s"):
            await host.run("true", deadline_s=0.3)


async def test_a_line_that_nobody_can_stop_is_said(
    operator: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connections.ssh_shell.GRACE_S", -0.9)
    async with a_host(operator, deaf) as host:
        with pytest.raises(DeadlineError, match=r"after 0\.3 s, and nobody saw it stop"):
            await host.run("true", deadline_s=0.3)


async def test_a_shell_that_is_killed_leaves_it_unknown(operator: Path) -> None:
    async with a_host(operator, forgetful) as host:
        with pytest.raises(HostLostError, match="ended in the middle of it"):
            await host.run("true", deadline_s=5)
