"""Which of libpq's TLS modes a connection takes when the profile does not say."""

from __future__ import annotations

import ipaddress

from profiles.profile import TlsMode


def tls_mode(chosen: TlsMode | None, address: str) -> TlsMode:
    """The mode for an address: none on a UNIX socket, else the chosen one, else the safe default.

    The default is ``verify-full``, and ``prefer`` for a server on this machine. libpq ignores
    sslmode on a UNIX socket as well (PostgreSQL manual, 32.19).
    """
    if address.startswith("/"):
        return "disable"
    return chosen or ("prefer" if is_loopback(address) else "verify-full")


def is_loopback(address: str) -> bool:
    """True for ``localhost`` and for addresses that never leave this machine."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
