"""The old and the new server of the armed sequence on real servers, one call after the other."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import pytest

from actions import source
from actions.armed_postgres import NewPostgres, OldPostgres
from actions.armed_protocols import Attempt, SequenceValue
from actions.cutover import Acts, Fence, acts, paused_steps
from connections.postgres import Session, connect
from profiles.errors import AnswerError
from profiles.profile import SecretRef, Server
from profiles.steps import Sql
from rehearsal.server import Server as Running
from tests.fix_actions import session
from tests.fix_servers import PASSWORD, Pair, StartServer

pytestmark = pytest.mark.live

ROLES = ("app", 'it\'s "x" \\', "reporting")
MAKE_ROLES = """
CREATE ROLE app LOGIN PASSWORD 'a'; CREATE ROLE "it's ""x"" \\" LOGIN; CREATE ROLE reporting LOGIN;
CREATE ROLE batch LOGIN PASSWORD 'b'; CREATE ROLE group_role NOLOGIN;
CREATE ROLE standby LOGIN REPLICATION"""
FENCE = Fence(roles=ROLES, exceptions=("batch",), wizard="postgres")
FENCED, OPEN = ["batch", "postgres", "standby"], sorted(["batch", "postgres", "standby", *ROLES])
SEQUENCES = ('public."Rück ""wärts"""', "public.never_used")
PATIENCE_S = 10.0


@pytest.fixture(scope="module")
def sides(old_and_new: Pair) -> Iterator[Pair]:
    """Two servers with helper tables and roles, without a replication between them."""
    asyncio.run(_furnish(old_and_new))
    yield old_and_new


async def _furnish(pair: Pair) -> None:
    for side in (pair.old, pair.new):
        async with session(side) as maintenance:
            await maintenance.run("CREATE DATABASE shop")
            await maintenance.run(MAKE_ROLES)
        async with session(side, "shop") as shop:
            helpers = source.helpers(side.name, "shop").commands[0]
            assert isinstance(helpers, Sql)
            await shop.run(helpers.text)
            await shop.run(
                'CREATE SEQUENCE public."Rück ""wärts""" INCREMENT -2 START -1;'
                " CREATE SEQUENCE public.never_used"
            )


class Attempts:
    """Both sides of one attempt after another, with everything they told."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.told: list[tuple[str, str]] = []
        self._open: list[OldPostgres | NewPostgres] = []

    def old(self, number: int, night: str = "night-1") -> OldPostgres:
        made = OldPostgres(the_acts(), Attempt(night, number), self.connect, self.ran)
        self._open.append(made)
        return made

    def new(self) -> NewPostgres:
        made = NewPostgres(the_acts(), Attempt("night-1", 1), self.connect, self.ran)
        self._open.append(made)
        return made

    async def connect(self, name: str, application: str, settings: Mapping[str, str]) -> Session:
        running = self.pair.old if name == "old" else self.pair.new
        choice = a_choice(running.name, running.port)
        return await connect(choice, "shop", PASSWORD, application=application, settings=settings)

    def ran(self, command: Sql, text: str, answer: str, took_ms: float) -> None:
        self.told.append((text, answer))

    async def close(self) -> None:
        for one in self._open:
            await one.close()


def the_acts() -> Acts:
    return acts(paused_steps("old", "new", "shop", FENCE, SEQUENCES))


def a_choice(name: str, port: int) -> Server:
    return Server(
        name=name,
        address="127.0.0.1",
        port=port,
        password=SecretRef(ask=True),
        country="NO",
        operated_by="us",
    )


@pytest.fixture
async def attempts(sides: Pair) -> AsyncIterator[Attempts]:
    made = Attempts(sides)
    yield made
    await made.close()
    async with session(sides.old, "shop") as shop:
        await shop.run(f"TRUNCATE nightferry.arbiter, nightferry.marker; {_logins('LOGIN')}")
        await shop.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
    async with session(sides.new, "shop") as shop:
        await shop.run(f"TRUNCATE nightferry.marker; {_logins('LOGIN')}")


def _logins(word: str) -> str:
    return f'ALTER ROLE app {word}; ALTER ROLE "it\'s ""x"" \\" {word}; ALTER ROLE reporting {word}'


async def may_log_in(running: Running) -> list[str]:
    query = 'SELECT array_agg(rolname::text ORDER BY rolname::text COLLATE "C") FROM pg_roles'
    async with session(running) as asked:
        return list(await asked.value(f"{query} WHERE rolcanlogin"))


async def states(running: Running) -> dict[int, str]:
    async with session(running, "shop") as asked:
        rows = await asked.rows("SELECT attempt, state FROM nightferry.arbiter")
    return {row[0]: row[1] for row in rows}


async def timers(running: Running) -> int:
    query = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE application_name = 'nightferry timer' AND state = 'active'"
    )
    async with session(running) as asked:
        return int(await asked.value(query))


async def no_timer_is_left(running: Running) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await timers(running):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_armed_it_stands_until_it_is_aborted_and_lifted(attempts: Attempts) -> None:
    old = attempts.old(1)
    assert not await old.timers_stand()
    await old.arm(30.0)
    assert await old.timers_stand()
    assert await states(attempts.pair.old) == {1: "armed"}
    await old.lift_timers()
    assert await old.timers_stand()  # an armed one is not ours to end
    await old.fence()
    assert await may_log_in(attempts.pair.old) == FENCED
    assert await old.abort()
    assert await old.abort()
    assert await may_log_in(attempts.pair.old) == OPEN
    assert not await old.timers_stand()
    await old.lift_timers()
    assert await timers(attempts.pair.old) == 0


async def test_an_attempt_is_armed_once(attempts: Attempts) -> None:
    await attempts.old(1).arm(30.0)
    with pytest.raises(AnswerError, match="duplicate key"):
        await attempts.old(1).arm(30.0)
    assert await attempts.old(1).abort()
    with pytest.raises(AnswerError, match="duplicate key"):
        await attempts.old(1).arm(30.0)


async def test_the_timers_of_a_dead_engine_are_lifted_too(attempts: Attempts) -> None:
    left = attempts.old(1)
    await left.arm(30.0)
    await left.close()
    again = attempts.old(1)
    assert not await again.timers_stand()
    assert await again.abort()
    await again.lift_timers()
    assert await timers(attempts.pair.old) == 0


ALONE = """
import asyncio, sys
from tests.live.test_actions_armed_postgres import Attempts
from tests.fix_servers import Pair
from rehearsal.server import Server
from pathlib import Path

