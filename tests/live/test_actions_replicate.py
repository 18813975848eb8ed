"""From an empty destination to one that follows, and back: each step of the route, on two servers.

All of it runs once, in the fixture; the tests look at what it came to. The last one undoes it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from connections.hosts import Hosts
from connections.sessions import Sessions
from engine.sampler import Sampler
from profiles.events import GateRead, LooseEndOpened, Planned, Sampled
from profiles.profile import Profile
from profiles.steps import Outcome, Step
from rehearsal.world import HBA, create_shop
from routes import postgres_logical
from routes.given import Given
from tests.fix_actions import ANight, a_night, given, moving, session, started, stopped
from tests.fix_servers import Pair, Templates
from tests.fix_ssh import Sshd

pytestmark = pytest.mark.live

LOUD = {
    "log_statement": "ddl",
    "log_min_duration_statement": "0",
    "log_transaction_sample_rate": "1",
    "track_activity_query_size": "20000",
}
APP_PASSWORD = "tr0ub4dor"

AWKWARD = '''
CREATE ROLE "O'Brien ""the"" \\ {x}" LOGIN PASSWORD 'irish';
ALTER ROLE "O'Brien ""the"" \\ {x}" VALID UNTIL '2040-01-01' CONNECTION LIMIT 3;
CREATE ROLE empty_path LOGIN BYPASSRLS NOINHERIT CREATEDB;
ALTER ROLE empty_path SET search_path = '';
ALTER ROLE empty_path SET datestyle = 'iso, dmy';
ALTER ROLE empty_path SET my.own = 'it''s';
ALTER ROLE "O'Brien ""the"" \\ {x}" SET search_path = "Lager", "a, b", "it's ""x""", public;
ALTER ROLE "O'Brien ""the"" \\ {x}" IN DATABASE shop SET search_path = '', "Lager";
CREATE ROLE standby LOGIN REPLICATION PASSWORD 'stand';
GRANT shop_writers TO empty_path WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;
GRANT shop_writers TO "O'Brien ""the"" \\ {x}" WITH ADMIN OPTION;
SET ROLE "O'Brien ""the"" \\ {x}";
GRANT shop_writers TO reporting WITH INHERIT FALSE, SET TRUE;
RESET ROLE;
GRANT shop_writers TO reporting WITH INHERIT TRUE, SET FALSE;
GRANT pg_monitor TO reporting;
COMMENT ON ROLE empty_path IS 'nothing''s found';
ALTER DATABASE shop OWNER TO shop_owner;
ALTER DATABASE shop SET work_mem = '7MB';
ALTER DATABASE shop SET search_path = "Lager", public;
ALTER DATABASE shop CONNECTION LIMIT 70;
REVOKE ALL ON DATABASE shop FROM PUBLIC, shop_owner;
GRANT CONNECT ON DATABASE shop TO app, reporting;
GRANT CONNECT, TEMPORARY ON DATABASE shop TO "O'Brien ""the"" \\ {x}" WITH GRANT OPTION;
CREATE SCHEMA "My Schema";
CREATE TABLE "My Schema"."T 1" (a int PRIMARY KEY, b int NOT NULL, c int);
CREATE INDEX "of c" ON "My Schema"."T 1" (c);
COMMENT ON INDEX "My Schema"."of c" IS 'found by c';
CREATE UNIQUE INDEX "of b" ON "My Schema"."T 1" (b);
COMMENT ON INDEX "My Schema"."of b" IS 'and by b';
ALTER TABLE "My Schema"."T 1" REPLICA IDENTITY USING INDEX "of b";
CREATE STATISTICS "My Schema"."b and c" ON b, c FROM "My Schema"."T 1";
COMMENT ON STATISTICS "My Schema"."b and c" IS 'together';
ALTER TABLE "My Schema"."T 1" ADD CONSTRAINT "c of b" FOREIGN KEY (c) REFERENCES "My Schema"."T 1";
COMMENT ON CONSTRAINT "c of b" ON "My Schema"."T 1" IS 'itself';
'''
IRISH = 'O\'Brien "the" \\ {x}'


@dataclass(frozen=True)
class Carried:
    """A destination that follows, and how it came to."""

    pair: Pair
    night: ANight
    given: Given
    steps: dict[str, Step]
    held_before: list[str]
    first: dict[str, Outcome]
    second: dict[str, Outcome]
    commands_at_first: int
    hba_before: str
    said_before: int
    """How many bytes the old server's log had before the first step."""

    def step(self, kind: str) -> Step:
        return next(step for name, step in self.steps.items() if name.startswith(kind + "@"))


@pytest.fixture(scope="module")
def carried(templates: Templates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Carried]:
    pair = started(templates, LOUD, HBA)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state with a blank")))
        with a_night(moving(pair, "shop")) as night:
            try:
                yield asyncio.run(_carry(pair, night))
            finally:
                stopped(pair)


async def _carry(pair: Pair, night: ANight) -> Carried:
    logins = {"app": APP_PASSWORD, "reporting": "finance"}
    await create_shop(pair.old, 500, logins)
    async with session(pair.old, "shop") as old:
        await old.run("SET log_statement = 'none'; SET log_min_duration_statement = -1")
        await old.run("SET log_transaction_sample_rate = 0; SET search_path = public")
        await old.run(AWKWARD)
    async with session(pair.new) as new:
        await new.run("CREATE ROLE reporting NOLOGIN PASSWORD 'of last year'")
        await new.run("ALTER ROLE reporting SET lock_timeout = 1")
    known = await given(night, pair)
    steps = postgres_logical.replicate(known)
    night.live.publish(Planned(phase="replication", steps=tuple(steps)))
    said_before = pair.old.log.stat().st_size
    hba = Path(known.facts.source.hba_file).read_text()
    held, first = [], {}
    for step in steps:
        held += [step.id] if await night.holds(step) else []
        first[step.id] = await night.runner.run(step)
        assert first[step.id] != "failed", night.ended(step).error
    ran = sum(len(night.commands(step)) for step in steps)
    second = {step.id: await night.runner.run(step) for step in steps}
    by_id = {step.id: step for step in steps}
    return Carried(pair, night, known, by_id, held, first, second, ran, hba, said_before)


async def _value(carried: Carried, side: str, query: str, database: str = "postgres") -> object:
    running = carried.pair.old if side == "old" else carried.pair.new
    async with session(running, database) as asked:
        return await asked.value(query)


def test_each_step_is_false_before_and_done_by_running_it(carried: Carried) -> None:
    assert {name: outcome for name, outcome in carried.first.items() if outcome != "done"} in (
        {},
        {"copied@new/shop": "already"},  # when the copy was faster than the question
    ), [carried.night.ended(step).error for step in carried.steps.values()]
    assert set(carried.held_before) <= {"copied@new/shop"}


def test_run_again_nothing_is_run_twice(carried: Carried) -> None:
    assert set(carried.second.values()) == {"already"}
    ran = sum(len(carried.night.commands(step)) for step in carried.steps.values())
    assert ran == carried.commands_at_first


def test_what_is_left_on_a_server_is_a_loose_end_once(carried: Carried) -> None:
    opened = [e.loose_end.id for e in carried.night.told if isinstance(e, LooseEndOpened)]
    assert sorted(opened) == sorted(
        step.leaves.id for step in carried.steps.values() if step.leaves is not None
    )


ROLES = """\
SELECT string_agg(concat_ws('|', rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb,
    rolreplication, rolbypassrls, rolconnlimit, rolvaliduntil, rolpassword,
    (SELECT array_agg(one ORDER BY one) FROM unnest(s.setconfig) AS one),
    shobj_description(a.oid, 'pg_authid')), E'\\n' ORDER BY rolname COLLATE "C")
  FROM pg_authid a LEFT JOIN pg_db_role_setting s ON s.setrole = a.oid AND s.setdatabase = 0
  WHERE rolname !~ '^(pg_|postgres$|nightferry)'"""
MEMBERS = """\
SELECT string_agg(DISTINCT concat_ws('|', g, m, adm, inh, st), E'\\n') FROM (
  SELECT pg_get_userbyid(roleid) AS g, pg_get_userbyid(member) AS m, bool_or(admin_option) AS adm,
      bool_or(inherit_option) AS inh, bool_or(set_option) AS st
    FROM pg_auth_members GROUP BY 1, 2) AS x WHERE g !~ '^pg_' AND m !~ '^nightferry'"""
DATABASE = """\
SELECT concat_ws('|', pg_get_userbyid(datdba), datconnlimit,
    shobj_description(d.oid, 'pg_database'), pg_encoding_to_char(encoding), datcollate, datctype,
    (SELECT string_agg(concat_ws(' ', pg_get_userbyid(grantee), privilege_type, is_grantable), ', '
      ORDER BY pg_get_userbyid(grantee), privilege_type) FROM aclexplode(datacl)
      WHERE pg_get_userbyid(grantee) <> 'nightferry_repl'),
    (SELECT string_agg(concat_ws(' ', r.rolname, one), ', ' ORDER BY r.rolname, one)
      FROM pg_db_role_setting LEFT JOIN pg_roles r ON r.oid = setrole, unnest(setconfig) AS one
      WHERE setdatabase = d.oid))
  FROM pg_database d WHERE datname = 'shop'"""


@pytest.mark.parametrize("query", [ROLES, MEMBERS, DATABASE], ids=["roles", "members", "database"])
async def test_roles_and_database_arrive_as_they_were(carried: Carried, query: str) -> None:
    before = await _value(carried, "old", query)
    assert before
    assert await _value(carried, "new", query) == before


async def test_nobody_of_the_application_can_log_in_until_it_is_opened(carried: Carried) -> None:
    open_ = "SELECT array_agg(rolname::text ORDER BY 1) FROM pg_roles WHERE rolcanlogin"
    assert await _value(carried, "new", open_) == ["postgres", "standby"]
    with pytest.raises(Exception, match="not permitted to log in"):
        await carried.pair.new.connect("shop", "app", APP_PASSWORD)


async def test_the_passwords_are_good_once_it_is_opened(carried: Carried) -> None:
    async with session(carried.pair.new) as new:
        await new.run('ALTER ROLE app LOGIN; ALTER ROLE "O\'Brien ""the"" \\ {x}" LOGIN')
        for user, password in (("app", APP_PASSWORD), (IRISH, "irish")):
            client = await carried.pair.new.connect("shop", user, password)
            assert await client.fetchval("SELECT current_user") == user
            await client.close()
        await new.run('ALTER ROLE app NOLOGIN; ALTER ROLE "O\'Brien ""the"" \\ {x}" NOLOGIN')


def test_tables_keys_and_identities_come_first_and_the_rest_later(carried: Carried) -> None:
    folder = carried.given.folder / "schema"
    first, later = ((folder / name).read_text() for name in ("first.list", "later.list"))
    for entry in (
        " TABLE public orders ",
        " CONSTRAINT public orders orders_pkey ",
        " INDEX Lager stock by sku ",
        " INDEX My Schema of b ",
        " CONSTRAINT public customers customers_email_key ",
        " MATERIALIZED VIEW public Umsatz je Tag ",
    ):
        assert entry in first
        assert entry not in later
    for entry in (
        " INDEX public orders_ref ",
        " INDEX My Schema of c ",
        " INDEX ATTACH public payments_2024_ref_idx ",
        " FK CONSTRAINT public orders ",
        " TRIGGER Lager stock note move ",
        " STATISTICS My Schema b and c ",
        ' COMMENT My Schema INDEX "of c" ',
    ):
        assert entry in later, later
        assert entry not in first
    everything = (folder / "all.list").read_text().splitlines()
    assert sorted(everything) == sorted((first + later).splitlines())


SCHEMA = """\
SELECT md5(string_agg(it, E'\\n' ORDER BY it COLLATE "C")) FROM (
  SELECT pg_get_indexdef(indexrelid) || indisreplident AS it FROM pg_index
    WHERE indrelid >= 16384 AND indrelid::regclass::text !~ 'nightferry|pg_toast'
  UNION ALL SELECT conrelid::regclass || conname || pg_get_constraintdef(oid) FROM pg_constraint
    WHERE conrelid >= 16384 AND contype <> 'n' AND conrelid::regclass::text !~ 'nightferry'
  UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
  UNION ALL SELECT objoid::regclass::text || description FROM pg_description
    WHERE classoid = 'pg_class'::regclass AND objoid >= 16384
  UNION ALL SELECT obj_description(oid, 'pg_statistic_ext') FROM pg_statistic_ext) AS s"""


async def test_the_whole_schema_is_there_in_the_end(carried: Carried) -> None:
    before = await _value(carried, "old", SCHEMA, "shop")
    assert await _value(carried, "new", SCHEMA, "shop") == before


async def test_the_rows_are_there_and_new_ones_follow(carried: Carried) -> None:
    async with session(carried.pair.old, "shop") as old, session(carried.pair.new, "shop") as new:
        await old.run('INSERT INTO "My Schema"."T 1" VALUES (1, 2, 1)')
        async with asyncio.timeout(10):
            while not await new.value('SELECT count(*) FROM "My Schema"."T 1"'):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        for table in ("public.customers", "public.payments", '"Lager".stock'):
            count = f"SELECT count(*) FROM {table}"
            assert await new.value(count) == await old.value(count) > 0


async def test_indexes_that_failed_in_the_middle_are_made_anew(carried: Carried) -> None:
    later = carried.step("indexes")
    async with session(carried.pair.new, "shop") as new:
        await new.run(
            "DROP INDEX public.payments_ref; DROP INDEX public.orders_open;"
            " ALTER TABLE public.orders DROP CONSTRAINT orders_customer_fkey;"
            ' DROP TRIGGER "note move" ON "Lager".stock'
        )
    assert await carried.night.runner.run(later) == "done", carried.night.ended(later).error
    await test_the_whole_schema_is_there_in_the_end(carried)


async def test_an_index_half_made_is_no_evidence(carried: Carried) -> None:
    later = carried.step("indexes")
    async with session(carried.pair.new, "shop") as new:
        await new.run(
            "UPDATE pg_catalog.pg_index SET indisvalid = false"
            " WHERE indexrelid = 'public.orders_open'::regclass"
        )
        assert not await carried.night.holds(later)
        assert await carried.night.runner.run(later) == "done"


async def test_no_secret_is_in_a_servers_log_nor_in_the_journal(carried: Carried) -> None:
    async with session(carried.pair.new, "shop") as new:
        conninfo = str(await new.value("SELECT subconninfo FROM pg_subscription"))
    async with session(carried.pair.old) as old:
        verifiers = await old.rows("SELECT rolpassword FROM pg_authid WHERE rolpassword <> ''")
    password = re.search(r"password='?([\w-]+)", conninfo)
    assert password is not None
    secrets = [password[1], APP_PASSWORD, *(str(row[0])[:40] for row in verifiers)]
    assert len(secrets) >= 6
    journal = carried.night.live.journal_path.read_text()
    old_log = carried.pair.old.log.read_bytes()[carried.said_before :].decode()
    for place in (old_log, carried.pair.new.log.read_text(), journal):
        assert "REPLICA IDENTITY USING INDEX" in place or "CREATE PUBLICATION" in place
        at = [place.index(secret) for secret in secrets if secret in place]
        assert [place[one - 300 : one] for one in at] == []
        assert "SCRAM-SHA-256$" not in place


async def test_lag_and_progress_are_measured_while_it_follows(carried: Carried) -> None:
    await _measured(carried, carried.night.profile)


async def test_lag_is_measured_through_tunnels_too_and_goes_on_after_a_cut(
    carried: Carried, sshd: Sshd, trusted: Path
) -> None:
    near = carried.night.profile
    far = {
        side: msgspec.structs.replace(server, host=sshd.host(), by_tunnel=True)
        for side, server in (("source", near.source), ("destination", near.destination))
    }
    await _measured(carried, msgspec.structs.replace(near, **far), sshd)


async def _measured(carried: Carried, profile: Profile, sshd: Sshd | None = None) -> None:
    """A sampler's readings while it runs, and nothing of it afterwards."""
    night = carried.night
    hosts = Hosts(profile, night.passwords)
    measuring = Sampler(night.live, Sessions(profile, night.passwords, hosts))
    before = len(night.told)
    measuring.follow()
    await _sampled(night, before, lambda it: it.behind_s is not None)
    told = night.told[before:]
    assert [it.trouble for it in told if isinstance(it, Sampled) and it.trouble] == []
    gates = [it.gate for it in told if isinstance(it, GateRead)]
    assert gates[0] == "behind"
    if sshd is not None:
        cut = len(night.told)
        sshd.cut()
        await _sampled(night, cut, lambda it: "the session ended" in it.trouble)
        await _sampled(night, len(night.told), lambda it: it.behind_s is not None)
    await measuring.stop()
    await hosts.close()
    ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'nightferry sampler'"
    async with asyncio.timeout(10):
        while await _value(carried, "old", ours) or await _value(carried, "new", ours):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def _sampled(night: ANight, since: int, holds: Callable[[Sampled], bool]) -> None:
    async with asyncio.timeout(10):
        while not any(isinstance(it, Sampled) and holds(it) for it in night.told[since:]):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_undone_nothing_of_ours_is_on_either_server(carried: Carried) -> None:
    night = carried.night
    undoing = postgres_logical.settle(carried.given)
    assert [step.id.split("@")[0] for step in undoing] == [
        "undo-subscription",
        "undo-helpers",
        "undo-helpers",
        "undo-slot",
        "undo-publication",
        "undo-role",
        "undo-hba",
    ]
    assert not any([await night.holds(step) for step in undoing])
    outcomes = dict(zip(undoing, await night.runs(*undoing), strict=True))
    already = [step.id for step, outcome in outcomes.items() if outcome == "already"]
    assert already == ["undo-slot@old/shop"]  # it went with its subscription
    assert set(outcomes.values()) == {"done", "already"}, [night.ended(s).error for s in undoing]
    assert all([await night.holds(step) for step in undoing])
    assert night.live.state.open_loose_ends() == []
    assert set(await night.runs(*undoing)) == {"already"}
    left = """\
SELECT (SELECT count(*) FROM pg_roles WHERE rolname LIKE 'nightferry%')
     + (SELECT count(*) FROM pg_namespace WHERE nspname = 'nightferry')
     + (SELECT count(*) FROM pg_publication) + (SELECT count(*) FROM pg_replication_slots)
     + (SELECT count(*) FROM pg_subscription) + (SELECT count(*) FROM pg_replication_origin)
     + (SELECT count(*) FROM pg_hba_file_rules WHERE 'nightferry_repl' = ANY (user_name))"""
    assert await _value(carried, "old", left, "shop") == 0
    assert await _value(carried, "new", left, "shop") == 0
    assert Path(carried.given.facts.source.hba_file).read_text() == carried.hba_before
