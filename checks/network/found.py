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


class Clock(msgspec.Struct, frozen=True):
    """By how much a clock is ahead of another, in seconds, and how far that may be off."""

    ahead_s: float
    within_s: float


class Throughput(msgspec.Struct, frozen=True, kw_only=True):
    """What the road carries, in bytes a second, from the serving host to the pulling one."""

    one: float
    several: float
    channels: int
    clock: Clock
    """The serving host's against the pulling one's."""


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """The most that one connection may have on its way, in bytes, and what sets it."""

    bytes: float
    what: str
    where: str
    """The server on whose host that is set."""
    share: float = 1.0
    """How much of the setting becomes window: the rest is the kernel's own for the packets."""
    setting: bool = True
    """A setting of the kernel, which can be raised."""


class Resolver(msgspec.Struct, frozen=True):
    """A name server of resolv.conf; None: it gives no answer."""

    address: str
    took_ms: float | None


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """How long a host takes to look a name up, and each of its name servers."""

    resolvers: tuple[Resolver, ...]
    resolved_ms: float


class Timed(msgspec.Struct, frozen=True, kw_only=True):
    """How long a connection to one address takes, and TLS in it; None where there was none."""

    address: str
    connect_ms: float | None = None
    tls_ms: float | None = None
    tls: str | None = None
    """The version of TLS."""
    why: str = ""


class Trip(msgspec.Struct, frozen=True, kw_only=True):
    """How long a connection to a place takes to stand; None where it does not, and why."""

    host: str
    port: int
    took_ms: float | None = None
    why: str = ""
