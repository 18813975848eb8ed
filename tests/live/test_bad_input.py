"""What a night is given that it cannot work with: it says so, and nothing is lost or left paused.

That each check sees its bad state is shown beside the checks; here it is the engine that refuses.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec
import pytest

from connections.pgbouncer import open_console
from engine.client import connect, new_id
from profiles.errors import EvidenceError, RefusedError
from profiles.profile import LocalHost, Profile, SecretRef, Server
from profiles.requests import Arm, Cancel, EndNight, Go, RunPhase, Skip
from rehearsal.server import Server as Running
from rehearsal.server import free_port
from tests.fix_desk import AtTheDesk, a_desk
from tests.fix_looks import a_profile, a_server
from tests.fix_rehearsed import PATIENCE_S, Rehearsed, a_copied_night, reaches
from tests.fix_servers import PASSWORD, Pair
from tui.unattended import Walk

pytestmark = pytest.mark.live

SHOP = """\
CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text NOT NULL);
CREATE INDEX ON orders (what);
INSERT INTO orders (what) SELECT 'chair' FROM generate_series(1, 100);
GRANT ALL ON orders TO app"""


# Servers that cannot be moved as they are


@pytest.fixture(scope="module")
def shop(old_and_new: Pair) -> Iterator[Pair]:
    """A small database on the old server, nothing on the new."""
    asyncio.run(_fill(old_and_new.old))
    yield old_and_new


async def _fill(old: Running) -> None:
    await sql(old, "CREATE ROLE app LOGIN PASSWORD 'app'", "postgres")
    await sql(old, "CREATE ROLE clerk LOGIN PASSWORD 'clerk'", "postgres")
    await sql(old, "CREATE DATABASE app", "postgres")
    await sql(old, SHOP)


async def sql(server: Running, text: str, database: str = "app") -> Any:
    """Run it there as somebody who is not us; the first value of an answer."""
    connection = await server.connect(database)
    try:
        if text.startswith("SELECT"):
            return await connection.fetchval(text)
        return await connection.execute(text)
    finally:
        await connection.close()


def told(text: str) -> SecretRef:
    return SecretRef(command=f"echo '{text}'")


def chosen(running: Running, **changed: Any) -> Server:
    server = a_server(running.name, running.port, client_tools=str(running.programs))
    known = {"password": told(PASSWORD), "host": LocalHost()}
    return msgspec.structs.replace(server, **{**known, **changed})


def a_move(pair: Pair, **of_source: Any) -> Profile:
    return a_profile(chosen(pair.old, **of_source), chosen(pair.new))


WRONG = "THE_WRONG_PASSWORD"
"""The environment variable that holds it."""


class Bad(NamedTuple):
    """Something that cannot be worked with: how it comes about, and what is to be said of it."""

    phase: str
    check: str
    words: str
    profile: Callable[[Pair], Profile] = a_move
    make: str = ""
    """On the old server, in the database postgres."""
    undo: str = ""


BAD = {
    "a wrong password": Bad(
        "servers",
        "pg.reachable",
        "password authentication failed",
        lambda pair: a_move(pair, password=SecretRef(env=WRONG)),
    ),
    "an unreachable host": Bad(
        "servers",
        "pg.reachable",
        "Connection refused",
        lambda pair: a_move(pair, port=free_port()),
    ),
    "refused TLS": Bad(
        "servers", "pg.reachable", "offers no TLS", lambda pair: a_move(pair, tls="require")
    ),
    "a role without rights": Bad(
        "servers",
        "pg.superuser",
        "clerk is no superuser",
        lambda pair: a_move(pair, user="clerk", password=told("clerk")),
    ),
    "the same server twice": Bad(
        "servers",
        "pg.same_cluster",
        "the same system identifier",
        lambda pair: a_profile(chosen(pair.old), chosen(pair.old, name="new")),
    ),
    "a destination that is older": Bad(
        "servers",
        "pg.version_order",
        "18.4 to 16.14",
        lambda pair: a_profile(chosen(pair.new), chosen(pair.old), database="postgres"),
    ),
    "a synchronous standby": Bad(
        "preflight",
        "pg.synchronous_standbys",
        "synchronous_standby_names = far",
        make="SET synchronous_commit = local; ALTER SYSTEM SET synchronous_standby_names = 'far'",
        undo="ALTER SYSTEM RESET synchronous_standby_names",
    ),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
@pytest.mark.usefixtures("nights_here")
async def test_what_cannot_be_moved_is_said_and_not_armed(
    shop: Pair, bad: Bad, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WRONG, "open says me")
    async with _made(shop.old, bad), a_desk(bad.profile(shop)) as at:
        await at.look(bad.phase)
        stops = [one for one in at.night.findings_of(bad.phase) if one.verdict == "stop"]
        assert any(one.check == bad.check and bad.words in one.figure for one in stops), stops
        assert all(one.todo for one in stops if one.check == bad.check)
        with pytest.raises(RefusedError, match=r"a check says stop|there is no checklist"):
            await at.ask(Arm(id=new_id(), typed=bad.profile(shop).source.name))
        assert at.began() == []
    assert "open says me" not in (at.folder / "journal.jsonl").read_text()


@asynccontextmanager
async def _made(old: Running, bad: Bad) -> AsyncIterator[None]:
    if not bad.make:
        yield
        return
    for statement in bad.make.split("; "):
        await sql(old, statement, "postgres")
    await sql(old, "SELECT pg_reload_conf()", "postgres")
    try:
        yield
    finally:
        await sql(old, bad.undo, "postgres")
        await sql(old, "SELECT pg_reload_conf()", "postgres")


# Steps that do not go as they should

SLOT = "slot@old/app"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_create_logical_replica%'"
OTHERS = f"{WAITING} AND pid <> pg_backend_pid()"


@asynccontextmanager
async def waiting_for_the_slot(shop: Pair) -> AsyncIterator[tuple[AtTheDesk, Any]]:
    """A replication that is being set up, and waits for a transaction, as it may for long."""
    writer = await shop.old.connect("app")
    async with a_desk(a_move(shop)) as at:
        try:
            await at.look("replication")
            await writer.execute("BEGIN; INSERT INTO orders (what) VALUES ('table')")
            running = asyncio.create_task(at.run_phase("replication"))
            await at.until(lambda night: night.state_of(SLOT).running or running.done())
            async with asyncio.timeout(PATIENCE_S):
                while await sql(shop.old, OTHERS) == 0:
                    assert not running.done()
            yield at, writer
            await running
        finally:
            writer.terminate()


@pytest.mark.usefixtures("nights_here")
async def test_a_step_under_way_is_waited_for_or_cancelled_on_the_server_too(shop: Pair) -> None:
    async with waiting_for_the_slot(shop) as (at, _):
        with pytest.raises(RefusedError, match=r"Make the replication slot.*is under way"):
            await at.run("publication@old/app")
        await at.ask(Cancel(id=new_id()))
        await at.until(lambda night: not night.state_of(SLOT).running)
    assert at.night.state_of(SLOT).outcome == "failed"
    assert "cancelled by the operator" in at.night.state_of(SLOT).error
    assert await sql(shop.old, OTHERS) == 0
    assert await sql(shop.old, "SELECT count(*) FROM pg_replication_slots") == 0


@pytest.mark.usefixtures("nights_here")
async def test_a_server_that_vanishes_fails_the_step_which_can_be_run_again(shop: Pair) -> None:
    async with waiting_for_the_slot(shop) as (at, _):
        assert shop.old.process is not None
        shop.old.process.send_signal(signal.SIGQUIT)
        await at.until(lambda night: not night.state_of(SLOT).running)
        await shop.old.restart()
        state = at.night.state_of(SLOT)
        assert state.outcome == "failed"
        assert state.error.startswith("old: ")
        assert "the session ended" in state.error
        await at.run(SLOT)
        assert at.night.state_of(SLOT).outcome == "done"


@pytest.mark.usefixtures("nights_here")
async def test_names_are_typed_reasons_given_and_loose_ends_settled(shop: Pair) -> None:
    async with a_desk(a_move(shop)) as at:
        await at.look("replication")
        with pytest.raises(RefusedError, match=r"changes a server's configuration.*name: old"):
            await at.run("hba@old")
        with pytest.raises(RefusedError, match="Confirm by typing the name"):
            await at.ask(RunPhase(id=new_id(), phase="replication"))
        with pytest.raises(RefusedError, match="there is no reason"):
            await at.ask(Skip(id=new_id(), step="hba@old", reason=" "))
        assert at.began() == []
        await at.run_phase("replication")
        with pytest.raises(RefusedError, match=r"still open: .*replication slot nightferry"):
            await at.ask(EndNight(id=new_id()))
        await at.look("aftercare")
        await at.run_phase("aftercare")
        await at.ask(EndNight(id=new_id()))
        assert at.night.ended
    assert await sql(shop.old, "SELECT count(*) FROM pg_replication_slots") == 0


# What has changed by the time it is to be armed


@pytest.fixture(scope="module")
def copied() -> Iterator[Rehearsed]:
    """A night that stands before its armed stretch; every test leaves it so, but the last."""
    with a_copied_night(pause_deadline_s=4.0) as night:
        yield night


@pytest.fixture
async def walk(copied: Rehearsed) -> AsyncIterator[Walk]:
    """A window on that night."""
    async with copied.walk() as attached:
        yield attached


BROKEN = "this is no setting\n"
"""As the first line of the pooler's file: nothing after it is read."""


