"""What drivers, servers and the network answer, as our errors; and the default TLS mode."""

from __future__ import annotations

import socket
import ssl

import asyncpg  # type: ignore[import-untyped]
import pytest

from connections.refusals import Place, failed, in_short, refused
from connections.tls import tls_mode
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
from profiles.profile import TlsMode

PLACE = Place("db-old", "10.0.0.1", 5432, "postgres", "orders")


def answered(code: str, message: str = "no", detail: str | None = None) -> Exception:
    error = asyncpg.PostgresError.new({"C": code, "M": message, "D": detail or ""})
    assert isinstance(error, Exception)
    return error


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (TimeoutError(), UnreachableError, "no answer within 3 s"),
        (ConnectionRefusedError(111, "x"), UnreachableError, "Connection refused"),
        (OSError(113, "x"), UnreachableError, "No route to host"),
        (socket.gaierror(-2, "Name unknown"), UnreachableError, "Name unknown"),
        (OSError("Multiple exceptions: …"), UnreachableError, "Multiple exceptions"),
        (answered("57P03", "starting up"), UnreachableError, "starting up"),
        (answered("28P01"), LoginRefusedError, "Check the password"),
        (answered("28000", 'no pg_hba.conf entry for host "h"'), LoginRefusedError, "pg_hba"),
        (answered("28000", 'role "r" is not permitted to log in'), LoginRefusedError, "28000"),
        (answered("3D000"), LoginRefusedError, "database's name"),
        (answered("53300", "too many clients"), LoginRefusedError, "max_connections"),
        (answered("08P01", "no such user"), LoginRefusedError, "no such user"),
        (asyncpg.InterfaceError("unknown auth"), LoginRefusedError, "unknown auth"),
        (asyncpg.ProtocolError("unexpected"), LoginRefusedError, "PostgreSQL server listens"),
        (ssl.SSLError(1, "WRONG_VERSION_NUMBER"), TlsRefusedError, "handshake failed"),
        (ConnectionError("… rejected SSL upgrade"), TlsRefusedError, "offers no TLS"),
        (
            asyncpg.exceptions.ClientConfigurationError('root certificate "x" does not exist'),
            TlsRefusedError,
            "does not exist",
        ),
    ],
)
def test_why_there_is_no_session(error: Exception, kind: type[ConnectError], says: str) -> None:
    mapped = refused(PLACE, error, 3.0)
    assert type(mapped) is kind
    assert says in str(mapped)
    assert str(mapped).startswith("db-old: log in to orders at 10.0.0.1:5432 as postgres: ")


def test_a_certificate_that_does_not_hold() -> None:
    error = ssl.SSLCertVerificationError(1, "failed")
    error.verify_message = "self-signed certificate"
    mapped = refused(PLACE, error, 3.0)
    assert type(mapped) is TlsRefusedError
    assert "self-signed certificate" in str(mapped)


def test_a_login_without_a_password_says_so() -> None:
    mapped = refused(PLACE._replace(has_password=False), answered("28P01"), 3.0)
    assert "No password was given" in str(mapped)


def test_a_socket_is_named_by_its_folder() -> None:
    assert PLACE._replace(address="/run/pg").tried == "log in to orders at /run/pg as postgres"


@pytest.mark.parametrize(
    ("error", "closed", "kind"),
    [
        (answered("55P03"), False, LockTimeoutError),
        (answered("42P01"), False, AnswerError),
        (answered("57014"), False, AnswerError),
        (answered("57P01"), True, ServerLostError),
        (answered("25P03"), True, ServerLostError),
        (answered("08006"), True, ServerLostError),
        (ConnectionResetError(104, "reset"), False, ServerLostError),
        (asyncpg.InterfaceError("connection is closed"), True, ServerLostError),
        (asyncpg.InterfaceError("busy"), False, AnswerError),
    ],
)
def test_what_a_statement_came_to(
    error: Exception, closed: bool, kind: type[NightferryError]
) -> None:
    mapped = failed("db-old", "SELECT\n 1", error, closed)
    assert type(mapped) is kind
    assert (mapped.where, mapped.tried) == ("db-old", "SELECT 1")


def test_an_answer_carries_its_code_and_its_detail() -> None:
    mapped = failed("db-old", "DROP ROLE app", answered("2BP01", "no", "owner of\n table x"), False)
    assert isinstance(mapped, AnswerError)
    assert mapped.code == "2BP01"
    assert mapped.answered == "no (owner of table x) [2BP01]"


@pytest.mark.parametrize("code", ["23505", "23514", "22P02"])
def test_a_detail_that_may_hold_a_row_is_left_out(code: str) -> None:
    mapped = failed("db-old", "INSERT", answered(code, "no", "Key (mail)=(ada@x) exists."), False)
    assert "ada" not in str(mapped)


def test_an_argument_that_does_not_fit_is_not_repeated() -> None:
    error = asyncpg.exceptions._base.DataError("invalid input $1: 's3cr3t'")
    assert "s3cr3t" not in str(failed("db-old", "SELECT $1", error, False))


def test_a_statement_in_short_is_one_masked_line() -> None:
    assert in_short("SELECT 1,\n   2") == "SELECT 1, 2"
    assert len(in_short("x" * 900)) == 200
    assert "hidden" not in in_short("ALTER ROLE a PASSWORD 'hidden'")


@pytest.mark.parametrize(
    ("chosen", "address", "mode"),
    [
        (None, "10.0.0.1", "verify-full"),
        (None, "db.example.com", "verify-full"),
        (None, "127.0.0.1", "prefer"),
        (None, "127.9.9.9", "prefer"),
        (None, "::1", "prefer"),
        (None, "localhost", "prefer"),
        (None, "/run/postgresql", "disable"),
        ("require", "/run/postgresql", "disable"),
        ("disable", "10.0.0.1", "disable"),
        ("verify-ca", "127.0.0.1", "verify-ca"),
    ],
)
def test_tls_is_verified_unless_it_stays_on_this_machine(
    chosen: TlsMode | None, address: str, mode: str
) -> None:
    assert tls_mode(chosen, address) == mode
