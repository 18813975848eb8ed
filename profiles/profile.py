"""What the operator chose for this move, as frozen data; never a secret in it.

The shapes only: `profiles.load` turns TOML into them and back. Names of servers and endpoints are
what events, steps and screens use.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

FORMAT = 1
"""The version of the profile's format; another one is refused."""

TlsMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
"""libpq's sslmode words (PostgreSQL manual, 32.19.1)."""

Text = Annotated[str, Meta(min_length=1, description="a text that is not empty")]
Name = Annotated[
    str,
    Meta(
        pattern=r"\A[^\s/@\x00-\x1f\x7f]([^/@\x00-\x1f\x7f]*[^\s/@\x00-\x1f\x7f])?\Z",
        description="a name without / and @, with no blank at its ends",
    ),
]
"""Names stand in the ids of steps (``step@server/database``) and are typed by the operator."""
Port = Annotated[int, Meta(ge=1, le=65535, description="a port from 1 to 65535")]
Country = Annotated[str, Meta(pattern=r"\A[A-Za-z]{2}\Z", description="two letters, such as CH")]
Moment = Annotated[
    datetime, Meta(tz=True, description="a time with its offset, such as 2026-03-01T05:00:00Z")
]
Seconds = Annotated[float, Meta(ge=0, description="a number of seconds, 0 or more")]
Milliseconds = Annotated[float, Meta(ge=0, description="a number of milliseconds, 0 or more")]
Percent = Annotated[float, Meta(ge=0, le=100, description="a number from 0 to 100")]
Queries = Annotated[int, Meta(ge=1, description="a number of queries, 1 or more")]
Cycles = Annotated[int, Meta(ge=1, le=600, description="a number of probes from 1 to 600")]
Deadline = Annotated[float, Meta(gt=0, description="a number of seconds above 0")]


class _Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every part of a profile: frozen, by keyword, unknown keys refused."""


class SecretRef(_Shape, frozen=True, kw_only=True, omit_defaults=True):
    """Where a secret is to be had at connect time; exactly one of these is set."""

    env: Text | None = None
    """The name of an environment variable of the engine."""
    command: Text | None = None
    """A shell line whose first line of output is the secret."""
    pgpass: bool = False
    """libpq's password file: ``PGPASSFILE`` or ``~/.pgpass``."""
    ask: bool = False
    """Asked in the wizard and held in memory only."""


class LocalHost(_Shape, frozen=True, kw_only=True, tag_field="kind", tag="local"):
    """The machine Nightferry runs on."""


class SshHost(_Shape, frozen=True, kw_only=True, tag_field="kind", tag="ssh", omit_defaults=True):
    """A machine reached over SSH, by the operator's own ~/.ssh/config, agent and known_hosts."""

    ssh: Text
    """Its name in ~/.ssh/config, or its address."""
    config: Text | None = None
    """Another file in the place of ~/.ssh/config (``ssh -F``)."""
    user: Text | None = None
    """This and what follows stands in ~/.ssh/config too; what is said here counts first."""
    port: Port | None = None
    key: Text | None = None
    """The file of the private key."""
    jump: list[Text] = []
    """The hosts on the way, from here on: names in ~/.ssh/config, or ``[user@]host[:port]``."""
    passphrase: SecretRef | None = None
    """Of the private key, where it is encrypted and no agent holds it."""
    password: SecretRef | None = None
    sudo_user: Text | None = None
    """Whom lines and files there are for, by sudo; None: the user who logs in."""
    sudo_password: SecretRef | None = None
    """Of the user who logs in; None: sudo asks for none."""


Host = LocalHost | SshHost
"""How the machine under a server or a pooler is reached; absent where it cannot be."""


class Login(_Shape, frozen=True, kw_only=True, omit_defaults=True):
    """A client's own login through an endpoint, for the write that proves the switch."""

    user: Text
    password: SecretRef = msgspec.field(default_factory=lambda: SecretRef(pgpass=True))


class Address(_Shape, frozen=True, kw_only=True, omit_defaults=True):
    """Where the destination reaches the source, when that is not where we reach it."""

    address: Text
    port: Port = 5432


class ReplicationTunnel(_Shape, frozen=True, kw_only=True, omit_defaults=True):
    """Replication goes through SSH, from the destination's host through the source's.

    It is a service of its own on the destination's host, with a key of its own.
    """

    login: Annotated[
        str,
        Meta(pattern=r"\A[^@\s]+@[^@\s]+\Z", description="a login such as ferry@db1.example.org"),
    ]
    """``user@address`` of the source's host, as the destination's host sees it."""
    login_port: Port = 22
    comes_from: Text
    """The address from which the source's host sees the destination's host come."""
    local_port: Port = 15432
    """Where it listens on the loopback address of the destination's host."""


