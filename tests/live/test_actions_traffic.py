"""A PgBouncer before two servers: its timer, and the traffic of the armed sequence."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import rmtree

import msgspec
import pytest

from actions import source, traffic
from actions.armed_protocols import Attempt
from actions.armed_traffic import Endpoints, Pool
from actions.traffic import RESUME_TIMER
from connections.hands import Hands
from connections.passwords import Passwords, client_of
from connections.pgbouncer import Console, open_console
from connections.postgres import ClientLogin, connect_as
from connections.quoting import quote_literal
from profiles.errors import DeadlineError, EvidenceError, HostError, NightferryError
from profiles.profile import ConnectionFile, LocalHost, Login, PgBouncer, Profile, SecretRef
from profiles.steps import Command, Sql, Step, settling
from rehearsal import pooler
from tests.fix_actions import ANight, a_night, moving, session
from tests.fix_servers import PASSWORD, Pair
from tests.fix_ssh import Sshd

pytestmark = pytest.mark.live

ADMIN_PASSWORD, CLIENT_PASSWORD = "hush", "client's"
PATIENCE_S = 10.0


@dataclass(frozen=True)
class Way:
    """The pooler, the servers behind it, and what the profile says of them."""

    pair: Pair
    running: pooler.Pooler
    endpoint: PgBouncer
    profile: Profile

    @property
    def socket(self) -> Path:
        return self.running.folder / f".s.PGSQL.{self.running.port}"

    async def console(self, endpoint: PgBouncer | None = None) -> Console:
        return await open_console(endpoint or self.endpoint, ADMIN_PASSWORD)

    async def paused(self) -> bool:
        console = await self.console()
        rows = await console.show("SHOW DATABASES")
        await console.close()
        return next(row["paused"] for row in rows if row["name"] == pooler.POOL) == "1"

    async def pause(self) -> None:
        console = await self.console()
        await console.run(f'PAUSE "{pooler.POOL}"')
        await console.close()


@pytest.fixture(scope="module")
def servers(old_and_new: Pair) -> Pair:
    asyncio.run(_furnish(old_and_new))
    return old_and_new


async def _furnish(pair: Pair) -> None:
    for side in (pair.old, pair.new):
        async with session(side) as maintenance:
            await maintenance.run(
                f"CREATE ROLE app LOGIN PASSWORD {quote_literal(CLIENT_PASSWORD)}"
            )
            await maintenance.run(f"CREATE DATABASE {pooler.POOL}")
        async with session(side, pooler.POOL) as shop:
            helpers = source.helpers(side.name, pooler.POOL).commands[0]
            assert isinstance(helpers, Sql)
            await shop.run(helpers.text)


@pytest.fixture
def way(servers: Pair) -> Iterator[Way]:
    top = Path(tempfile.mkdtemp(prefix="nightferry-way-", dir="/var/tmp"))
    top.chmod(0o755)
    program, why = pooler.obtain(top)
    if program is None:
        rmtree(top)
        pytest.skip(why)
    running = pooler.Pooler(program, top / "a pooler", pooler.Ways(servers.old.port))
    try:
        asyncio.run(running.start({pooler.ADMIN: ADMIN_PASSWORD, "app": CLIENT_PASSWORD}))
        endpoint = PgBouncer(
            name="the [pool]",
            address="127.0.0.1",
            port=running.port,
            database=pooler.POOL,
            config=str(running.config),
            admin_user=pooler.ADMIN,
            admin_password=SecretRef(ask=True),
            admin_socket=str(running.folder),
            client=Login(user="app", password=SecretRef(ask=True)),
            host=LocalHost(),
        )
        yield Way(servers, running, endpoint, moving(servers, pooler.POOL, endpoint))
    finally:
        asyncio.run(running.stop())
        rmtree(top)


# The timer, as it is run on a pooler's host


def timer(*words: object) -> tuple[int, str, str]:
    argv = [sys.executable, "-I", "-S", RESUME_TIMER, *words]
    ran = subprocess.run(
        [str(word) for word in argv], capture_output=True, text=True, timeout=10, check=False
    )
    return ran.returncode, ran.stdout.strip(), ran.stderr.strip()


async def until_resumed(way: Way) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await way.paused():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_placed_it_resumes_the_pool_though_nobody_is_left(way: Way, tmp_path: Path) -> None:
    token = tmp_path / "token"
    await way.pause()
    place = [sys.executable, "-I", "-S", RESUME_TIMER, "place", token, 0.6, way.socket, pooler.POOL]
    shell = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", '"$@"; sleep 600', "sh", *map(str, place)), start_new_session=True
    )
    async with asyncio.timeout(PATIENCE_S):
        while (await asyncio.to_thread(timer, "stands", token))[1] != "standing":  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    os.killpg(shell.pid, signal.SIGKILL)
    await shell.wait()
    assert await way.paused()
    await until_resumed(way)
    assert not token.exists()
    assert timer("stands", token) == (0, "not there", "")


async def test_lifted_it_does_nothing(way: Way, tmp_path: Path) -> None:
    lifted, kept = tmp_path / "lifted", tmp_path / "kept"
    await way.pause()
    assert timer("place", lifted, 0.2, way.socket, pooler.POOL) == (0, "standing", "")
    pid = int(lifted.read_text().split()[0])
    assert timer("lift", lifted, tmp_path / "never there") == (0, "", "")
    assert not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text()
    assert not lifted.exists()
    assert timer("place", kept, 0.4, way.socket, "another pool") == (0, "standing", "")
    async with asyncio.timeout(PATIENCE_S):
        while kept.exists():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert await way.paused()
    console = await way.console()
    await console.run(f'RESUME "{pooler.POOL}"')
    await console.close()


async def test_a_timer_whose_token_was_taken_over_leaves_the_pool_alone(
    way: Way, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    await way.pause()
    assert timer("place", first, 0.1, way.socket, pooler.POOL)[0] == 0
    pid = int(first.read_text().split()[0])
    first.write_text(f"{pid} 1")
    assert timer("stands", first)[1] == "not there"
    assert timer("place", second, 0.5, way.socket, "another pool")[0] == 0
    async with asyncio.timeout(PATIENCE_S):
        while second.exists():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert await way.paused()


def test_where_it_could_not_log_in_it_is_refused(way: Way, tmp_path: Path) -> None:
    token = tmp_path / "token"
    code, said, why = timer("place", token, 1, tmp_path / ".s.PGSQL.1", pooler.POOL)
    assert (code, said, token.exists()) == (1, "", False)
    assert "does not let the pooler's own user in" in why


# The traffic of an attempt


@dataclass(frozen=True)
class Driven:
    """One attempt's traffic, and every command that was told."""

    endpoints: Endpoints
    steps: dict[str, Step]
    told: list[tuple[Command, str, str]]