async def main() -> None:
    server = Server("old", Path(), Path(), "")
    server.port = int(sys.argv[1])
    old = Attempts(Pair(server, server)).old(7)
    await old.arm(float(sys.argv[2]))
    await old.fence()
    print("fenced", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_the_timer_opens_it_again_when_its_engine_is_killed(attempts: Attempts) -> None:
    old = attempts.pair.old
    words = [sys.executable, "-c", ALONE, str(old.port), "1.0"]
    root, pipe = Path(__file__).parents[2], asyncio.subprocess.PIPE
    engine = await asyncio.create_subprocess_exec(*words, stdout=pipe, cwd=root)
    assert engine.stdout is not None
    try:
        assert await engine.stdout.readline() == b"fenced\n"
    finally:
        engine.kill()
        await engine.communicate()
    assert await may_log_in(old) == FENCED
    async with asyncio.timeout(PATIENCE_S):
        while await may_log_in(old) != OPEN:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert await states(old) == {7: "aborted"}
    assert not await attempts.old(7).turn()
    await no_timer_is_left(old)


async def test_the_timer_does_nothing_once_the_turn_is_won(attempts: Attempts) -> None:
    old = attempts.old(1)
    await old.arm(0.5)
    await old.fence()
    assert await old.turn()
    assert not await old.turn()
    assert not await old.abort()
    await no_timer_is_left(attempts.pair.old)
    assert await states(attempts.pair.old) == {1: "moved"}
    assert await may_log_in(attempts.pair.old) == FENCED


async def test_a_further_attempt_ends_the_one_before(attempts: Attempts) -> None:
    first, second = attempts.old(1), attempts.old(2)
    await first.arm(30.0)
    await second.arm(30.0)
    assert await states(attempts.pair.old) == {1: "aborted", 2: "armed"}
    assert not await first.timers_stand()
    assert await second.timers_stand()
    await second.fence()
    with pytest.raises(AnswerError, match="not armed any more"):
        await first.fence()
    assert not await first.turn()
    assert await first.abort()
    assert await may_log_in(attempts.pair.old) == FENCED
    assert await second.abort()
    assert await may_log_in(attempts.pair.old) == OPEN


async def test_without_a_row_there_is_no_fence_and_an_abort_stays(attempts: Attempts) -> None:
    old = attempts.old(1)
    with pytest.raises(AnswerError, match="not armed any more"):
        await old.fence()
    assert await may_log_in(attempts.pair.old) == OPEN
    assert await old.abort()
    assert await states(attempts.pair.old) == {1: "aborted"}
    with pytest.raises(AnswerError, match="duplicate key"):
        await attempts.old(1).arm(30.0)


@asynccontextmanager
async def a_client(running: Running, user: str, password: str) -> AsyncIterator[asyncpg.Connection]:
    client = await running.connect("shop", user, password)
    try:
        yield client
    finally:
        client.terminate()


async def test_the_fence_is_proven_by_who_is_left(attempts: Attempts) -> None:
    running, old = attempts.pair.old, attempts.old(1)
    await old.arm(30.0)
    async with (
        a_client(running, "app", "a") as app,
        a_client(running, "batch", "b") as batch,
    ):
        before = await old.strangers()
        assert f"client backend pid {app.get_server_pid()} of app from this server" in before
        assert {f"role {name} may log in" for name in ROLES} < set(before)
        assert not [it for it in before if "batch" in it or "standby" in it or "postgres" in it]
        await old.fence()
        await old.expel()
        async with asyncio.timeout(PATIENCE_S):
            while await old.strangers():  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        assert await old.timers_stand()
        assert await batch.fetchval("SELECT 1") == 1
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError)):
            await app.fetchval("SELECT 1")
    with pytest.raises(asyncpg.PostgresError, match="not permitted to log in"):
        await running.connect("shop", "app", "a")
    async with session(running) as operator:
        found = await old.strangers()
        assert found == [f"client backend pid {operator.pid} of postgres from 127.0.0.1"]
    assert any("pg_prepared_xacts" in text and answer == "" for text, answer in attempts.told)


