"""The passwords of one night: references of the profile, made values at the moment they are needed.

Holds what the operator typed for "ask me" references, in memory and nowhere else; every other
reference is resolved anew each time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, NamedTuple, get_args

from profiles.errors import SecretError
from profiles.profile import ByHand, ConnectionFile, PgBouncer, Profile, SecretRef, SshHost
from profiles.secrets import resolve

AskPassword = Callable[[str], Awaitable[str | None]]
"""Called with a name, as `Passwords`."""


def client_of(endpoint: str) -> str:
    """The name of the client's own password, beside the endpoint's (its console's admin)."""
    return f"{endpoint} client"


SSH_PORT = 22

HostSecret = Literal["passphrase", "password", "sudo_password"]


def of_host(name: str, secret: HostSecret) -> str:
    """The name of a secret of the host under a server or endpoint."""
    return f"{name} host {secret}"


class _Login(NamedTuple):
    ref: SecretRef
    host: str
    port: int
    database: str
    user: str


class Passwords:
    """Called with the name of a server or endpoint (its admin), or `client_of`, `of_host` of it."""

    def __init__(self, profile: Profile | None) -> None:
        self._logins = _logins(profile) if profile else {}
        self._told: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Passwords({', '.join(self._logins)})"

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that it can be called with."""
        return tuple(self._logins)

    def asks(self, name: str) -> bool:
        """Whether the operator types it."""
        return name in self._logins and self._logins[name].ref.ask

    def tell(self, name: str, value: str) -> None:
        """What the operator typed. Raises SecretError when nothing of that name takes one."""
        self.hold(self._known(name), value)

    def hold(self, name: str, value: str) -> None:
        """The same for a name that only a later profile may have."""
        self._told[name] = value

    def follow(self, profile: Profile) -> None:
        """From now on by the references of that profile; what was typed is still held."""
        self._logins = _logins(profile)

    def trying(self, profile: Profile) -> Passwords:
        """Those of another profile, with what was typed here."""
        other = Passwords(profile)
        other._told = self._told
        return other

    async def __call__(self, name: str) -> str | None:
        """The password; None when the reference leads to none. Raises SecretError."""
        login = self._logins[self._known(name)]
        return await resolve(
            login.ref,
            host=login.host,
            port=login.port,
            database=login.database,
            user=login.user,
            where=name,
            asked=lambda: self._told.get(name),
        )

    def _known(self, name: str) -> str:
        if name in self._logins:
            return name
        said = "the profile has no password of that name"
        raise SecretError(name, "find its password", said, "Give its reference in the profile.")


def _logins(profile: Profile) -> dict[str, _Login]:
    logins = {
        server.name: _Login(
            server.password, server.address, server.port, profile.database, server.user
        )
        for server in (profile.source, profile.destination, *profile.standbys)
    }
    for endpoint in profile.endpoints:
        match endpoint:
            case PgBouncer():
                place = (endpoint.address, endpoint.port)
                if endpoint.admin_password is not None:
                    admin = (endpoint.admin_password, *place, "pgbouncer", endpoint.admin_user)
                    logins[endpoint.name] = _Login(*admin)
                client = endpoint.client
                as_client = _Login(client.password, *place, endpoint.database, client.user)
                logins[client_of(endpoint.name)] = as_client
            case ConnectionFile():
                there = profile.destination
                client = endpoint.client
                logins[client_of(endpoint.name)] = _Login(
                    client.password, there.address, there.port, profile.database, client.user
                )
            case ByHand():
                pass
    return {**logins, **_host_logins(profile)}


def _host_logins(profile: Profile) -> dict[str, _Login]:
    """libpq's password file has no line for a host: its secrets are named by other references."""
    logins: dict[str, _Login] = {}
    for one in (profile.source, profile.destination, *profile.standbys, *profile.endpoints):
        host = None if isinstance(one, ByHand) else one.host
        if isinstance(host, SshHost):
            place = (host.ssh, host.port or SSH_PORT, "", host.user or "the login's user")
            for secret in get_args(HostSecret):
                ref: SecretRef | None = getattr(host, secret)
                if ref is not None:
                    logins[of_host(one.name, secret)] = _Login(ref, *place)
    return logins
