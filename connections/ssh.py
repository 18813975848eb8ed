"""An SSH connection as the operator's own ssh(1) would make it: config, agent, jump hosts.

Knows how one is opened, and says of everything that can go wrong there what it was; no login is
tried before the host's key is trusted. Must not know what the connection is for.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import asyncssh

from connections import ssh_keys, ssh_known
from connections.passwords import AskPassword, HostSecret, of_host
from connections.ssh_dial import dial
from connections.tcp_info import TcpInfo, tcp_info
from profiles.errors import (
    ConnectError,
    LoginRefusedError,
    SecretError,
    UnreachableError,
)
from profiles.profile import SshHost

CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes256-ctr",
    "aes128-ctr",
)
"""The fastest first: on one core it carries half as much again as OpenSSH's own first choice."""

KEEPALIVE_S = 2
KEEPALIVES = 2
"""A road that swallows everything is noticed after KEEPALIVE_S * (KEEPALIVES + 1) seconds."""

MOST_JUMPS = 8
"""A ~/.ssh/config whose jump hosts lead in a circle ends here."""

CLOSE_S = 2.0

_JUMP = re.compile(r"(?:(?P<user>[^@]+)@)?(?P<host>\[[^]]+\]|[^:]+)(?::(?P<port>\d+))?")


class Ssh:
    """One open connection, and those below it that lead there."""

    def __init__(self, connection: asyncssh.SSHClientConnection, below: Ssh | None) -> None:
        self.connection = connection
        self._below = below

    @property
    def lost(self) -> bool:
        """Whether it has ended, by whichever side."""
        return self.connection.is_closed()

    async def ended(self) -> None:
        """Returns when it has ended."""
        await self.connection.wait_closed()

    def road(self) -> TcpInfo | None:
        """The road to the host; None through a jump host, where nobody here sees all of it."""
        if self._below is not None:
            return None
        below = self.connection.get_extra_info("socket")
        return None if below is None else tcp_info(below)

    def host_key(self) -> str:
        """The key by which the host was known, its kind and the key, as in known_hosts."""
        key = self.connection.get_server_host_key()
        assert key is not None, "a connection without a key exchange"
        return ssh_known.public(key)

    async def close(self) -> None:
        """Ends it and those below it; never raises."""
        self.connection.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self.connection.wait_closed()
        self.connection.abort()
        if self._below is not None:
            await self._below.close()


class _Target(NamedTuple):
    """One host of the way, and what ~/.ssh/config makes of it."""

    name: str
    """Of the server or endpoint at the end of the way, by which its secrets go."""
    host: SshHost
    where: str
    settings: asyncssh.SSHClientConnectionOptions
    """Without keys, which are not read before they are needed."""

    @property
    def tried(self) -> str:
        at = f"{self.settings.host}:{self.settings.port}"
        return f"log in to {at} as {self.settings.username} by SSH"


class _Guard(asyncssh.SSHClient):
    """Trusts no key beyond known_hosts; keeps the one that was shown, for the refusal."""

    shown: asyncssh.SSHKey | None = None

    def validate_host_public_key(
        self, host: str, addr: str, port: int, key: asyncssh.SSHKey
    ) -> bool:
        """A key that is not in known_hosts."""
        self.shown = key
        return False

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """An authority that is not in known_hosts."""
        self.shown = key
        return False


async def open_ssh(
    name: str, host: SshHost, passwords: AskPassword, *, deadline_s: float = 10.0
) -> Ssh:
    """A connection with the host under the server or endpoint of that name.

    Raises UnreachableError, HostKeyError, LoginRefusedError, ConnectError and SecretError, each
    naming the host of the way that it was.
    """
    try:
        async with asyncio.timeout(deadline_s):
            return await _opened(name, host, passwords)
    except TimeoutError:
        tried, said = f"log in to {host.ssh} by SSH", f"no answer within {deadline_s:g} s"
        remedy = "See whether a firewall on the way drops what comes from here."
        raise UnreachableError(f"host of {name}", tried, said, remedy) from None


async def _opened(name: str, host: SshHost, passwords: AskPassword) -> Ssh:
    reached: Ssh | None = None
    try:
        for target in await asyncio.to_thread(_way, name, host, f"host of {name}", MOST_JUMPS):
            reached = await _next(target, reached, passwords)
    except BaseException:
        if reached is not None:
            await reached.close()
        raise
    assert reached is not None
    return reached