async def test_a_prepared_transaction_is_a_stranger(start_server: StartServer) -> None:
    made = await start_server("old", 16, {"max_prepared_transactions": "2"})
    async with session(made) as one:
        await one.run("CREATE DATABASE shop")
        await one.run(MAKE_ROLES)
    mine = Attempts(Pair(made, made))
    async with session(made, "shop") as one:
        await one.run("CREATE TABLE public.a (a int)")
        await one.run("BEGIN; INSERT INTO public.a VALUES (1); PREPARE TRANSACTION 'later'")
    old = mine.old(1)
    assert "prepared transaction later" in await old.strangers()
    await mine.close()


async def test_a_subscription_that_writes_here_is_a_stranger(attempts: Attempts) -> None:
    pair, old = attempts.pair, attempts.old(1)
    async with session(pair.new, "shop") as new, session(pair.old, "shop") as here:
        await new.run("CREATE PUBLICATION elsewhere")
        await here.run(
            f"CREATE SUBSCRIPTION other CONNECTION 'host=127.0.0.1 port={pair.new.port}"
            f" dbname=shop user=postgres password=''{PASSWORD}''' PUBLICATION elsewhere"
        )
        async with asyncio.timeout(PATIENCE_S):
            while not any("logical replication" in it for it in await old.strangers()):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await here.run("DROP SUBSCRIPTION other")
        await new.run("DROP PUBLICATION elsewhere")


async def test_each_marker_is_a_new_one(attempts: Attempts) -> None:
    old, new = attempts.old(1), attempts.new()
    marker = await old.mark()
    assert marker != await old.mark()  # what an earlier call left proves nothing
    assert not await new.has(marker)
    async with session(attempts.pair.new, "shop") as there:
        await there.run(f"INSERT INTO nightferry.marker VALUES ('night-1', 'forward', '{marker}')")
    assert await new.has(marker)
    assert not await new.has(await attempts.old(2).mark())


async def test_sequences_are_carried_exactly(attempts: Attempts) -> None:
    old, new = attempts.old(1), attempts.new()
    async with session(attempts.pair.old, "shop") as here:
        await here.rows(f"SELECT nextval('{SEQUENCES[0]}'), nextval('{SEQUENCES[0]}')")
    found = await old.sequences()
    assert found == {SEQUENCES[0]: SequenceValue(-3, True), SEQUENCES[1]: SequenceValue(1, False)}
    await new.set_sequences(found)
    await new.set_sequences({})
    async with session(attempts.pair.new, "shop") as there:
        assert await there.value(f"SELECT nextval('{SEQUENCES[0]}')") == -5
        assert await there.value(f"SELECT nextval('{SEQUENCES[1]}')") == 1


async def test_the_new_server_is_open_when_an_application_role_may_log_in(
    attempts: Attempts,
) -> None:
    new = attempts.new()
    async with session(attempts.pair.new) as there:
        await there.run(f"{_logins('NOLOGIN')}; ALTER ROLE batch NOLOGIN; ALTER ROLE app SUPERUSER")
        assert not await new.is_open()
        await there.run("ALTER ROLE app LOGIN")
        assert not await new.is_open()  # a superuser that was there before writes as it likes
        await there.run("ALTER ROLE app NOSUPERUSER NOLOGIN; ALTER ROLE batch LOGIN")
        assert await new.is_open()
        await there.run("ALTER ROLE batch NOLOGIN")
    await new.open()
    await new.open()
    assert await new.is_open()
    assert await may_log_in(attempts.pair.new) == OPEN


async def test_a_session_that_was_lost_or_failed_is_replaced(attempts: Attempts) -> None:
    old = attempts.old(1)
    control = await old.session()
    async with session(attempts.pair.old) as operator:
        await operator.rows("SELECT pg_terminate_backend($1, 5000)", control.pid)
        async with asyncio.timeout(PATIENCE_S):
            while not control.lost:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
    assert not await old.turn()
    fresh = await old.session()
    assert fresh.pid != control.pid
    with pytest.raises(AnswerError):
        await old.fence()
    assert (await old.session()).pid != fresh.pid
    assert [text[:3] for text, answer in attempts.told if answer.startswith("error:")] == ["DO "]