@asynccontextmanager
async def driven(way: Way, folder: Path, number: int = 1) -> AsyncIterator[Driven]:
    passwords = Passwords(way.profile)
    for name in ("old", "new"):
        passwords.tell(name, PASSWORD)
    passwords.tell(way.endpoint.name, ADMIN_PASSWORD)
    passwords.tell(client_of(way.endpoint.name), CLIENT_PASSWORD)
    old, new = way.profile.source, way.profile.destination
    groups = traffic.stretch_steps(way.endpoint, old, new, pooler.POOL)
    steps = {step.id: step for group in groups for step in group}
    told: list[tuple[Command, str, str]] = []

    def ran(command: Command, text: str, answer: str, took_ms: float) -> None:
        told.append((command, text, answer))

    hands = Hands(way.profile, passwords)
    async with hands.at_work() as work:
        pools = [Pool(way.endpoint, way.console)]
        attempt = Attempt("night-1", number)
        endpoints = Endpoints(pools, steps, work, attempt, folder, ran)
        try:
            yield Driven(endpoints, steps, told)
        finally:
            await endpoints.lift_timers()
            await endpoints.close()
            await hands.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "a night's folder"
    made.mkdir()
    return made


async def test_its_timers_are_placed_stand_and_are_lifted(way: Way, folder: Path) -> None:
    async with driven(way, folder) as first, driven(way, folder, 2) as second:
        assert not await first.endpoints.timers_stand()
        await first.endpoints.place_timers(30.0)
        assert await first.endpoints.timers_stand()
        assert not await second.endpoints.timers_stand()
        await second.endpoints.place_timers(0.3)  # those of the first are taken away
        assert not await first.endpoints.timers_stand()
        await second.endpoints.pause(1.0)
        assert await way.paused()
        await until_resumed(way)
        assert list(folder.iterdir()) == []
        await second.endpoints.resume()  # it is no error that nothing is paused


async def test_on_a_host_over_ssh_they_run_there_and_outlive_the_connection(
    way: Way, folder: Path, trusted: Path, sshd: Sshd
) -> None:
    far = msgspec.structs.replace(way.endpoint, host=sshd.host())
    profile = msgspec.structs.replace(way.profile, endpoints=[far])
    async with driven(replace(way, profile=profile, endpoint=far), folder) as one:
        await one.endpoints.place_timers(0.5)
        assert await one.endpoints.timers_stand()
        await one.endpoints.pause(1.0)
        assert await way.paused()
        sshd.cut()
        await until_resumed(way)
        assert not await one.endpoints.timers_stand()


async def test_a_timer_that_cannot_be_placed_is_said(way: Way, folder: Path) -> None:
    (way.running.folder / "elsewhere").mkdir()
    way.socket.rename(way.running.folder / "elsewhere" / way.socket.name)
    async with driven(way, folder) as one:
        with pytest.raises(HostError, match="does not let the pooler's own user in"):
            await one.endpoints.place_timers(1.0)
        assert not await one.endpoints.timers_stand()
        assert any(answer.startswith("error:") for _, _, answer in one.told)


