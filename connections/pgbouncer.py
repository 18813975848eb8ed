"""PgBouncer's console: PAUSE, RESUME, RELOAD, SHOW.

Knows that the console speaks the simple protocol only, that a PAUSE blocks every client while it
waits, and that a pool stays paused when the console that paused it is gone. Must not know why
anybody pauses.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg

from connections.quoting import quote_ident
from connections.tls import tls_mode
from profiles.errors import (
    ConnectError,
    DeadlineError,
    LoginRefusedError,
    NightferryError,
    PoolerError,
    ServerLostError,
    TlsRefusedError,
    UnreachableError,
)
from profiles.profile import PgBouncer
from profiles.secrets import masked

if TYPE_CHECKING:
    from connections.tunnel import Tunnel

ADMIN_DATABASE = "pgbouncer"
"""The console's name as a database (PgBouncer manual, Admin console)."""

RESUME_S = 2.0
"""How long RESUME may take when it frees the clients of a PAUSE that was given up."""

_T = TypeVar("_T")

_NOT_THERE = (
    "refused",
    "timeout",
    "translate host",
    "resolve",
    "No route",
    "No such file",
    "unreach",
    "reset by peer",
    "closed the connection unexpectedly",
)
_NO_TLS = ("SSL", "certificate", "TLS")