async def reload(night: Rehearsed) -> None:
    """Make the pooler read its file again, as an operator would."""
    console = await open_console(
        night.pooler(), night.box.layout.secret("pooladmin").read_text()[:-1]
    )
    await console.run("RELOAD")
    await console.close()


@asynccontextmanager
async def changed_ini(night: Rehearsed, was: str, becomes: str) -> AsyncIterator[None]:
    """The pooler's file with that difference, reread before and after."""
    path = night.pooler_ini()
    good = path.read_text()
    assert was in good
    path.write_text(good.replace(was, becomes, 1))
    await reload(night)
    try:
        yield
    finally:
        path.write_text(good)
        await reload(night)


async def test_a_broken_ini_fails_the_checklist_before_anything_is_paused(
    copied: Rehearsed, walk: Walk
) -> None:
    """RELOAD answers yes to it."""
    path = copied.pooler_ini()
    path.write_text(path.read_text().replace("server_login_retry = 1\n", ""))
    await reload(copied)
    path.write_text(BROKEN + path.read_text())
    with pytest.raises(EvidenceError, match="server_login_retry is 1"):
        await walk.check_off()
    path.write_text(path.read_text().removeprefix(BROKEN))
    await walk.check_off()
    assert walk.night.stretch is None or walk.night.stretch.over
    await copied.flows("old")


