"""What a route must know of the two servers to render its steps, gathered once and then frozen.

Names are kept as they are and, beside that, as the server quotes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from checks.check import Asks, Row
from checks.queries import ask
from checks.roles import Part, part_of
from profiles.profile import Profile


class _Fact(msgspec.Struct, frozen=True, kw_only=True):
    pass


class ServerFacts(_Fact, frozen=True, kw_only=True):
    """One server."""

    name: str
    version: str
    """``16.14``"""
    version_num: int
    system_identifier: str
    wizard: str
    """The role of our own login."""
    superuser: bool
    data_directory: str
    config_file: str
    hba_file: str
    wal_level: str
    listen_addresses: str
    port: int
    tls: bool
    """Whether the server has TLS turned on."""
    address: str | None = None
    """The one of its own addresses at which our session arrived; None by its socket."""

    @property
    def major(self) -> int:
        """The major version."""
        return self.version_num // 10000


class Table(_Fact, frozen=True, kw_only=True):
    """One table of the application."""

    schema: str
    name: str
    quoted: str
    kind: str
    """``r``, or ``p`` for a partitioned one, which holds no rows itself."""
    partition: bool
    replica_identity: str
    """``d`` primary key, ``i`` index, ``f`` full, ``n`` nothing."""
    size_bytes: int
    estimated_rows: int | None
    """As the last ANALYZE saw it; None when there was none."""


class TableSequence(_Fact, frozen=True, kw_only=True):
    """One sequence, owned by a column or free."""

    schema: str
    name: str
    quoted: str
    identity: bool
    owner_table: str | None
    """Quoted; None for a free one."""
    owner_column: str | None


class IdentityIndex(_Fact, frozen=True, kw_only=True):
    """An index by which the destination finds the row a change is for."""

    schema: str
    table: str
    name: str
    owner: str
    primary: bool
    chosen: bool
    """REPLICA IDENTITY USING INDEX names it."""
    constraint: str | None
    """The name under which pg_restore lists it, when a constraint made it."""


class MaterializedView(_Fact, frozen=True, kw_only=True):
    """One materialised view."""

    schema: str
    name: str
    quoted: str
    populated: bool


class Role(_Fact, frozen=True, kw_only=True):
    """One role of the source."""

    name: str
    quoted: str
    login: bool
    superuser: bool
    replication: bool
    part: Part
    """What the fence takes it for."""

    @property
    def fenced(self) -> bool:
        """Whether it is closed during the pause, and opened on the new server."""
        return self.login and self.part in ("application", "superuser")


class Extension(_Fact, frozen=True, kw_only=True):
    """One extension in use."""

    name: str
    version: str
    schema: str


class Locale(_Fact, frozen=True, kw_only=True):
    """How a database is encoded, sorts and compares."""

    encoding: str
    collate: str
    ctype: str
    provider: str
    """``c`` libc, ``i`` ICU, ``b`` builtin."""
    provider_locale: str | None


class Facts(_Fact, frozen=True, kw_only=True):
    """Everything a route renders its steps from."""

    source: ServerFacts
    destination: ServerFacts
    database: str
    owner: str
    size_bytes: int
    locale: Locale
    tables: tuple[Table, ...]
    sequences: tuple[TableSequence, ...]
    identity_indexes: tuple[IdentityIndex, ...]
    materialized_views: tuple[MaterializedView, ...]
    """Those that others read come first."""
    roles: tuple[Role, ...]
    destination_roles: tuple[str, ...]
    extensions: tuple[Extension, ...]
    publication: bool
    """Whether it is there already, like the slot and the subscription."""
    slot: bool
    subscription: bool
    destination_database: bool

    @property
    def published(self) -> tuple[Table, ...]:
        """The tables that hold rows, which are the ones to publish."""
        return tuple(table for table in self.tables if table.kind == "r")

    @property
    def fenced(self) -> tuple[Role, ...]:
        """The roles that are closed during the pause."""
        return tuple(role for role in self.roles if role.fenced)

    @property
    def open_superusers(self) -> tuple[Role, ...]:
        """Superusers other than the wizard that can log in; they are fenced too, and named."""
        return tuple(role for role in self.fenced if role.superuser)


_Kind = TypeVar("_Kind", bound=_Fact)


async def gather(source: Asks, destination: Asks, profile: Profile) -> Facts:
    """Look at both servers; ``destination`` may be in another database while it has none yet.

    Raises AnswerError, ServerLostError, DeadlineError.
    """
    here = (await ask(source, "fact_database")).first
    there = (await ask(destination, "fact_database")).first
    return Facts(
        source=await _server(source),
        destination=await _server(destination),
        database=here["name"],
        owner=here["owner"],
        size_bytes=here["size_bytes"],
        locale=_one(Locale, (await ask(source, "locale")).first),
        tables=await _every(Table, source, "fact_tables"),
        sequences=await _every(TableSequence, source, "fact_sequences"),
        identity_indexes=await _every(IdentityIndex, source, "fact_identity_indexes"),
        materialized_views=await _every(MaterializedView, source, "fact_materialized_views"),
        roles=await _roles(source, profile),
        destination_roles=tuple((await ask(destination, "roles")).column("name")),
        extensions=await _every(Extension, source, "extensions"),
        publication=here["publication"],
        slot=here["slot"],
        subscription=there["subscription"],
        destination_database=there["name"] == profile.database,
    )


async def _server(session: Asks) -> ServerFacts:
    row = (await ask(session, "fact_server")).first
    return ServerFacts(
        name=session.server,
        version=str(row["short_version"]).split()[0],
        version_num=session.version_num,
        system_identifier=row["system_identifier"],
        wizard=row["wizard"],
        superuser=row["superuser"],
        data_directory=row["data_directory"],
        config_file=row["config_file"],
        hba_file=row["hba_file"],
        wal_level=row["wal_level"],
        listen_addresses=row["listen_addresses"],
        port=row["port"],
        tls=row["tls"],
        address=row["address"],
    )


async def _roles(source: Asks, profile: Profile) -> tuple[Role, ...]:
    answer = await ask(source, "roles")
    named = profile.source.may_still_write
    return tuple(
        Role(
            name=row["name"],
            quoted=row["quoted"],
            login=row["login"],
            superuser=row["superuser"],
            replication=row["replication"],
            part=part_of(row, profile.source.user, named),
        )
        for row in answer.rows
    )


async def _every(kind: type[_Kind], session: Asks, question: str) -> tuple[_Kind, ...]:
    return _all(kind, (await ask(session, question)).rows)


def _all(kind: type[_Kind], rows: Sequence[Row]) -> tuple[_Kind, ...]:
    return tuple(_one(kind, row) for row in rows)


def _one(kind: type[_Kind], row: Row) -> _Kind:
    """The fact whose fields are the row's columns; a boolean that is unknown is false."""
    flags = {field.name for field in msgspec.structs.fields(kind) if field.type is bool}
    values = {name: row[name] for name in kind.__struct_fields__}
    return kind(**{key: bool(it) if key in flags else it for key, it in values.items()})
