"""Single steps on one real server: settings, restart, door, slot, sequences, what is logged."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actions import replication, source
from actions.cutover import SET_SEQUENCES, read_sequences, sequence_values
from actions.heartbeat import beat
from actions.postgres import body, quiet
from actions.scram import scram_verifier
from connections.quoting import quote_ident
from engine import runner
from profiles.events import Progressed
from profiles.profile import Profile
from profiles.steps import Sql, Step, fill, settling
from rehearsal.server import Server as Running
from tests.fix_actions import ANight, a_night, moving, session
from tests.fix_connections import Lab
from tests.fix_servers import Pair, StartServer

pytestmark = pytest.mark.live

LOUD = {"log_statement": "all", "log_min_duration_statement": "0", "log_error_verbosity": "verbose"}
PATIENCE_S = 10.0


@pytest.fixture
async def old(start_server: StartServer) -> Running:
    return await start_server("old", 16, LOUD)


@pytest.fixture
def night(old: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ANight]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with a_night(moving(Pair(old, old), "postgres")) as begun:
        yield begun


def a_door(profile: Profile, database: str, hba: Path, *, dumps: bool = False) -> Step:
    return source.open_door(
        *(profile.source, profile.destination, database, str(hba)),
        tls=False,
        address="127.0.0.1",
        dumps=dumps,
    )


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_setting_that_needs_a_restart_and_its_way_back(
    old: Running, night: ANight, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "SETTLE_S", 0.2)
    setting = source.alter_system("old", "wal_level", "replica", None, at_restart=True)
    slots = source.alter_system("old", "max_replication_slots", "17", "11", at_restart=True)
    restart = source.restart("old", {"wal_level": "replica", "max_replication_slots": "17"})
    async with session(old) as asked:
        await asked.rows("ALTER SYSTEM SET max_replication_slots = 11")
    assert not await night.holds(setting)
    assert await night.runs(setting, slots, setting) == ["done", "done", "already"]
    assert not await night.holds(restart)
    assert await night.runner.done_by_hand(restart) == "failed"
    assert "logical" in night.ended(restart).error
    await old.restart()
    assert await night.runner.done_by_hand(restart) == "by-hand"
    assert await night.runs(settling(setting), settling(slots)) == ["done", "done"]
    assert night.live.state.open_loose_ends() == []
    async with session(old) as asked:
        left = await asked.rows(
            "SELECT name, setting FROM pg_file_settings WHERE sourcefile LIKE '%auto.conf'"
        )
    assert [tuple(row) for row in left] == [("max_replication_slots", "11")]


async def test_by_hand_is_over_also_when_the_server_cannot_be_asked(
    old: Running, night: ANight
) -> None:
    restart = source.restart("old", {"wal_level": "logical"})
    await old.stop()
    assert await night.runner.done_by_hand(restart) == "failed"
    assert not night.live.state.state_of(restart.id).running
    assert "cannot" in night.ended(restart).error or "refused" in night.ended(restart).error


@pytest.mark.parametrize("name", ["shop", "all", "Ein Laden", 'it\'s "x", #1', "größe", "+a"])
async def test_the_door_is_for_that_database_whatever_its_name(
    old: Running, night: ANight, name: str
) -> None:
    hba = old.data / "pg_hba.conf"
    before = hba.read_text()
    profile = night.profile
    door = a_door(profile, name, hba)
    assert await night.runs(door, door) == ["done", "already"], night.ended(door).error
    line = source.hba_line(name, "127.0.0.1", tls=False)
    assert hba.read_text() == f"{line}\n{before}"
    assert await night.runs(settling(door)) == ["done"]
    assert hba.read_text() == before


@pytest.mark.parametrize("name", ["shop", "all", 'it\'s "x", #1'])
async def test_the_door_for_a_dump_leaves_the_operators_own_line_alone(
    old: Running, night: ANight, name: str
) -> None:
    hba = old.data / "pg_hba.conf"
    own = source.dump_line(name, "postgres", "127.0.0.1", tls=False).partition(" # night")[0]
    before = f"# caf\udce9\n{own}\n{hba.read_text()}"
    hba.write_text(before, errors="surrogateescape")
    door = a_door(night.profile, name, hba, dumps=True)
    assert not await night.holds(door)
    assert await night.runs(door, door) == ["done", "already"], night.ended(door).error
    assert hba.read_text(errors="surrogateescape") == "".join(
        [
            source.hba_line(name, "127.0.0.1", tls=False) + "\n",
            source.dump_line(name, "postgres", "127.0.0.1", tls=False) + "\n",
            before,
        ]
    )
    assert await night.runs(settling(door)) == ["done"], night.ended(settling(door)).error
    assert hba.read_text(errors="surrogateescape") == before


async def test_a_line_that_the_server_has_not_read_is_no_open_door(
    old: Running, night: ANight
) -> None:
    hba = old.data / "pg_hba.conf"
    profile = night.profile
    door = a_door(profile, "shop", hba)
    line = source.hba_line("shop", "127.0.0.1", tls=False)
    other = line.replace("127.0.0.1/32", "10.9.8.7/32")
    hba.write_text(other + "\n" + hba.read_text())
    assert not await night.holds(door)
    hba.write_text(line + "\n" + hba.read_text())
    now = time.time()  # the server reads a file's time in whole seconds
    os.utime(hba, (now + 5, now + 5))
    assert not await night.holds(door)
    os.utime(hba, (now - 5, now - 5))
    async with session(old) as asked:
        await asked.run("SELECT pg_reload_conf()")
    async with asyncio.timeout(PATIENCE_S):
        while not await night.holds(door):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_the_replication_role_may_connect_where_nobody_may(
    old: Running, night: ANight
) -> None:
    role = source.replication_role("old", "mine")
    acl = "SELECT datacl::text FROM pg_database WHERE datname = 'mine'"
    async with session(old) as asked:
        await asked.run("CREATE DATABASE mine")
        assert await night.runs(role, settling(role)) == ["done", "done"]
        assert await asked.value(acl) is None
        await asked.run("REVOKE CONNECT ON DATABASE mine FROM PUBLIC")
        before = await asked.value(acl)
        assert await night.runs(role) == ["done"]
        assert "nightferry_repl=c/" in str(await asked.value(acl))
        assert await night.runs(settling(role)) == ["done"]
        assert await asked.value(acl) == before


async def test_the_slot_waits_for_who_writes_says_so_and_goes_on(
    old: Running, night: ANight, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "MEANWHILE_S", 0.05)
    slot = replication.make_slot("old", "postgres", 10.0)
    writer = await old.connect()
    transaction = writer.transaction()
    await transaction.start()
    await writer.execute("CREATE TABLE busy (a int); INSERT INTO busy VALUES (1)")
    making = asyncio.create_task(night.runner.run(slot))
    await until(lambda: _blocker(night) is not None)
    assert f"pid {writer.get_server_pid()} (postgres, open" in str(_blocker(night))
    await transaction.commit()
    assert await making == "done"
    assert await night.runs(slot, settling(slot)) == ["already", "done"]
    await writer.close()


def _blocker(night: ANight) -> str | None:
    said = [it.detail for it in night.told if isinstance(it, Progressed)]
    return next((it for it in said if "waiting for pid" in it), None)


async def test_a_slot_that_is_given_up_leaves_nothing(
    old: Running, night: ANight, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "MEANWHILE_S", 0.05)
    slot = replication.make_slot("old", "postgres", 10.0)
    writer = await old.connect()
    await writer.execute("BEGIN; CREATE TABLE busy (a int)")
    making = asyncio.create_task(night.runner.run(slot))
    await until(lambda: _blocker(night) is not None)
    assert night.runner.cancel()
    assert await making == "failed"
    assert night.ended(slot).error == "cancelled by the operator"
    async with session(old) as asked, asyncio.timeout(PATIENCE_S):
        while await asked.value("SELECT count(*) FROM pg_replication_slots"):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await writer.close()
    assert [end.loose_end.id for end in night.live.state.open_loose_ends()] == [slot.id]
    assert await night.runs(settling(slot)) == ["already"]
    assert night.live.state.open_loose_ends() == []


async def test_a_slot_of_another_database_is_not_ours(old: Running, night: ANight) -> None:
    async with session(old) as asked:
        await asked.run("CREATE DATABASE other")
    async with session(old, "other") as asked:
        await asked.run("SELECT pg_create_logical_replication_slot('nightferry', 'pgoutput')")
    assert await night.runs(replication.make_slot("old", "postgres", 5.0)) == ["failed"]


async def test_a_verifier_of_ours_lets_its_password_in(old: Running) -> None:
    password = "pa'ss wörd".encode("ascii", "replace").decode()
    async with session(old) as asked:
        verifier = scram_verifier(password)
        await asked.run(f"CREATE ROLE someone LOGIN PASSWORD '{verifier}'")
        stored = await asked.value("SELECT rolpassword FROM pg_authid WHERE rolname = 'someone'")
        assert stored == verifier
    client = await old.connect("postgres", "someone", password)
    assert await client.fetchval("SELECT current_user") == "someone"
    await client.close()
    with pytest.raises(Exception, match="password authentication failed"):
        await old.connect("postgres", "someone", password + "x")


async def test_what_a_quiet_session_says_is_seen_nowhere(old: Running, night: ANight) -> None:
    secret = "SCRAM-SHA-256$4096:b3duIHdvcmRz$Zm9yIGEgdGVzdA==:b25seQ=="

    def sql(text: str) -> Sql:
        return Sql(server="old", database="postgres", text=text)

    broken = f"CREATE ROLE another PASSWORD '{secret}' IN ROLE nobody_there;"
    async with night.hands.at_work() as work:
        await work.do(quiet("old", "postgres"), {})
        await work.do(sql(f"CREATE ROLE someone PASSWORD '{secret}'"), {})
        async with session(old) as asked:
            seen = await asked.rows("SELECT query FROM pg_stat_activity")
        with pytest.raises(Exception, match="nobody_there"):
            await work.do(sql(body(broken)), {})
        with pytest.raises(Exception, match="already exists"):
            await work.do(sql(f"CREATE ROLE someone PASSWORD '{secret}'"), {})
    assert secret not in repr(seen)
    log = old.log.read_text()
    assert "nobody_there" in log
    assert "pg_stat_activity" in log
    assert secret not in log


async def test_a_heartbeat_is_one_row_a_direction(old: Running, night: ANight) -> None:
    assert await night.runs(source.helpers("old", "postgres")) == ["done"]
    async with session(old) as asked:
        await beat(asked, "n-1")
        first = await asked.value("SELECT at FROM nightferry.heartbeat")
        await beat(asked, "n-1")
        await beat(asked, "n-1", "back")
        rows = await asked.rows("SELECT direction, at > $1 FROM nightferry.heartbeat", first)
    assert sorted(map(tuple, rows)) == [("back", True), ("forward", True)]


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=15)
LIMIT = 2**63


async def test_sequences_stand_exactly_where_they_stood(old: Running) -> None:
    made = {
        "descending": "INCREMENT -3 MINVALUE -9223372036854775808 START -1",
        "never called": "",
        'it\'s "x"': "START 5 CACHE 20",
        "at the end": "MAXVALUE 7 CYCLE",
    }
    async with session(old) as one:
        await one.run("CREATE TABLE public.owned (a serial, b int GENERATED ALWAYS AS IDENTITY)")
        for name, how in made.items():
            await one.run(f"CREATE SEQUENCE public.{quote_ident(name)} {how}")
        names = [f"public.{quote_ident(name)}" for name in (*made, "owned_a_seq", "owned_b_seq")]
        wanted = {
            names[0]: (-LIMIT, True),
            names[1]: (1, False),
            names[2]: (LIMIT - 1, False),
            names[3]: (7, True),
            names[4]: (12, True),
            names[5]: (1, True),
        }
        await one.rows(fill(SET_SEQUENCES, ("values",), {"values": sequence_values(wanted)}))
        rows = await one.rows(read_sequences(names))
        assert {row[0]: (row[1], row[2]) for row in rows} == wanted
        assert await one.rows(read_sequences([])) == []


@given(st.dictionaries(NAMES, st.tuples(st.integers(-LIMIT, LIMIT - 1), st.booleans()), min_size=1))
@settings(max_examples=60, deadline=None)
def test_any_name_and_value_reads_as_it_was_written(
    lab: Lab, wanted: dict[str, tuple[int, bool]]
) -> None:
    with psycopg.connect(
        host="127.0.0.1", port=lab.running.port, user="postgres", password=lab.running.password
    ) as link:
        values = sequence_values(wanted)
        rows = link.execute(f"SELECT * FROM (VALUES {values}) AS s".encode()).fetchall()
        assert {name: (last, called) for name, last, called in rows} == wanted