async def test_everything_that_would_break_the_pause_is_looked_at_again(
    copied: Rehearsed, walk: Walk
) -> None:
    await walk.check_off()
    socket = copied.pooler_ini().with_name(f".s.PGSQL.{copied.pooler().port}")
    monitor = await copied.server("old").connect("postgres")
    hidden = socket.rename(socket.with_suffix(".hidden"))
    try:
        async with changed_ini(copied, "pool_mode = transaction", "pool_mode = session"):
            with pytest.raises(RefusedError) as refused:
                await walk.arm()
    finally:
        hidden.rename(socket)
        await monitor.close()
    for words in ("pool_mode = session", f"no socket {socket}", "in use: postgres"):
        assert words in refused.value.answered
    await copied.flows("old")


async def test_a_checklist_that_would_be_another_one_now_is_not_armed(
    copied: Rehearsed, walk: Walk
) -> None:
    await walk.check_off()
    await copied.run("old", "CREATE ROLE late LOGIN")
    try:
        with pytest.raises(RefusedError, match=r"pg\.roles: different: late"):
            await walk.arm()
    finally:
        await copied.run("old", "DROP ROLE late")
    await copied.run("old", "CREATE SEQUENCE late")
    try:
        with pytest.raises(RefusedError, match=r"another one now: Carry \d+ sequences over"):
            await walk.arm()
    finally:
        await copied.run("old", "DROP SEQUENCE late")


async def test_without_its_timer_a_pooler_is_not_armed(copied: Rehearsed, walk: Walk) -> None:
    await walk.check_off()
    attempt = walk.night.stretch.attempt + 1 if walk.night.stretch else 1
    in_the_way = copied.folder / f"resume-pool-{copied.folder.name}-{attempt}"
    in_the_way.mkdir()
    try:
        with pytest.raises(EvidenceError, match="resume_timer"):
            await walk.arm()
    finally:
        shutil.rmtree(in_the_way)
    assert copied.stretch().state == "disarmed"
    assert copied.stretch().paused_at is None
    await copied.flows("old")


async def test_an_ini_that_breaks_once_armed_stops_writes_until_it_is_repaired(
    copied: Rehearsed, walk: Walk
) -> None:
    """After the turn only forward: it says what is missing, and goes on when it is there."""
    await walk.check_off()
    await walk.arm()
    assert walk.night.stretch is not None
    assert set(walk.night.stretch.armed.roles) == {"app", "reporting"}
    path = copied.pooler_ini()
    path.write_text(BROKEN + path.read_text())
    await two_windows_say_go(copied, walk)
    night = await walk.until(lambda now: now.writes_stopped is not None, PATIENCE_S)
    assert night.writes_stopped is not None
    assert "pool" in night.writes_stopped.missing
    assert (
        await copied.value(
            "old", "SELECT count(*) FROM pg_roles WHERE rolname = 'app' AND rolcanlogin"
        )
        == 0
    )
    path.write_text(path.read_text().removeprefix(BROKEN))
    await walk.until(reaches("moved"), PATIENCE_S)
    await copied.flows("new")
    await copied.box.stop_application()
    await walk.settle()
    verdict = await copied.box.compare()
    assert (verdict.lost, verdict.duplicated, verdict.failed) == (0, 0, 0), verdict.examples


async def two_windows_say_go(night: Rehearsed, walk: Walk) -> None:
    """Both had seen it armed: the first key is taken, the second refused."""
    assert walk.night.stretch is not None
    async with await connect(night.folder) as second:
        await second.caught_up()
        key = Go(id=new_id(), attempt=walk.night.stretch.attempt, seen_seq=walk.night.seq)
        await walk.go()
        await second.send(key)
        with pytest.raises(RefusedError, match=r"has changed since|under way already"):
            await second.until(lambda now: False, PATIENCE_S)
