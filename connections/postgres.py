"""Sessions with PostgreSQL servers: every wait has a deadline, every lock a timeout.

Knows the driver; must not know what is asked, or why. A wait that ends early, by its deadline or
because its caller is cancelled, cancels the statement on the server too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from ssl import SSLContext
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from urllib.parse import urlencode

import asyncpg  # type: ignore[import-untyped]

from connections.quoting import quote_literal
from connections.refusals import DRIVER_ERRORS, Place, failed, in_short, refused
from connections.tcp_info import TcpInfo, tcp_info
from connections.tls import checked_as, tls_mode
from profiles.errors import DeadlineError, LockTimeoutError, TlsRefusedError
from profiles.profile import Server, TlsMode

if TYPE_CHECKING:
    from connections.tunnel import Tunnel

Row: TypeAlias = asyncpg.Record
"""One row of an answer; its columns by name or by number."""

CLOSE_S = 1.0
"""How long an orderly good-bye may take before the socket is dropped."""

CANCEL_S = 5.0
"""How long the driver may try to cancel a statement before it drops the session."""

_AT_LOGIN = {
    "lock_timeout": "1000",  # no statement of ours stands long in front of the application
    "statement_timeout": "0",  # the deadline is ours, not the role's
    "client_min_messages": "warning",
    "search_path": "pg_catalog",  # nothing in public can stand in for a system function
}

_SINCE = {
    "idle_in_transaction_session_timeout": (90600, "60000"),
    "jit": (110000, "off"),
    "idle_session_timeout": (140000, "0"),
    "transaction_timeout": (170000, "0"),
}
"""What is set after the login, from the version on that knows it."""


class ClientLogin(NamedTuple):
    """A client's own login through an endpoint; the password goes beside it, never in it."""

    name: str
    address: str
    port: int
    user: str
    database: str
    tls: TlsMode | None = None
    tls_root_cert: str | None = None


class Session:
    """One session with one database of one server, one statement at a time, until it is lost."""

    def __init__(
        self,
        connection: asyncpg.Connection,
        server: str,
        database: str,
        tunnel: Tunnel | None = None,
    ) -> None:
        version = connection.get_server_version()
        self._connection = connection
        self._tunnel = tunnel
        self._turn = asyncio.Lock()
        self.server = server
        self.database = database
        self.pid: int = connection.get_server_pid()
        self.version_num: int = version.major * 10000 + version.minor * 100 + version.micro
        self.encrypted: bool = connection._transport.get_extra_info("ssl_object") is not None

    @property
    def lost(self) -> bool:
        """True once it is closed, by us, by the server or by the network."""
        return bool(self._connection.is_closed())

    def road(self) -> TcpInfo | None:
        """The road to the server, or through a tunnel to its host; None where nobody knows it."""
        if self._tunnel is not None:
            return self._tunnel.road()
        return None if self.lost else tcp_info(self._connection._transport.get_extra_info("socket"))

    async def rows(self, sql: str, *args: object, deadline_s: float = 10.0) -> list[Row]:
        """The rows of one statement.

        Raises AnswerError, LockTimeoutError, ServerLostError, DeadlineError.
        """
        async with self._asked(sql, deadline_s):
            return list(await self._connection.fetch(sql, *args, timeout=deadline_s))

    async def value(self, sql: str, *args: object, deadline_s: float = 10.0) -> Any:
        """The first column of the first row; None when there is no row. Raises as `rows`."""
        rows = await self.rows(sql, *args, deadline_s=deadline_s)
        return rows[0][0] if rows else None

    async def run(self, sql: str, *, deadline_s: float = 10.0) -> None:
        """One statement or several, by the simple protocol, without an answer. Raises as `rows`."""
        async with self._asked(sql, deadline_s):
            await self._connection.execute(sql, timeout=deadline_s)

    async def rows_at_once(self, sql: str, *, deadline_s: float = 10.0) -> list[Row]:
        """The rows of one statement in a transaction of its own, with our lock timeout in it.

        For sessions through a pooler, which may hand every transaction to another server session
        and must not be left with settings of ours. Raises as `rows`.
        """
        async with self._asked(sql, deadline_s), self._connection.transaction():
            await self._connection.execute("SET LOCAL lock_timeout = 1000", timeout=deadline_s)
            return list(await self._connection.fetch(sql, timeout=deadline_s))

    async def set_up(self, settings: Mapping[str, str]) -> None:
        """Settings that are made after the login, and LSNs as the text that PostgreSQL writes."""
        sql = "".join(f"SET {name} = {quote_literal(value)};" for name, value in settings.items())
        await self.run(sql)
        async with self._asked("read the type pg_lsn", CANCEL_S):
            await self._connection.set_type_codec(
                "pg_lsn", schema="pg_catalog", encoder=str, decoder=str, format="text"
            )

    async def close(self) -> None:
        """Ends the session within a second; never raises."""
        try:
            await self._connection.close(timeout=CLOSE_S)
        except DRIVER_ERRORS:
            self._connection.terminate()

    @asynccontextmanager
    async def _asked(self, sql: str, deadline_s: float) -> AsyncIterator[None]:
        async with self._turn:
            try:
                # The driver's own timeout comes first; it has paths without one, such as
                # closing prepared statements that fell out of its cache.
                async with asyncio.timeout(deadline_s + CLOSE_S):
                    yield
            except TimeoutError:
                said = f"no answer within {deadline_s:g} s; it was cancelled there"
                raise DeadlineError(self.server, in_short(sql), said) from None
            except DRIVER_ERRORS as error:
                # The driver's error may hold the statement's arguments: it is not chained.
                raise failed(self.server, sql, error, self.lost) from None


