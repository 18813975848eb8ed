"""Verdicts on what was seen, for states that are hard to bring about on a real server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from checks import counts, tools
from checks.capacity import judged as judged_capacity
from checks.check import HERE, Look
from checks.consumers import judged_databases
from checks.counts import Counted
from checks.destination import judged_extensions
from checks.facts import TableSequence
from checks.ini import includes, pool_line
from checks.progress import CopyProgress, TableProgress, share
from checks.roles import judged_roles, part_of
from checks.sequences import Value, behind, values_query
from checks.servers import dotted, judged_version
from checks.tools import ClientTools, chosen, folders, judged_tools, read_tools
from checks.verify import judged_objects
from connections.host import Ran
from profiles.profile import LocalHost, ReplicationTunnel, SshHost
from tests.fix_looks import (
    A_PROFILE,
    MadeUpMachine,
    MadeUpSession,
    a_profile,
    a_server,
    answered,
    finding,
)

TUNNEL = ReplicationTunnel(login="ferry@db1", comes_from="10.0.0.9")


@pytest.mark.parametrize(
    ("version_num", "verdict", "words"),
    [
        (90624, "stop", "physical replication"),
        (100023, "stop", "not supported yet"),
        (150008, "stop", "not supported yet"),
        (160014, "pass", ""),
        (170011, "pass", ""),
        (180004, "pass", ""),
        (190000, "warn", "Newer"),
    ],
)
def test_versions(version_num: int, verdict: str, words: str) -> None:
    said = judged_version(version_num)
    assert said.verdict == verdict
    assert words in said.says + said.todo


def test_a_version_before_10_is_told_what_works_instead() -> None:
    said = judged_version(90624)
    assert said.figure == "PostgreSQL 9.6.24"
    assert "pg_dump" in said.todo
    assert dotted(160014) == "16.14"


async def test_a_standby_is_no_source() -> None:
    session = MadeUpSession({"pg_is_in_recovery": [{"in_recovery": True}]})
    found = await finding(Look(A_PROFILE, {"source": session}), "pg.standby", "old")
    assert found.verdict == "stop"


@pytest.mark.parametrize(("apart_s", "verdict"), [(0.5, "pass"), (9.0, "warn"), (-9.0, "warn")])
async def test_clocks(apart_s: float, verdict: str) -> None:
    class Clock(MadeUpSession):
        async def value(self, sql: str, *args: object, deadline_s: float = 10.0) -> Any:
            return datetime.now(UTC) + timedelta(seconds=ahead[self.server])

    ahead = {"old": 100.0, "new": 100.0 + apart_s}
    sides = {"source": Clock({}), "destination": Clock({}, server="new")}
    found = await finding(Look(A_PROFILE, sides), "pg.clock")
    assert found.verdict == verdict
    assert found.figure.startswith(f"{abs(apart_s):.2f}")


@pytest.mark.parametrize(
    ("address", "encrypted", "rehearsal", "verdict"),
    [
        ("10.0.0.1", False, False, "warn"),
        ("10.0.0.1", True, False, "pass"),
        ("10.0.0.1", False, True, "note"),
        ("127.0.0.1", False, False, "note"),
        ("/run/postgresql", False, False, "note"),
    ],
)
async def test_tls(address: str, encrypted: bool, rehearsal: bool, verdict: str) -> None:
    old = a_server("old", 5432, address=address)
    profile = a_profile(old, a_server("new", 5433), rehearsal=rehearsal)
    look = Look(profile, {"source": MadeUpSession({}, encrypted=encrypted)})
    assert (await finding(look, "pg.tls", "old")).verdict == verdict


@pytest.mark.parametrize(
    ("tunnel", "encrypted", "old", "new"),
    [(None, False, "warn", "note"), (TUNNEL, False, "note", "note"), (None, True, "pass", "pass")],
)
async def test_tls_where_our_sessions_go_through_ssh(
    tunnel: ReplicationTunnel | None, encrypted: bool, old: str, new: str
) -> None:
    far: dict[str, Any] = {"address": "127.0.0.1", "host": SshHost(ssh="db"), "by_tunnel": True}
    source = a_server("old", 5432, replication_tunnel=tunnel, **far)
    session = MadeUpSession({}, encrypted=encrypted)
    look = Look(
        a_profile(source, a_server("new", 5433, **far)), {"source": session, "destination": session}
    )
    assert (await finding(look, "pg.tls", "old")).verdict == old
    assert (await finding(look, "pg.tls", "new")).verdict == new


@pytest.mark.parametrize(
    ("setting", "waits", "verdict"),
    [("logical", False, "pass"), ("replica", False, "stop"), ("replica", True, "stop")],
)
async def test_wal_level(setting: str, waits: bool, verdict: str) -> None:
    row = {"name": "wal_level", "setting": setting, "pending_restart": waits}
    look = Look(A_PROFILE, {"source": MadeUpSession({"pg_settings": [row]})})
    found = await finding(look, "pg.wal_level")
    assert found.verdict == verdict
    assert found.remedy == (None if verdict == "pass" else "wal_level@old")
    assert ("Restart the source" in found.todo) is waits


@pytest.mark.parametrize(
    ("allowed", "used", "ours", "verdict"),
    [
        (10, 0, 0, "pass"),
        (10, 8, 1, "pass"),
        (3, 1, 0, "warn"),
        (1, 0, 0, "stop"),
        (0, 0, 0, "stop"),
    ],
)
def test_capacity(allowed: int, used: int, ours: int, verdict: str) -> None:
    answer = answered([{"allowed": allowed, "used": used, "ours": ours}])
    said = judged_capacity(answer, "max_wal_senders", "WAL senders", 2, "max_wal_senders@old")
    assert said.verdict == verdict
    wanted = ("max_wal_senders@old", str(used - ours + 3))
    assert (said.remedy, said.wants) == ((None, "") if verdict == "pass" else wanted)


def test_other_databases_by_sessions_that_came_and_went() -> None:
    def row(name: str, ever: int, now: int, maintenance: bool = False) -> dict[str, object]:
        return {
            "name": name,
            "sessions_ever": ever,
            "sessions_now": now,
            "maintenance": maintenance,
        }

    quiet = [row("shop", 7, 0), row("postgres", 3, 0, True)]
    ours = [row("shop", 7, 0), row("postgres", 9, 0, True)]
    assert judged_databases(answered(quiet), answered(ours)).verdict == "pass"
    for busy in ([row("shop", 8, 0)], [row("shop", 7, 1)], [row("postgres", 3, 1, True)]):
        assert judged_databases(answered(quiet), answered(busy)).verdict == "stop"


def role(name: str, *, login: bool = True, superuser: bool = False, **more: bool) -> dict[str, Any]:
    replication = more.get("replication", False)
    return {"name": name, "login": login, "superuser": superuser, "replication": replication}


def test_whom_the_fence_closes() -> None:
    def part(one: dict[str, Any]) -> str:
        return part_of(one, "postgres", ["batch"])

    assert part(role("app")) == "application"
    assert part(role("boss", superuser=True, replication=True)) == "superuser"
    assert part(role("postgres", superuser=True)) == "wizard"
    assert part(role("standby", replication=True)) == "replication"
    assert part(role("nightferry_repl")) == "replication"
    assert part(role("batch")) == "may still write"
    assert part(role("owner", login=False)) == "no login"


def test_application_roles() -> None:
    roles = answered([role("app"), role("postgres", superuser=True), role("batch")])
    plain = judged_roles(roles, "postgres", [])
    assert plain.verdict == "pass"
    assert plain.figure == "2 roles to be fenced: app, batch"
    assert judged_roles(roles, "postgres", ["batch"]).verdict == "note"
    assert judged_roles(roles, "postgres", ["gone"]).verdict == "stop"
    nobody = answered([role("postgres", superuser=True)])
    assert judged_roles(nobody, "postgres", []).verdict == "warn"


@pytest.mark.parametrize(
    ("used", "versions", "verdict"),
    [
        ({"vector": "0.8"}, {"vector": ["0.7", "0.8"]}, "pass"),
        ({"vector": "0.8"}, {"vector": ["0.9"]}, "note"),
        ({"vector": "0.8"}, {}, "stop"),
        ({"pg_cron": "1.6"}, {"pg_cron": ["1.6"]}, "warn"),
    ],
)
def test_extensions(used: dict[str, str], versions: dict[str, list[str]], verdict: str) -> None:
    old = [{"name": name, "version": version} for name, version in used.items()]
    new = [{"name": name, "versions": which} for name, which in versions.items()]
    assert judged_extensions(answered(old), answered(new)).verdict == verdict


def fingerprints(**found: str) -> Any:
    return answered(
        [{"kind": kind, "name": "x", "fingerprint": value} for kind, value in found.items()]
    )


def test_a_difference_in_text_alone_across_majors_is_only_a_warning() -> None:
    old, new = fingerprints(view="1", column="1"), fingerprints(view="2", column="1")
    assert judged_objects(old, new, same_major=False).verdict == "warn"
    assert judged_objects(old, new, same_major=True).verdict == "stop"
    changed = fingerprints(view="1", column="2")
    assert judged_objects(old, changed, same_major=False).verdict == "stop"
    assert judged_objects(old, fingerprints(view="1"), same_major=False).verdict == "stop"
    assert judged_objects(fingerprints(view="1"), old, same_major=False).verdict == "warn"
    assert judged_objects(old, old, same_major=False).verdict == "pass"


def test_counts_that_lie_between_two_of_the_source_are_right() -> None:
    assert Counted("t", 10, 12, 11).right
    assert not Counted("t", 10, 12, 13).right
    assert not Counted("t", 10, 12, 9).right
    right, wrong = Counted("t", 5, 5, 5), Counted("t", 5, 5, 4)
    assert counts.judged([right], []).verdict == "pass"
    assert counts.judged([right, wrong], []).verdict == "stop"
    assert counts.judged([right], ["huge"]).verdict == "unknown"
    assert "huge" in counts.judged([right], ["huge"]).says


async def test_a_count_waits_for_what_is_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "WAITS_S", (0.0, 0.001))
    there = iter([7, 9])

    class Growing(MadeUpSession):
        async def value(self, sql: str, *args: object, deadline_s: float = 10.0) -> Any:
            return next(there)

    old = MadeUpSession({"count": [{"count": 9}]})
    counted = await counts.count_table(old, Growing({}), "t")
    assert counted == Counted("t", 9, 9, 9)


@pytest.mark.parametrize(
    ("old", "new", "late"),
    [
        (Value(5, True, 1), Value(5, True, 1), False),
        (Value(5, True, 1), Value(5, False, 1), True),
        (Value(1, False, 1), Value(1, False, 1), False),
        (Value(-9, True, -3), Value(-6, True, -3), True),
        (Value(-9, True, -3), Value(-12, True, -3), False),
    ],
)
def test_sequences_behind(old: Value, new: Value, late: bool) -> None:
    assert behind(new, old) is late


def test_a_sequence_is_read_by_its_quoted_name() -> None:
    text = values_query(['public."it\'s"', "s.t"])
    assert "SELECT 'public.\"it''s\"' AS name, last_value, is_called FROM public.\"it's\"" in text
    assert text.count("UNION ALL") == 1
    assert TableSequence.__struct_config__.frozen


def table(state: str, copied: int, estimated: int | None, size: int = 100) -> TableProgress:
    return TableProgress(
        name=state,
        state=state,
        rows_copied=copied,
        rows_estimated=estimated,
        bytes_estimated=size,
    )


def test_progress_has_an_honest_denominator() -> None:
    assert share(table("copying", 50, 100)) == 0.5
    assert share(table("copying", 300, 100)) == 0.99
    assert share(table("copying", 300, None)) == 0.0
    assert share(table("copied", 0, None)) == 1.0
    progress = CopyProgress(tables=(table("following", 10, 10), table("copying", 50, 100, 300)))
    assert progress.tables_copied == 1
    assert progress.rows_copied == 60
    assert progress.rows_estimated == 110
    assert progress.fraction == pytest.approx(0.625)
    assert CopyProgress(tables=()).fraction is None
    assert CopyProgress(tables=(table("waiting", 0, None),)).rows_estimated is None


INI = """
[databases]
; app = host=commented port=1
* = host=anything
"App 1" = host='quoted host' port=6000 dbname=x
app=host=old.example port=5432 dbname=shop pool_size=20
other = dbname=y
[pgbouncer]
app = host=not.a.pool
%include /etc/pgbouncer/more.ini
"""


def test_the_line_of_a_pool_is_read_as_it_is_written() -> None:
    line = pool_line(INI, "app")
    assert line is not None
    assert (line.starts, line.host, line.port) == ("app=", "old.example", "5432")
    assert line.database == "shop"
    quoted = pool_line(INI, "App 1")
    assert quoted is not None
    assert (quoted.starts, quoted.host) == ('"App 1" = ', "quoted host")
    bare = pool_line(INI, "other")
    assert bare is not None
    assert (bare.host, bare.port, bare.database) == (None, None, "y")
    assert pool_line(INI, "gone") is None
    assert includes(INI) == ["/etc/pgbouncer/more.ini"]


DUMP_18 = "/opt/18/bin\npg_dump (PostgreSQL) 18.4\npg_restore (PostgreSQL) 18.4\n"
NO_TLS = 'pg_dump: error: sslmode value "require" invalid when SSL support is not compiled in\n'


def test_client_tools_are_recognised_by_what_they_print() -> None:
    tls = read_tools(DUMP_18 + "pg_dump: error: connection to server failed\n")
    assert tls == ClientTools("/opt/18/bin", "18.4", tls=True)
    assert read_tools(DUMP_18 + NO_TLS) == ClientTools("/opt/18/bin", "18.4", tls=False)
    assert read_tools("") is None
    assert read_tools(DUMP_18.replace("restore (PostgreSQL) 18", "restore (PostgreSQL) 16")) is None
    debian = "/usr/bin\n" + "\n".join(
        f"{tool} (PostgreSQL) 17.5 (Debian 17.5-1.pgdg120+1)" for tool in ("pg_dump", "pg_restore")
    )
    found = read_tools(debian)
    assert found is not None
    assert (found.version, found.major) == ("17.5", 17)


@pytest.mark.parametrize(
    ("wanted", "found", "verdict"),
    [
        ("no", [("/a", "18.4", False)], "pass"),
        ("must", [("/a", "18.4", False)], "stop"),
        ("may", [("/a", "18.4", False)], "warn"),
        ("must", [("/a", "18.4", False), ("/b", "18.1", True)], "pass"),
        ("no", [("/a", "17.9", True), ("/b", "19.0", True)], "stop"),
        ("no", [], "stop"),
    ],
)
def test_client_tools(wanted: str, found: list[tuple[str, str, bool]], verdict: str) -> None:
    pairs = [ClientTools(*one) for one in found]
    said = judged_tools(pairs, 18, wanted, folders(None, 18))
    assert said.verdict == verdict
    if verdict == "stop":
        assert "postgresql-client-18" in said.todo


def test_tools_with_tls_come_first_where_it_is_wanted() -> None:
    plain, able = ClientTools("/a", "18.4", tls=False), ClientTools("/b", "18.4", tls=True)
    assert chosen([plain, able], 18, tls=False) == plain
    assert chosen([plain, able], 18, tls=True) == able
    assert chosen([plain], 17, tls=False) is None
    assert folders("/opt/18", 18) == ["/opt/18"]


async def test_client_tools_are_looked_for_on_the_destinations_host_if_it_has_one() -> None:
    new = MadeUpSession({}, server="new", version_num=180004)
    there = MadeUpMachine({}, Ran(0, DUMP_18, ""))
    here = MadeUpMachine({}, Ran(0, "", ""))
    hosted = a_profile(a_server("old", 1), a_server("new", 2, host=LocalHost()))
    machines = {HERE: here, "new": there}
    found = await finding(Look(hosted, {"destination": new}, {}, machines), "pg.client_tools")
    assert found.verdict == "pass"
    found = await finding(Look(A_PROFILE, {"destination": new}, {}, machines), "pg.client_tools")
    assert found.verdict == "stop"
    assert tools.NO_TLS in NO_TLS
