"""What runs in a rehearsal: two servers, the shop on the old one, a pooler, the application.

Each runs on its host, which is this machine or a place on a road (`rehearsal.hosts`).

Builds and ends it; how it is told to, and by whom, is the supervisor's. Every process is noted in
``box.json`` as soon as it runs, so that the next start can end what a killed supervisor left.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import subprocess
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from profiles import load
from profiles.errors import HostError
from profiles.files import write_whole
from rehearsal import binaries, debian, hosts, pooler, processes, server
from rehearsal.application import Config
from rehearsal.describe import Setting, profile
from rehearsal.folders import DEFAULT_ROAD, BoxState, Layout, Settings
from rehearsal.hosts import LOOPBACK, Host, Stage
from rehearsal.ledger import Verdict, compare, read
from rehearsal.pooler import Pooler, Ways
from rehearsal.processes import THIS_MACHINE, Noted
from rehearsal.server import Server
from rehearsal.wire import Carried, Conditions

if TYPE_CHECKING:
    from asyncpg import Connection  # type: ignore[import-untyped]

DATABASE = "shop"
VERSIONS = {"old": 16, "new": 18}
PORTS = {"old": 5432, "new": 5433, "pool": 6432}
"""On hosts of their own; two servers, so that the ledger can tell who answered."""
LOGINS = ("app", "reporting")
WRITES_DEADLINE_S = 20.0
APPLICATION_STOP_S = 65.0
"""Longer than a write may wait for its answer."""
APPLICATION_END_S = 3.0

HBA = """\
# only who is known to come; the rest is added by whoever needs it
local  all   postgres               scram-sha-256
host   all   postgres 127.0.0.1/32  scram-sha-256
host   shop  app,reporting 127.0.0.1/32  scram-sha-256
"""
HBA_APART = """\
# the operator comes by way of this host, the shop by way of the pooler's
host   all   postgres {address}/32  scram-sha-256
host   shop  app,reporting {clients}/32  scram-sha-256
"""
CONNECTION_FILE = """\
# where the shop's application finds its database; it reads this again on SIGHUP
DATABASE_HOST={address}
DATABASE_PORT={port}
DATABASE_NAME=shop
DATABASE_USER=app
DATABASE_PASSWORD={password}
"""


class World:
    """The running parts of one rehearsal."""

    def __init__(self, layout: Layout, settings: Settings) -> None:
        self.layout = layout
        self.settings = settings
        self.state = BoxState(state="starting")
        self.stage: Stage = hosts.OnLoopback()
        self.servers: dict[str, Server] = {}
        self.program: pooler.Program | None = None
        self.pooler: Pooler | None = None
        self.application: subprocess.Popen[bytes] | None = None
        names = (*VERSIONS, *LOGINS, pooler.ADMIN)
        self.passwords = {name: secrets.token_hex(16) for name in names}

    async def build(self) -> None:
        """Bring everything up, the application last; any error of ours or asyncpg's."""
        self._keep_passwords()
        await self._choose_stage()
        self._spawn_application()
        ground = self.stage.hosts["new"].ground
        found = binaries.runnable(binaries.find(), self.layout.folder, ground)
        ended = await asyncio.gather(
            self._old(found[VERSIONS["old"]]),
            self._new(found[VERSIONS["new"]]),
            self._find_pooler(),
            self.stage.open(self._recorder),
            return_exceptions=True,
        )
        for result in ended:
            if isinstance(result, BaseException):
                raise result
        await self._start_pooler()
        self._write_connection_file()
        await self._start_application()
        setting = Setting(self.layout, self.state, self.stage.hosts, found)
        load.write(self.layout.profile, profile(setting, self.settings.replication))

    async def end(self) -> None:
        """Stop everything that runs; a write that waits at a paused pooler is not waited for."""
        await self.stop_application(APPLICATION_END_S)
        if self.pooler is not None:
            await self.pooler.stop()
        await asyncio.gather(*(each.stop() for each in self.servers.values()))
        await self.stage.close()

    async def stop_application(self, wait_s: float = APPLICATION_STOP_S) -> None:
        """Let the application finish what is on its way, and end."""
        if self.application is not None:
            await processes.stop(self.application, signal.SIGTERM, signal.SIGKILL, wait_s)

    async def compare(self, name: str) -> Verdict:
        """The ledger against what the server of that name holds."""
        connection = await self.servers[name].connect(DATABASE)
        try:
            return await compare(read(self.layout.ledger), connection)
        finally:
            await connection.close()

    def be(self, conditions: Conditions) -> Carried:
        """Change the road; what it carried meanwhile. Raises HostError where there is none."""
        carried = self.stage.be(conditions)
        self.tell(road=conditions)
        return carried

    def tell(self, **changed: object) -> None:
        """Change the state, and put it on disk."""
        self.state = msgspec.structs.replace(self.state, **changed)
        self.layout.write_state(self.state)

    def _keep_passwords(self) -> None:
        for name, password in self.passwords.items():
            path = self.layout.secret(name)
            path.touch(mode=0o600)
            path.write_text(password + "\n")

    async def _choose_stage(self) -> None:
        self.stage, why = await hosts.make(self.layout, self.settings.hosts)
        road = DEFAULT_ROAD if self.stage.kind == "road" else None
        self.tell(hosts=self.stage.kind, road_why=why, road=road)

    async def _find_pooler(self) -> None:
        wanted = self.settings.pooler
        if wanted is False:
            return
        self.program, why = await asyncio.to_thread(
            pooler.obtain, self.layout.folder, self._pool_host.ground
        )
        if wanted and self.program is None:
            raise HostError(THIS_MACHINE, "find PgBouncer", why, debian.REMEDY)
        self.tell(traffic_why=why)

    async def _old(self, programs: Path) -> None:
        old = await self._server("old", programs)
        self.tell(old_port=old.port)
        await create_shop(old, self.settings.rows, {name: self.passwords[name] for name in LOGINS})

    async def _new(self, programs: Path) -> None:
        new = await self._server("new", programs)
        self.tell(new_port=new.port)

    async def _server(self, name: str, programs: Path) -> Server:
        folder, password = self.layout.folder / name, self.passwords[name]
        host = self.stage.hosts[name]
        await server.make(programs, folder, password, host.ground)
        listening = {"cluster_name": name, "listen_addresses": ",".join(host.addresses)}
        server.configure(folder, {**server.SETTINGS, **listening}, hba(host, self._pool_host))
        made = Server(name, programs, folder, password, host.ground)
        made.port = PORTS[name] if host.is_apart else 0
        self.servers[name] = made
        await made.start(self._recorder(name))
        return made

    @property
    def _pool_host(self) -> Host:
        return self.stage.hosts["pool"]

    async def _start_pooler(self) -> None:
        if self.program is None:
            return
        users = {**await self._verifiers(), pooler.ADMIN: self.passwords[pooler.ADMIN]}
        old, host = self.stage.hosts["old"], self._pool_host
        ways = Ways(self.servers["old"].port, old.address, listen=host.addresses)
        if host.is_apart:
            ways = replace(ways, port=PORTS["pool"])
        self.pooler = Pooler(self.program, self.layout.folder / "pooler", ways, host.ground)
        await self.pooler.start(users, self._recorder("pooler"))
        self.tell(traffic="pgbouncer", pool_port=self.pooler.port)

    async def _verifiers(self) -> dict[str, str]:
        """The logins as the old server keeps them: with a plain password in its file, PgBouncer
        derives the key anew for every login, 5 ms of the one core it has."""
        connection = await self.servers["old"].connect(DATABASE)
        try:
            rows = await connection.fetch(
                "SELECT rolname, rolpassword FROM pg_authid WHERE rolname = ANY ($1)", LOGINS
            )
            return {row["rolname"]: row["rolpassword"] for row in rows}
        finally:
            await connection.close()

    def _write_connection_file(self) -> None:
        address, port = self.stage.hosts["old"].address, self.servers["old"].port
        if self.pooler is not None:
            address, port = LOOPBACK, self.pooler.port
        password = self.passwords["app"]
        path = self.layout.connection_file
        path.touch(mode=0o600)
        path.write_text(CONNECTION_FILE.format(address=address, port=port, password=password))

    async def _start_application(self) -> None:
        """Tell it what to do, and wait until it writes (so that it also heeds its signals)."""
        config = Config(
            connection_file=str(self.layout.connection_file),
            ledger=str(self.layout.ledger),
            stats=str(self.layout.stats),
            writers=self.settings.writers,
            rate=self.settings.rate,
        )
        write_whole(self.layout.application, msgspec.json.encode(config))
        if not await processes.until(self._writes, WRITES_DEADLINE_S):
            said = processes.tail(self.layout.folder / "application.log")
            raise HostError(THIS_MACHINE, "start the application", said)

    def _spawn_application(self) -> None:
        """Its process loads while the servers come up, and waits for its configuration."""
        folder, log = self.layout.folder, self.layout.folder / "application.log"
        self.application = processes.spawn_module(
            "rehearsal.application",
            self.layout.application,
            folder=folder,
            log=log,
            ground=self._pool_host.ground,
        )
        self._recorder("application")(self.application)
        self.layout.application_pid.write_text(f"{self.application.pid}\n")

    def _writes(self) -> bool:
        return self.layout.ledger.exists() and self.layout.ledger.stat().st_size > 0

    def _recorder(self, name: str) -> Noted:
        def note(process: subprocess.Popen[bytes]) -> None:
            if (recorded := processes.record(name, process)) is not None:
                others = [each for each in self.state.processes if each.name != name]
                self.tell(processes=(*others, recorded))

        return note


def hba(host: Host, clients: Host) -> str:
    """Who may log in to a server on that host; the shop's application is on the other one."""
    if not host.is_apart:
        return HBA
    return HBA + HBA_APART.format(address=host.address, clients=clients.address)


async def create_shop(on: Server, rows: int, logins: dict[str, str]) -> None:
    """Create the shop's database, roles, tables and rows; asyncpg's own errors."""
    connection = await on.connect()
    try:
        await connection.execute(f"CREATE DATABASE {DATABASE}")
        await connection.execute(f"COMMENT ON DATABASE {DATABASE} IS 'Do not switch off'")
    finally:
        await connection.close()
    connection = await on.connect(DATABASE)
    try:
        await _fill(connection, rows, logins)
    finally:
        await connection.close()


async def _fill(connection: Connection, rows: int, logins: dict[str, str]) -> None:
    schema = resources.files("rehearsal").joinpath("schema.sql").read_text(encoding="utf-8")
    await connection.execute(f"SET rehearsal.rows = '{int(rows)}'; SET synchronous_commit = off")
    await connection.execute(schema)
    for role, password in logins.items():
        await connection.execute(f"ALTER ROLE {role} PASSWORD '{password}'")
    await connection.execute("RESET rehearsal.rows; ANALYZE")