def _way(name: str, host: SshHost, where: str, jumps_left: int) -> list[_Target]:
    """The hosts from here to there; the first jump host may have jump hosts of its own."""
    target = _Target(name, host, where, _settings(host, where))
    tunnel = target.settings.tunnel
    jumps = host.jump or (tunnel.split(",") if isinstance(tunnel, str) else [])
    if not jumps:
        return [target]
    if jumps_left < len(jumps):
        said = f"the jump hosts on the way there are more than {MOST_JUMPS}"
        raise ConnectError(where, "find the way there", said, "See ProxyJump in ~/.ssh/config.")
    first, *others = [_jump(host, jump) for jump in jumps]
    way = _way(name, first, _through(where, first), jumps_left - len(jumps))
    for other in others:
        through = _through(where, other)
        way.append(_Target(name, other, through, _settings(other, through)))
    return [*way, target]


class FirstHop(NamedTuple):
    """Where a connection with a host goes from here: to the host itself, or to a jump host."""

    address: str
    port: int
    jump: str | None
    """The jump host's name; None where it is the host itself."""


async def first_hop(name: str, host: SshHost) -> FirstHop:
    """The first host on the way to the one under the server or endpoint of that name.

    Raises ConnectError where the way cannot be found, and where a command leads there.
    """
    where = f"host of {name}"
    way = await asyncio.to_thread(_way, name, host, where, MOST_JUMPS)
    settings = way[0].settings
    if settings.proxy_command:
        raise ConnectError(where, "see where the road to it leads", "a ProxyCommand leads there")
    return FirstHop(settings.host, settings.port, way[0].host.ssh if len(way) > 1 else None)


def _through(where: str, jump: SshHost) -> str:
    return f"{where.partition(',')[0]}, jump host {jump.ssh}"


def _jump(host: SshHost, jump: str) -> SshHost:
    """As ssh -J: what is said of the host itself is not for its jump hosts, but the passphrase."""
    found = _JUMP.fullmatch(jump.strip().removeprefix("ssh://"))
    if found is None:
        return SshHost(ssh=jump, config=host.config, passphrase=host.passphrase)
    port = int(found["port"]) if found["port"] else None
    place = found["host"].strip("[]")
    return SshHost(
        ssh=place, config=host.config, user=found["user"], port=port, passphrase=host.passphrase
    )


def _given(host: SshHost) -> dict[str, Any]:
    """What is the same for every host; the rest stands in ~/.ssh/config."""
    given: dict[str, Any] = {
        "host": host.ssh,
        "config": () if host.config is None else [os.path.expanduser(host.config)],  # noqa: PTH111
        "keepalive_interval": KEEPALIVE_S,
        "keepalive_count_max": KEEPALIVES,
        "encryption_algs": CIPHERS,
        "compression_algs": ["none"],
    }
    said = {"username": host.user, "port": host.port}
    return {**given, **{key: value for key, value in said.items() if value is not None}}


def _settings(host: SshHost, where: str) -> asyncssh.SSHClientConnectionOptions:
    """What ~/.ssh/config says of the host, where the profile says nothing. Raises ConnectError."""
    try:
        return asyncssh.SSHClientConnectionOptions(**_given(host), client_keys=None)
    except (OSError, ValueError, asyncssh.Error) as error:
        remedy = f"See what ssh -G {host.ssh} says."
        raise ConnectError(where, "read ~/.ssh/config", str(error), remedy) from error


async def _next(target: _Target, before: Ssh | None, passwords: AskPassword) -> Ssh:
    """The next host of the way, over those before it."""
    guard = _Guard()
    known = await asyncio.to_thread(ssh_known.known, target.settings)
    keys = await _keys(target, passwords)
    login = {
        "client_factory": lambda: guard,
        "known_hosts": known.entries,
        "server_host_key_algs": ssh_known.algorithms(known),
        "client_keys": [*keys.pairs],
        "agent_identities": _only(target, keys),
        "password": await _secret(target, "password", passwords),
    }
    try:
        connection = await _connected(target, login, before)
    except asyncssh.HostKeyNotVerifiable:
        raise ssh_known.refusal(target.where, target.tried, known, guard.shown) from None
    except asyncssh.PermissionDenied as error:
        raise await _refused(target, keys, error) from None
    except (OSError, asyncssh.Error) as error:
        raise _failed(target, before, error) from error
    return Ssh(connection, before)