class Server(_Shape, frozen=True, kw_only=True, omit_defaults=True):
    """One database server of the move."""

    name: Name
    engine: Literal["postgresql"] = "postgresql"
    address: Text
    port: Port = 5432
    user: Text = "postgres"
    """The wizard's own login, a superuser."""
    password: SecretRef = msgspec.field(default_factory=lambda: SecretRef(pgpass=True))
    tls: TlsMode | None = None
    """None: verify-full, or prefer for a server on this machine."""
    tls_root_cert: Text | None = None
    """The path of a file, the same one here, on the destination's host and for its server."""
    country: Country
    """ISO 3166-1 alpha-2: where the data is."""
    operated_by: Text
    host: Host | None = None
    by_tunnel: bool = False
    """The wizard's own sessions go over SSH: ``address`` is as the server's host sees it."""
    seen_from_destination: Address | None = None
    """Of the source: where the destination reaches it."""
    replication_tunnel: ReplicationTunnel | None = None
    """Of the source: the destination reaches it through SSH instead."""
    comes_from: Text | None = None
    """Of the destination: the address its replication comes from; None: its own."""
    may_still_write: list[Text] = []
    """Login roles that are not fenced, by the operator's own decision."""
    client_tools: Text | None = None
    """The folder of pg_dump and pg_restore of this server's major; searched for if absent."""


class PgBouncer(
    _Shape, frozen=True, kw_only=True, tag_field="kind", tag="pgbouncer", omit_defaults=True
):
    """Clients reach the database through PgBouncer: paused, pointed elsewhere, resumed."""

    name: Name
    access: Literal["write", "read"] = "write"
    address: Text
    port: Port = 6432
    database: Text
    """The name of the pool: the key in ``[databases]``."""
    config: Text
    """The path of pgbouncer.ini on the pooler's host."""
    admin_user: Text = "pgbouncer"
    admin_password: SecretRef | None = None
    """None: the admin socket, which admits only the pooler's own user."""
    admin_socket: Text | None = None
    """The folder of the UNIX socket (``unix_socket_dir``), where the timer resumes it."""
    client: Login
    tls: TlsMode | None = None
    host: Host | None = None
    by_tunnel: bool = False
    """Console and client login go over SSH: ``address`` is as the pooler's host sees it."""


class ConnectionFile(
    _Shape, frozen=True, kw_only=True, tag_field="kind", tag="connection-file", omit_defaults=True
):
    """Clients read where the database is from a file: edited, then a command makes them look."""

    name: Name
    access: Literal["write", "read"] = "write"
    path: Text
    replace: dict[Text, Text]
    """Text that names the old server to the text that names the new one; each occurs once."""
    reload: Text | None = None
    """A shell line that makes the clients read it again."""
    client: Login
    host: Host | None = None


class ByHand(
    _Shape, frozen=True, kw_only=True, tag_field="kind", tag="by-hand", omit_defaults=True
):
    """An endpoint that only the operator can switch: a step by hand in the checklist."""

    name: Name
    access: Literal["write", "read"] = "write"
    address: Text
    how: Text
    """What is to be done, in the operator's words."""


Endpoint = PgBouncer | ConnectionFile | ByHand


class Thresholds(_Shape, frozen=True, kw_only=True, omit_defaults=True):
    """Where a figure becomes a verdict; the unit is in the name."""

    lag_s: Seconds = 1.0
    lag_held_s: Seconds = 60.0
    pause_deadline_s: Deadline = 10.0
    """How long writes may be paused, all in all, before it is undone."""
    by_hand_deadline_s: Deadline = 300.0
    """The same when the stretch is gone through one key a step."""
    pool_pause_deadline_s: Deadline = 2.0
    """How long PAUSE may wait for open transactions."""
    slot_deadline_s: Deadline = 600.0
    """How long making the slot may wait for transactions that began before it."""
    copy_deadline_s: Deadline = 172800.0
    long_transaction_s: Seconds = 60.0
    write_rate_window_s: Seconds = 5.0
    clock_difference_s: Seconds = 2.0
    jitter_ms: Milliseconds = 10.0
    """How much the round trip to the source may change from one to the next, on average."""
    loss_warn_percent: Percent = 0.1
    """The share of probes lost on the whole way to the source, from which on that is said."""
    loss_stop_percent: Percent = 1.0
    """The same, from which on the road is too bad to replicate over."""
    page_queries: Queries = 50
    """How many queries a page of the application makes, one after the other."""
    network_cycles: Cycles = 20
    """How often each hop is probed, once a second."""


class Profile(_Shape, frozen=True, kw_only=True, omit_defaults=True):
    """One move, as the operator chose it."""

    profile: int = FORMAT
    name: Name
    route: Literal["postgres-logical"] = "postgres-logical"
    databases: list[Text]
    finish_by: Moment | None = None
    rehearsal: bool = False
    source: Server
    destination: Server
    standbys: list[Server] = []
    endpoints: list[Endpoint] = []
    thresholds: Thresholds = msgspec.field(default_factory=Thresholds)

    @property
    def database(self) -> str:
        """The one database that moves (one a night for now)."""
        return self.databases[0]

    def server(self, name: str) -> Server:
        """The server of that name; KeyError when there is none."""
        for server in (self.source, self.destination, *self.standbys):
            if server.name == name:
                return server
        raise KeyError(name)

    def endpoint(self, name: str) -> Endpoint:
        """The endpoint of that name; KeyError when there is none."""
        for endpoint in self.endpoints:
            if endpoint.name == name:
                return endpoint
        raise KeyError(name)