class Console:
    """One open console of one pooler; one instruction at a time; until closed or dropped."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], endpoint: str) -> None:
        self._connection = connection
        self._turn = asyncio.Lock()
        self.endpoint = endpoint

    @property
    def lost(self) -> bool:
        """True once it is closed, by us or by the pooler."""
        return self._connection.closed

    async def run(self, text: str, *, deadline_s: float = 5.0) -> None:
        """One instruction without an answer. Raises PoolerError, ServerLostError, DeadlineError."""
        async with self._turn:
            await self._answered(text, self._execute(text), deadline_s)

    async def show(self, text: str, *, deadline_s: float = 5.0) -> list[dict[str, str]]:
        """The rows of a SHOW, by column. Raises PoolerError, ServerLostError, DeadlineError."""
        async with self._turn:
            return await self._answered(text, self._fetch(text), deadline_s)

    async def close(self) -> None:
        """Ends it at once; never raises."""
        await self._connection.close()

    async def _execute(self, text: str) -> None:
        await self._connection.execute(text.encode())

    async def _fetch(self, text: str) -> list[dict[str, str]]:
        cursor = await self._connection.execute(text.encode())
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, map(_text, row), strict=True)) for row in await cursor.fetchall()]

    async def _answered(self, text: str, asking: Coroutine[Any, Any, _T], deadline_s: float) -> _T:
        task = asyncio.create_task(asking)
        try:
            await asyncio.wait({task}, timeout=deadline_s)
        finally:
            in_time = task.done()
            if not in_time:
                await self._hang_up(task)
        if not in_time:
            said = f"no answer within {deadline_s:g} s; the console was closed"
            raise DeadlineError(self.endpoint, text, said)
        try:
            return task.result()
        except psycopg.Error as error:
            raise self._refused(text, error) from None

    async def _hang_up(self, task: asyncio.Task[_T]) -> None:
        """Ends an instruction that is on its way, by its socket.

        The driver's own way, cancelling it, waits five seconds for a console that does not answer.
        """
        with socket.socket(fileno=os.dup(self._connection.fileno())) as wire:
            wire.shutdown(socket.SHUT_RDWR)
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()
        await self.close()

    def _refused(self, text: str, error: psycopg.Error) -> PoolerError | ServerLostError:
        said = _says(error)
        if self._connection.closed:
            remedy = "Look at SHOW DATABASES: whether it was done is not known."
            return ServerLostError(self.endpoint, text, f"the console ended: {said}", remedy)
        return PoolerError(self.endpoint, text, said, "See the pooler's log.")


async def open_console(
    endpoint: PgBouncer,
    password: str | None,
    *,
    deadline_s: float = 5.0,
    tunnel: Tunnel | None = None,
) -> Console:
    """The console by its admin login over TCP, or by the admin socket when there is no password.

    The socket admits the pooler's own system user only, and stands at the end of no tunnel.
    Raises UnreachableError, LoginRefusedError, TlsRefusedError.
    """
    by_socket = endpoint.admin_password is None and tunnel is None
    host = endpoint.admin_socket if by_socket and endpoint.admin_socket else endpoint.address
    # libpq dials hostaddr, and wants the certificate of host (PostgreSQL manual, 32.1.2).
    hostaddr, port = (None, endpoint.port) if tunnel is None else tunnel.entrance
    try:
        async with asyncio.timeout(deadline_s):
            connection = await psycopg.AsyncConnection.connect(
                host=host,
                hostaddr=hostaddr,
                port=port,
                user=endpoint.admin_user,
                password=password or "",
                dbname=ADMIN_DATABASE,
                sslmode=tls_mode(endpoint.tls, host),
                application_name="nightferry",
                autocommit=True,
                prepare_threshold=None,  # the console knows no prepared statements
                # libpq is not to look around by itself:
                passfile="",
                options="",
                gssencmode="disable",
            )
    except TimeoutError:
        remedy = f"Check address and port of {endpoint.name}."
        said = f"no answer within {deadline_s:g} s"
        raise UnreachableError(endpoint.name, _tried(endpoint, host), said, remedy) from None
    except (psycopg.Error, OSError) as error:
        raise _no_console(endpoint, host, error) from None
    return Console(connection, endpoint.name)


async def pause(first: Console, second: Console, pool: str, *, deadline_s: float) -> None:
    """Pauses a pool, or gives up at the deadline with its clients freed.

    While PAUSE waits for open transactions it holds up everybody, and only another console can
    end that: ``second`` resumes the pool when the deadline passes, the caller is cancelled or
    ``first`` is lost; ``first`` is then closed. Raises DeadlineError, ServerLostError when the
    pool was resumed, PoolerError when it was never paused or, with the remedy, stays paused.
    """
    name = quote_ident(pool)
    try:
        await first.run(f"PAUSE {name}", deadline_s=deadline_s)
    except PoolerError:
        raise  # it said no, so nothing waits for it
    except DeadlineError:
        await asyncio.shield(_free(second, name))
        said = f"a client kept a transaction open for {deadline_s:g} s; the pool was resumed"
        remedy = "Find that transaction (pg_stat_activity), then try again."
        raise DeadlineError(first.endpoint, f"PAUSE {name}", said, remedy) from None
    except BaseException:
        await asyncio.shield(_free(second, name))
        raise


async def _free(second: Console, name: str) -> None:
    try:
        await second.run(f"RESUME {name}", deadline_s=RESUME_S)
    except PoolerError as error:
        if "not paused" not in error.answered:
            raise _stays_paused(second, name, error) from None
    except (DeadlineError, ServerLostError) as error:
        raise _stays_paused(second, name, error) from None


def _stays_paused(second: Console, name: str, error: NightferryError) -> PoolerError:
    said = f"PAUSE was given up, and its clients stay paused: {error.answered}"
    remedy = f"Run RESUME {name} on the console now."
    return PoolerError(second.endpoint, f"RESUME {name}", said, remedy)


def _tried(endpoint: PgBouncer, host: str) -> str:
    at = host if host.startswith("/") else f"{host}:{endpoint.port}"
    at += " through SSH" if endpoint.by_tunnel else ""
    return f"open the console at {at} as {endpoint.admin_user}"


def _no_console(endpoint: PgBouncer, host: str, error: Exception) -> ConnectError:
    said = _says(error)
    if any(word in said for word in _NOT_THERE):
        remedy = f"Check that the pooler runs, and address and port of {endpoint.name}."
        return UnreachableError(endpoint.name, _tried(endpoint, host), said, remedy)
    if any(word in said for word in _NO_TLS):
        remedy = "Give the endpoint a tls mode that the pooler offers."
        return TlsRefusedError(endpoint.name, _tried(endpoint, host), said, remedy)
    remedy = "Check admin_user, its password, and admin_users in the pooler's configuration."
    return LoginRefusedError(endpoint.name, _tried(endpoint, host), said, remedy)


def _says(error: Exception) -> str:
    """The pooler's or libpq's own words: what it adds about the connection is said already."""
    first, _, rest = str(error).partition("\n")
    if rest.lstrip().startswith("- "):
        return masked(" ".join(str(error).split()))
    return masked(first.rpartition(" failed: ")[2])


def _text(value: object) -> str:
    return "" if value is None else str(value)
