"""What a PostgreSQL driver, a server or the network answered, turned into our errors.

Knows the driver's exceptions and the SQLSTATEs (PostgreSQL manual, appendix A), so that nobody
above has to. Statements are masked before they are repeated.
"""

from __future__ import annotations

import os
import ssl
from typing import NamedTuple

import asyncpg  # type: ignore[import-untyped]

from profiles.errors import (
    AnswerError,
    ConnectError,
    LockTimeoutError,
    LoginRefusedError,
    NightferryError,
    ServerLostError,
    TlsRefusedError,
    UnreachableError,
)
from profiles.secrets import masked

DRIVER_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)
"""Everything the driver lets out; TimeoutError is an OSError."""

LOST = frozenset({"57P01", "57P02", "57P03", "57P04", "57P05", "25P03", "25P04"})
"""Shut down, crashed, starting, dropped, or a session timeout: the session is gone."""

SHOWN_CHARACTERS = 200


class Place(NamedTuple):
    """Where a login goes; its name is the operator's."""

    name: str
    address: str
    port: int
    user: str
    database: str
    has_password: bool = True
    by_tunnel: bool = False

    @property
    def tried(self) -> str:
        """The login in words."""
        at = self.address if self.address.startswith("/") else f"{self.address}:{self.port}"
        through = " through SSH" if self.by_tunnel else ""
        return f"log in to {self.database} at {at}{through} as {self.user}"


_LOGIN_REMEDIES = {
    "08P01": "Check user, password and database there, and the pooler's log.",
    "28000": "Check its pg_hba.conf, and that the role may log in.",
    "3D000": "Check the database's name.",
    "53300": "Free a connection, or raise max_connections.",
    "42501": "Grant the role CONNECT on the database.",
}

_ANSWER_REMEDIES = {
    "42501": "The role lacks a right; the wizard's login is to be a superuser.",
    "53100": "Free space on its disk, then run it again.",
    "53300": "Free a connection, or raise max_connections.",
    "55P03": "Nothing happened; it is tried again.",
    "57014": "Someone or a statement_timeout cancelled it; run it again.",
}


def refused(place: Place, error: Exception, deadline_s: float) -> ConnectError:
    """Why there is no session."""
    match error:
        case TimeoutError():
            said = f"no answer within {deadline_s:g} s"
            return UnreachableError(place.name, place.tried, said, _network_remedy(place))
        case ssl.SSLCertVerificationError():
            said = f"its certificate does not hold: {error.verify_message}"
            return _tls(place, said, "Give its CA as tls_root_cert, and the name the CA signed.")
        case ssl.SSLError():
            said = f"the TLS handshake failed: {error.strerror or error}"
            return _tls(place, said, "Check its ssl settings.")
        case asyncpg.ClientConfigurationError():
            remedy = "Give the file of its CA as tls_root_cert, or another tls mode."
            return _tls(place, str(error).partition("\n")[0], remedy)
        case ConnectionError() if "SSL" in str(error):
            remedy = "Turn ssl on there; tls = “disable” only where nobody else can listen."
            return _tls(place, "it offers no TLS, and the profile asks for it", remedy)
        case OSError():
            said = _os_says(error)
            return UnreachableError(place.name, place.tried, said, _network_remedy(place))
        case asyncpg.ConnectionDoesNotExistError():  # the driver's own word for a reset
            said = "the connection was closed in the middle of the login"
            return UnreachableError(place.name, place.tried, said, _network_remedy(place))
        case asyncpg.PostgresError():
            return _login_refused(place, error)
        case _:
            remedy = "Check that a PostgreSQL server listens there."
            return LoginRefusedError(place.name, place.tried, str(error), remedy)


def failed(server: str, sql: str, error: Exception, closed: bool) -> NightferryError:
    """What a statement came to; ``closed`` says whether the session is gone."""
    tried = in_short(sql)
    if not isinstance(error, asyncpg.PostgresError):
        said = "an argument does not fit" if isinstance(error, ValueError) else str(error)
        if closed or isinstance(error, OSError):
            return _lost(server, tried, said)
        return AnswerError(server, tried, said)
    code = error.sqlstate or ""
    if code in LOST or code.startswith("08"):
        return _lost(server, tried, _says(error))
    kind = LockTimeoutError if code == "55P03" else AnswerError
    return kind(server, tried, _says(error), _ANSWER_REMEDIES.get(code, ""), code=code)


def in_short(sql: str) -> str:
    """A statement on one line, masked, cut to what an error can hold."""
    line = masked(" ".join(sql.split()))
    return line if len(line) <= SHOWN_CHARACTERS else line[: SHOWN_CHARACTERS - 1] + "…"


def _login_refused(place: Place, error: Exception) -> ConnectError:
    code = getattr(error, "sqlstate", None) or ""
    said = _says(error)
    if code in LOST:
        remedy = "It is starting or stopping: try again."
        return UnreachableError(place.name, place.tried, said, remedy)
    if code == "28P01":
        given = "Check the password" if place.has_password else "No password was given: check"
        remedy = f"{given} that the profile's reference leads to."
    else:
        remedy = _LOGIN_REMEDIES.get(code, "")
    return LoginRefusedError(place.name, place.tried, said, remedy)


def _tls(place: Place, said: str, remedy: str) -> TlsRefusedError:
    return TlsRefusedError(place.name, place.tried, said, remedy)


def _lost(server: str, tried: str, said: str) -> ServerLostError:
    remedy = "Whether it was done is not known: look, then run it again."
    return ServerLostError(server, tried, f"the session ended: {said}", remedy)


def _network_remedy(place: Place) -> str:
    return f"Check that the server runs, and address and port of {place.name}."


def _os_says(error: OSError) -> str:
    """The system's words; a resolver's errors have negative numbers and words of their own."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error) or type(error).__name__


def _says(error: Exception) -> str:
    """The server's message with its code; details only where they cannot hold a row's values."""
    code = getattr(error, "sqlstate", None) or ""
    text = getattr(error, "message", None) or str(error)
    detail = getattr(error, "detail", None)
    if detail and not code.startswith(("22", "23")):
        text = f"{text} ({' '.join(detail.split())})"
    return masked(f"{text} [{code}]")