async def _connected(
    target: _Target, login: Mapping[str, Any], before: Ssh | None
) -> asyncssh.SSHClientConnection:
    to, settings = {**_given(target.host), **login}, target.settings
    if before is not None:
        return await asyncssh.connect(**to, tunnel=before.connection)
    if settings.proxy_command or settings.local_addr:
        return await asyncssh.connect(**to, tunnel=None)
    opened = await dial(settings.host, settings.port, settings.family)
    try:
        return await asyncssh.connect(**to, tunnel=None, sock=opened)
    except BaseException:
        opened.close()
        raise


async def _keys(target: _Target, passwords: AskPassword) -> ssh_keys.Keys:
    key = target.host.key
    files = ssh_keys.files_for(target.settings, key)
    if key is not None and not await asyncio.to_thread(files[0].is_file):
        remedy = "Correct the profile, or put the key there."
        raise LoginRefusedError(
            target.where, f"read the key {key}", "there is no such file", remedy
        )
    where = of_host(target.name, "passphrase")
    return await ssh_keys.load(files, lambda: _secret(target, "passphrase", passwords), where)


def _only(target: _Target, keys: ssh_keys.Keys) -> list[bytes] | None:
    """The agent's keys that may be tried; None: every one."""
    if not target.settings.config.get("IdentitiesOnly"):
        return None
    return [pair.public_data for pair in keys.pairs] or None


async def _secret(target: _Target, secret: HostSecret, passwords: AskPassword) -> str | None:
    """The secret; None where the profile has no reference for it. Raises SecretError."""
    if getattr(target.host, secret) is None:
        return None
    name = of_host(target.name, secret)
    value = await passwords(name)
    if value is None:
        said = "libpq's password file has none for hosts"
        raise SecretError(name, f"find the {secret}", said, "Refer to it by env, command or ask.")
    return value


async def _refused(
    target: _Target, keys: ssh_keys.Keys, error: asyncssh.PermissionDenied
) -> LoginRefusedError:
    """What was offered, and what could not be."""
    agents = await ssh_keys.agents_keys(target.settings)
    offered = [f"the {agents} of the agent"] * bool(agents) + [*keys.files]
    offered += ["the password"] * (target.host.password is not None)
    said = [str(error.reason), f"offered: {', '.join(offered) or 'nothing'}"]
    if agents == 0:
        said.append("the agent holds no key")
    if keys.locked:
        said.append(f"encrypted, and no passphrase is given: {', '.join(keys.locked)}")
    remedy = (
        "Put one of these keys into its ~/.ssh/authorized_keys, or name another user or key."
        if offered
        else "Load a key with ssh-add, or name a key, a passphrase or a password in the profile."
    )
    return LoginRefusedError(target.where, target.tried, "; ".join(said), remedy)


def _failed(target: _Target, before: Ssh | None, error: OSError | asyncssh.Error) -> ConnectError:
    where, tried = target.where, target.tried
    match error:
        case socket.gaierror():
            remedy = "Correct the name, or see what resolves it here."
            return UnreachableError(where, tried, f"no such name: {error.strerror}", remedy)
        case ConnectionRefusedError():
            remedy = "See whether sshd runs there, and on which port."
            return UnreachableError(where, tried, "nothing listens there", remedy)
        case asyncssh.ChannelOpenError() if before is not None:
            said = f"the jump host before it could not reach it: {error.reason}"
            return UnreachableError(where, tried, said, "Try it from the jump host.")
        case asyncssh.KeyExchangeFailed():
            remedy = f"Compare with ssh -vv {target.host.ssh}."
            return ConnectError(where, tried, f"no common algorithm: {error.reason}", remedy)
        case asyncssh.Error():
            said = f"it ended the connection before the login: {error.reason}"
            return UnreachableError(where, tried, said, "See the log of sshd there.")
        case _:
            said = error.strerror or str(error) or type(error).__name__
            return UnreachableError(where, tried, said, "See whether the host is up.")
