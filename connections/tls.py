"""Which of libpq's TLS modes a connection takes, and whose certificate it wants through a tunnel.

Must not know a driver.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from pathlib import Path
from typing import Any

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


def checked_as(address: str, root_cert: str | None) -> ssl.SSLContext:
    """``verify-full`` for that address, wherever the connection is dialled.

    Where no root certificate is named it is libpq's own, as is the client's certificate, if there
    is one (PostgreSQL manual, 32.19). Raises ssl.SSLError for what is no certificate, and
    FileNotFoundError with the name of a root certificate that is not there.
    """
    root = root_cert or os.environ.get("PGSSLROOTCERT") or _of_libpq("root.crt")
    if not Path(root).is_file():
        raise FileNotFoundError(root)
    context = _As(ssl.PROTOCOL_TLS_CLIENT)
    context.address = address
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(root)
    own = os.environ.get("PGSSLCERT") or _of_libpq("postgresql.crt")
    if Path(own).is_file():
        context.load_cert_chain(own, os.environ.get("PGSSLKEY") or _of_libpq("postgresql.key"))
    return context


def _of_libpq(file: str) -> str:
    return str(Path.home() / ".postgresql" / file)


class _As(ssl.SSLContext):
    address: str

    def wrap_bio(self, *buffers: Any, **more: Any) -> ssl.SSLObject:
        """The name that was dialled is only the near end of a tunnel."""
        return super().wrap_bio(*buffers, **{**more, "server_hostname": self.address})
