"""What the scripts of the network test find beside the hops, as frozen data."""

from __future__ import annotations

import msgspec


class Shrunk(msgspec.Struct, frozen=True):
    """Where packets have to become smaller: behind the hop `by`, at that TTL."""

    ttl: int
    mtu: int
    by: str | None
    silently: bool
    """Nobody says so: a black hole."""


class Mtu(msgspec.Struct, frozen=True):
    """How large a packet may be, in bytes; None where no hop answers."""

    mtu: int | None
    target: bool
    """Whether that holds up to the target, which has answered itself."""
    carried_to: str | None
    """The last address that such a packet has come to."""
    shrunk: tuple[Shrunk, ...] = ()

    @property
    def black_hole(self) -> Shrunk | None:
        """Where larger packets vanish without a word."""
        return next((where for where in self.shrunk if where.silently), None)


class Throughput(msgspec.Struct, frozen=True, kw_only=True):
    """What the road carries, in bytes a second, from the serving host to the pulling one."""

    one: float
    several: float
    channels: int
    ahead_s: float
    """By how much the serving host's clock is ahead of the pulling one's."""
    within_s: float
    """How far that may be off, either way."""


class Resolver(msgspec.Struct, frozen=True):
    """A name server of resolv.conf; None: it gives no answer."""

    address: str
    took_ms: float | None


class Timed(msgspec.Struct, frozen=True, kw_only=True):
    """How long a connection to one address takes, and TLS in it; None where there was none."""

    address: str
    connect_ms: float | None = None
    tls_ms: float | None = None
    tls: str | None = None
    """The version of TLS."""
    why: str = ""


class Timings(msgspec.Struct, frozen=True, kw_only=True):
    """How long the things take that come before the first query."""

    resolvers: tuple[Resolver, ...]
    resolved_ms: float
    timed: tuple[Timed, ...]