async def connect(
    server: Server,
    database: str,
    password: str | None,
    *,
    application: str = "nightferry",
    deadline_s: float = 10.0,
    settings: Mapping[str, str] = {},
    tunnel: Tunnel | None = None,
) -> Session:
    """A session of the wizard's own login; ``settings`` go before the defaults of every session.

    With a tunnel that leads to the server's address it is dialled there. Raises UnreachableError,
    LoginRefusedError, TlsRefusedError.
    """
    login = ClientLogin(
        server.name,
        server.address,
        server.port,
        server.user,
        database,
        server.tls,
        server.tls_root_cert,
    )
    late = {name: settings.get(name, default) for name, (_, default) in _SINCE.items()}
    at_login = _AT_LOGIN | {name: value for name, value in settings.items() if name not in late}
    at_login["application_name"] = application
    session = await _open(login, password, deadline_s, at_login, tunnel)
    known = [name for name, (since, _) in _SINCE.items() if session.version_num >= since]
    try:
        await session.set_up({name: late[name] for name in known})
    except BaseException:
        await session.close()
        raise
    return session


async def connect_as(
    login: ClientLogin,
    password: str | None,
    *,
    application: str = "nightferry client",
    deadline_s: float = 10.0,
    tunnel: Tunnel | None = None,
) -> Session:
    """A session as a client has it, through a pooler or not: nothing is set, nothing is cached.

    With a tunnel that leads to the login's address it is dialled there. Raises UnreachableError,
    LoginRefusedError, TlsRefusedError.
    """
    settings = {"application_name": application}
    return await _open(login, password, deadline_s, settings, tunnel, statement_cache_size=0)


async def patiently(session: Session, sql: str, *, deadline_s: float) -> list[Row]:
    """Runs one statement, again and again while a lock is not free, until the deadline.

    Between two attempts everyone who queued behind ours goes first. Raises DeadlineError, which
    says that it waited for a lock, and whatever `Session.rows` raises.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + deadline_s
    pause_s, attempts = 0.05, 0
    while True:
        attempts += 1
        try:
            return await session.rows(sql, deadline_s=max(until - loop.time(), 0.01))
        except (LockTimeoutError, DeadlineError) as error:
            if attempts == 1 and isinstance(error, DeadlineError):
                raise
            if isinstance(error, DeadlineError) or loop.time() + pause_s >= until:
                said = f"it waited for a lock, {attempts} times within {deadline_s:g} s"
                remedy = "See who holds it (pg_blocking_pids), end or wait for that transaction."
                raise DeadlineError(session.server, in_short(sql), said, remedy) from None
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, 0.5)


async def _open(
    login: ClientLogin,
    password: str | None,
    deadline_s: float,
    settings: dict[str, str],
    tunnel: Tunnel | None,
    **driver: int,
) -> Session:
    place = Place(*login[:5], password is not None, tunnel is not None)
    host, port = (login.address, login.port) if tunnel is None else tunnel.entrance
    try:
        connection = await asyncpg.connect(
            _dsn(login, place),
            host=host,
            port=port,
            user=login.user,
            database=login.database,
            password=password or "",  # None would make the driver look for one by itself
            timeout=deadline_s,
            command_timeout=CANCEL_S,
            server_settings=settings,
            target_session_attrs="any",
            ssl=_checked_as(login, place) if place.by_tunnel else None,
            **driver,
        )
    except DRIVER_ERRORS as error:
        raise refused(place, error, deadline_s) from None
    return Session(connection, login.name, login.database, tunnel)


def _checked_as(login: ClientLogin, place: Place) -> SSLContext | None:
    """Whose certificate it has to be where the driver would ask for that of the near end.

    Raises TlsRefusedError when there is no root certificate.
    """
    if tls_mode(login.tls, login.address) != "verify-full":
        return None
    try:
        return checked_as(login.address, login.tls_root_cert)
    except FileNotFoundError as no:
        raise _no_root(place, str(no)) from None


def _dsn(login: ClientLogin, place: Place) -> str:
    """libpq's TLS words, which the driver reads from a DSN alone.

    Raises TlsRefusedError when the named root certificate cannot be read.
    """
    words: dict[str, str] = {"sslmode": tls_mode(login.tls, login.address)}
    if login.tls_root_cert and words["sslmode"] != "disable":
        if not Path(login.tls_root_cert).is_file():
            raise _no_root(place, login.tls_root_cert)
        words["sslrootcert"] = login.tls_root_cert
    return f"postgresql://?{urlencode(words)}"


def _no_root(place: Place, file: str) -> TlsRefusedError:
    remedy = "Give the file of its CA as tls_root_cert."
    said = f"there is no root certificate {file}"
    return TlsRefusedError(place.name, place.tried, said, remedy)