async def test_clients_are_led_from_the_old_server_to_the_new(way: Way, folder: Path) -> None:
    grants = traffic.prepare_proof("new", pooler.POOL, way.endpoint)
    async with session(way.pair.new, pooler.POOL) as new:
        command = grants.commands[0]
        assert isinstance(command, Sql)
        await new.run(command.text)
    async with driven(way, folder) as one:
        with pytest.raises(NightferryError):
            await one.endpoints.prove()  # it leads to the old server, where it may not write
        await one.endpoints.open()
        await one.endpoints.pause(1.0)
        await one.endpoints.point()
        await one.endpoints.point()
        await one.endpoints.resume()
        await one.endpoints.prove()
        await one.endpoints.prove()
    async with session(way.pair.new, pooler.POOL) as new:
        assert await new.value("SELECT count(*) FROM nightferry.proof") == 2
        await new.run("TRUNCATE nightferry.proof")
    ini = way.running.config.read_text()
    assert f"shop = host=127.0.0.1 port={way.pair.new.port} dbname=shop" in ini
    before = pooler.ini(way.running.folder, way.running.ways)
    assert ini == before.replace(
        f"port={way.pair.old.port} dbname=shop\n", f"port={way.pair.new.port} dbname=shop\n"
    )
    kinds = {step_id.partition("@")[0] for step_id in _steps_told(one)}
    assert kinds >= {"timer", "pause", "point", "resume", "written"}


def _steps_told(one: Driven) -> list[str]:
    commands = [command for command, _, _ in one.told]
    return [
        step_id
        for step_id, step in one.steps.items()
        if any(command in (*step.commands, *step.undo) for command in commands)
    ]


async def test_a_connection_file_is_pointed_and_read_again(servers: Pair, folder: Path) -> None:
    path, read = folder / "app.env", folder / "read again"
    old, new = f"DATABASE_PORT={servers.old.port}", f"DATABASE_PORT={servers.new.port}"
    path.write_text(f"# {new} in an emergency\nDATABASE_HOST=127.0.0.1\n{old}\n")
    env = ConnectionFile(
        name="env",
        path=str(path),
        replace={old: new},
        reload=f"echo again >> {shlex.quote(str(read))}",
        client=Login(user="app", password=SecretRef(ask=True)),
        host=LocalHost(),
    )
    profile = moving(servers, pooler.POOL, env)
    passwords = Passwords(profile)
    passwords.tell("new", PASSWORD)
    passwords.tell(client_of("env"), CLIENT_PASSWORD)
    async with session(servers.new, pooler.POOL) as maintenance:
        command = traffic.prepare_proof("new", pooler.POOL, env).commands[0]
        assert isinstance(command, Sql)
        await maintenance.run(command.text)
    groups = traffic.stretch_steps(env, profile.source, profile.destination, pooler.POOL)
    steps = {step.id: step for group in groups for step in group}
    async with Hands(profile, passwords).at_work() as work:
        endpoints = Endpoints([], steps, work, Attempt("n", 1), folder, lambda *told: None)
        assert endpoints.name == "env"
        assert await endpoints.timers_stand()  # there is nothing that would have to be resumed
        await endpoints.pause(1.0)
        await endpoints.point()
        await endpoints.prove()
    assert path.read_text().endswith(f"\n{new}\n")
    assert read.read_text() == "again\n"


async def test_a_pause_that_never_comes_frees_its_clients(way: Way, folder: Path) -> None:
    login = ClientLogin("pool", "127.0.0.1", way.running.port, "app", pooler.POOL)
    client = await connect_as(login, CLIENT_PASSWORD)
    await client.run("BEGIN; SELECT 1")
    async with driven(way, folder) as one:
        await one.endpoints.open()
        with pytest.raises(DeadlineError, match="kept a transaction open"):
            await one.endpoints.pause(0.3)
        assert not await way.paused()
        await client.run("COMMIT")
        await one.endpoints.pause(1.0)
        await one.endpoints.resume()
    await client.close()


async def test_a_pooler_that_did_not_read_its_file_is_not_pointed(
    way: Way, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actions.armed_traffic.SEEN_S", 0.2)
    way.running.config.write_text("no setting at all\n" + way.running.config.read_text())
    async with driven(way, folder) as one:
        with pytest.raises(EvidenceError, match=f"127.0.0.1 {way.pair.old.port}"):
            await one.endpoints.point()


@pytest.fixture
def night(way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ANight]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with a_night(way.profile) as begun:
        begun.passwords.tell(way.endpoint.name, ADMIN_PASSWORD)
        yield begun


@pytest.mark.parametrize("before", [None, "server_login_retry = 9"])
async def test_the_login_retry_is_lent_and_given_back(
    way: Way, night: ANight, before: str | None
) -> None:
    ini = way.running.config
    if before is not None:
        ini.write_text(ini.read_text().replace(";server_login_retry = 15", before))
        console = await way.console()
        await console.run("RELOAD")
        await console.close()
    text = ini.read_text()
    lower = traffic.lower_login_retry(way.endpoint, before)
    assert await night.runs(lower, lower) == ["done", "already"]
    assert ini.read_text().count("\nserver_login_retry = 1\n") == 1
    assert await night.runs(settling(lower)) == ["done"], night.ended(settling(lower)).error
    assert ini.read_text() == text
    assert night.live.state.open_loose_ends() == []
