"""A PostgreSQL server and a PgBouncer before it, for whoever tests how they are reached."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from connections.pgbouncer import open_console
from connections.postgres import ClientLogin, Session, connect
from profiles.profile import Login, PgBouncer, Profile, SecretRef
from profiles.profile import Server as ServerChoice
from rehearsal import binaries, pooler, server

PASSWORD = "open: sesame\\"
"""With the characters that a password file escapes."""
ADMIN_PASSWORD = "hush"
CLIENT = "app"
CLIENT_PASSWORD = "client's"
DATABASE = pooler.POOL


@dataclass(frozen=True)
class Lab:
    """One running server, by the names a profile has."""

    folder: Path
    running: server.Server

    @property
    def choice(self) -> ServerChoice:
        return a_server("old", self.running.port)

    async def session(self, database: str = DATABASE) -> Session:
        return await connect(self.choice, database, PASSWORD)


@dataclass(frozen=True)
class PooledLab:
    """A PgBouncer before the lab's server."""

    running: pooler.Pooler

    @property
    def endpoint(self) -> PgBouncer:
        return PgBouncer(
            name="pool",
            address="127.0.0.1",
            port=self.running.port,
            database=pooler.POOL,
            config=str(self.running.config),
            admin_user=pooler.ADMIN,
            admin_password=SecretRef(ask=True),
            admin_socket=str(self.running.folder),
            client=Login(user=CLIENT, password=SecretRef(ask=True)),
        )

    @property
    def login(self) -> ClientLogin:
        return ClientLogin("pool", "127.0.0.1", self.running.port, CLIENT, pooler.POOL)


def a_server(name: str, port: int) -> ServerChoice:
    return ServerChoice(
        name=name,
        address="127.0.0.1",
        port=port,
        password=SecretRef(ask=True),
        country="NO",
        operated_by="us",
    )


def a_profile(port: int, *endpoints: PgBouncer) -> Profile:
    old, new = a_server("old", port), a_server("new", port)
    databases = [DATABASE]
    return Profile(
        name="orders", databases=databases, source=old, destination=new, endpoints=[*endpoints]
    )


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    folder = Path(tempfile.mkdtemp(prefix="nightferry-test-"))
    folder.chmod(0o755)
    started: list[server.Server] = []
    try:
        running = asyncio.run(_start(folder))
        started.append(running)
        yield Lab(folder, running)
    finally:
        for one in started:
            asyncio.run(one.stop())
        shutil.rmtree(folder)


@pytest.fixture
def pooled(lab: Lab) -> Iterator[PooledLab]:
    program, why = pooler.obtain(lab.folder)
    if program is None:
        pytest.skip(why)
    folder = Path(tempfile.mkdtemp(dir=lab.folder, prefix="pooler-")) / "pooler"
    folder.parent.chmod(0o755)
    running = pooler.Pooler(program, folder, pooler.Ways(lab.running.port))
    users = {pooler.ADMIN: ADMIN_PASSWORD, CLIENT: CLIENT_PASSWORD}
    try:
        asyncio.run(running.start(users))
        yield PooledLab(running)
    finally:
        asyncio.run(running.stop())


async def _start(folder: Path) -> server.Server:
    programs = binaries.runnable(binaries.find(), folder)[16]
    await server.make(programs, folder / "old", PASSWORD)
    server.configure(folder / "old", server.SETTINGS)
    running = server.Server("old", programs, folder / "old", PASSWORD)
    await running.start()
    session = await connect(a_server("old", running.port), "postgres", PASSWORD)
    await session.run(
        f"CREATE ROLE {CLIENT} LOGIN PASSWORD '{CLIENT_PASSWORD.replace(chr(39), 2 * chr(39))}'"
    )
    await session.run(f"CREATE DATABASE {DATABASE} OWNER {CLIENT}")
    await session.close()
    return running


async def with_tls(pooled: PooledLab, name: str = "IP:127.0.0.1", mode: str = "require") -> Path:
    """Has the pooler require TLS, with a certificate for this name; returns the certificate.

    With ``verify-ca`` its clients are to show a certificate too, which is the same one.
    """
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    config = pooled.running.config
    key, certificate = config.with_name("tls.key"), config.with_name("tls.crt")
    made = ["-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(certificate)]
    named = ["-subj", "/CN=pool", "-addext", f"subjectAltName={name}"]
    argv = ["openssl", "req", "-x509", *made, *named]
    await asyncio.to_thread(subprocess.run, argv, check=True, capture_output=True)
    key.chmod(0o644)
    files = f"client_tls_key_file = {key}\nclient_tls_cert_file = {certificate}\n"
    files += f"client_tls_ca_file = {certificate}\n"
    config.write_text(f"{config.read_text()}client_tls_sslmode = {mode}\n{files}")
    console = await open_console(pooled.endpoint, ADMIN_PASSWORD)
    await console.run("RELOAD")
    await console.close()
    return certificate
