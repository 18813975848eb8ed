"""What the profile says of the way to a server, an endpoint, or the host under it.

Knows the profile alone; must not open anything.
"""

from __future__ import annotations

from profiles.errors import HostError
from profiles.profile import ConnectionFile, Endpoint, Host, PgBouncer, Profile, Server


def way_to(profile: Profile, name: str) -> Host:
    """How the host under a server or endpoint is reached.

    Raises HostError where the profile says no way to it.
    """
    host = _on_host(profile, name).host
    if host is None:
        raise by_hand(f"host of {name}", "reach it", "the profile says no way to it")
    return host


def tunnel_to(profile: Profile, name: str) -> tuple[str, int] | None:
    """Where a tunnel to a server or endpoint ends, as its host sees it; None: it needs none.

    Raises HostError for what nobody can connect with.
    """
    there = _on_host(profile, name)
    if isinstance(there, ConnectionFile) or not there.by_tunnel:
        return None
    return there.address, there.port


def endpoint_of(profile: Profile, name: str) -> Endpoint:
    """The endpoint of that name. Raises HostError."""
    try:
        return profile.endpoint(name)
    except KeyError:
        said = "the profile has nothing of that name"
        raise HostError(name, "find it", said, "Correct the profile.") from None


def by_hand(where: str, tried: str, said: str) -> HostError:
    """Why only the operator can do it."""
    remedy = "Do it by hand; the wizard then checks that it holds."
    return HostError(where, tried, said, remedy)


def _on_host(profile: Profile, name: str) -> Server | PgBouncer | ConnectionFile:
    try:
        return profile.server(name)
    except KeyError:
        endpoint = endpoint_of(profile, name)
    if isinstance(endpoint, PgBouncer | ConnectionFile):
        return endpoint
    raise by_hand(f"host of {name}", "reach it", "only the operator knows how")
