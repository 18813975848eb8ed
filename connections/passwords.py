"""The passwords of one night: references of the profile, made values at the moment they are needed.

Holds what the operator typed for "ask me" references, in memory and nowhere else; every other
reference is resolved anew each time.
"""

from __future__ import annotations

from typing import NamedTuple

from profiles.errors import SecretError
from profiles.profile import ByHand, ConnectionFile, PgBouncer, Profile, SecretRef
from profiles.secrets import resolve


def client_of(endpoint: str) -> str:
    """The name of the client's own password, beside the endpoint's (its console's admin)."""
    return f"{endpoint} client"


class _Login(NamedTuple):
    ref: SecretRef
    host: str
    port: int
    database: str
    user: str


class Passwords:
    """Called with the name of a server, of an endpoint (its admin), or with `client_of` of one."""

    def __init__(self, profile: Profile) -> None:
        self._logins = _logins(profile)
        self._told: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Passwords({', '.join(self._logins)})"

    def tell(self, name: str, value: str) -> None:
        """What the operator typed. Raises SecretError when nothing of that name takes one."""
        self._told[self._known(name)] = value

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
    return logins
