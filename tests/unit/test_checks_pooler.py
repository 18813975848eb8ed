"""What a PgBouncer, a connection file and a profile's endpoints can be found wanting in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from checks.check import HERE, Look, Machine
from connections.host import Ran
from profiles.errors import HostError, LoginRefusedError, NightferryError, UnreachableError
from profiles.findings import Finding
from profiles.profile import ByHand, ConnectionFile, LocalHost, PgBouncer, Server, SshHost
from tests.fix_looks import (
    A_CLIENT,
    MadeUpConsole,
    MadeUpMachine,
    MadeUpSession,
    a_profile,
    a_server,
    finding,
    opener_to,
)

OLD, NEW = a_server("old", 5416), a_server("new", 5418)
POOL = PgBouncer(
    name="pool",
    address="127.0.0.1",
    database="shop",
    config="/etc/pgbouncer.ini",
    admin_socket="/run/pgbouncer",
    client=A_CLIENT,
    host=LocalHost(),
)
INI = "[databases]\nshop = host=127.0.0.1 port=5416 dbname=app\n"
ROOTS = Ran(0, "0\n65534\n", "")

Rows = list[Mapping[str, str]]


def database(name: str, host: str = "127.0.0.1", port: str = "5416", **more: str) -> dict[str, str]:
    row = {"name": name, "host": host, "port": port, "database": "app", "pool_mode": ""}
    return row | more


SHOP = database("shop")
CONSOLE = database("pgbouncer", "", "6432", database="pgbouncer")


def shows(
    *databases: Mapping[str, str], users: Sequence[Mapping[str, str]] = (), **config: str
) -> Any:
    settings = {
        "pool_mode": "transaction",
        "query_wait_timeout": "120",
        "server_login_retry": "15",
        "so_reuseport": "0",
    } | config
    return {
        "SHOW VERSION": [{"version": "PgBouncer 1.24.1"}],
        "SHOW DATABASES": [*databases, CONSOLE],
        "SHOW USERS": list(users),
        "SHOW CONFIG": [{"key": key, "value": value} for key, value in settings.items()],
    }


async def pooler(
    id_: str, said: Any = None, *, ini: str = INI, ran: Ran = ROOTS, endpoint: PgBouncer = POOL
) -> Finding:
    look = Look(
        a_profile(OLD, NEW, endpoint),
        consoles={"pool": MadeUpConsole(said or shows(SHOP))},
        machines={"pool": MadeUpMachine({"/etc/pgbouncer.ini": ini}, ran)},
    )
    return await finding(look, id_)


@pytest.mark.parametrize(
    "id_",
    [
        "pooler.reachable",
        "pooler.target",
        "pooler.pool_mode",
        "pooler.processes",
        "pooler.other_pools",
        "pooler.config",
        "pooler.timer",
    ],
)
async def test_a_pooler_as_it_should_be_passes(id_: str) -> None:
    found = await pooler(id_)
    assert (found.verdict, found.server) == ("pass", "pool"), found


HERE_IS = Ran(0, "6b1c0a52-boot\nnet:[4026531840]\n", "")
SAME_KERNEL = Ran(0, "6b1c0a52-boot\nnet:[4026532999]\n", "")
ELSEWHERE = Ran(0, "0d9f7e11-boot\nnet:[4026531840]\n", "")
FAR = SshHost(ssh="db2")
NO_PROC = Ran(1, "", "cat: /proc/sys/kernel/random/boot_id: No such file or directory")


@pytest.mark.parametrize(
    ("destination", "at_pooler", "verdict", "figure"),
    [
        (a_server("new", 5418, address="10.0.0.9"), ELSEWHERE, "pass", "the same from everywhere"),
        (a_server("new", 5418, address="db2.lan"), ELSEWHERE, "pass", "the same from everywhere"),
        (NEW, HERE_IS, "pass", "127.0.0.1:5418 is on the pooler's own machine"),
        (NEW, ELSEWHERE, "stop", "127.0.0.1:5418 is another machine's own address"),
        (NEW, SAME_KERNEL, "stop", "another machine's own"),
        (a_server("new", 5418, address="localhost"), ELSEWHERE, "stop", "localhost:5418"),
        (a_server("new", 5418, address="::1"), ELSEWHERE, "stop", "::1:5418"),
        (a_server("new", 5418, address="/run/db2"), ELSEWHERE, "stop", "/run/db2"),
        (a_server("new", 5418, host=FAR, by_tunnel=True), HERE_IS, "stop", "another machine's"),
        (a_server("new", 5418, host=FAR, by_tunnel=True), ELSEWHERE, "pass", "pooler's own"),
        # It has a host, and yet it is by this machine's own port that everyone here reaches it.
        (a_server("new", 5418, host=FAR), HERE_IS, "pass", "pooler's own machine"),
        (NEW, NO_PROC, "unknown", "No such file or directory"),
        (NEW, Ran(0, "", ""), "unknown", "exit code 0"),
        (NEW, None, "unknown", "names none"),
        (a_server("new", 5418, address="10.0.0.9"), None, "pass", "the same from everywhere"),
    ],
)
async def test_a_loopback_address_is_another_place_for_a_pooler_elsewhere(
    destination: Server, at_pooler: Ran | None, verdict: str, figure: str
) -> None:
    machines: dict[str, Machine | NightferryError] = {
        HERE: MadeUpMachine({}, HERE_IS),
        "new": MadeUpMachine({}, ELSEWHERE),
    }
    if at_pooler is not None:
        machines["pool"] = MadeUpMachine({}, at_pooler)
    look = Look(a_profile(OLD, destination, POOL), machines=machines)
    found = await finding(look, "pooler.sees_destination")
    assert (found.verdict, found.server) == (verdict, "pool"), found
    assert figure in found.figure
    assert ("new" in found.todo) is (verdict == "stop")


OTHER = database("reports", "10.9.9.9")
BAD: list[tuple[str, Any, str, str]] = [
    ("pooler.reachable", shows(SHOP) | {"SHOW VERSION": [{"v": "PgBouncer 1.9.0"}]}, "warn", "1.9"),
    ("pooler.target", shows(OTHER), "stop", "no pool shop"),
    ("pooler.target", shows(database("shop", "10.9.9.9")), "stop", "10.9.9.9:5416"),
    ("pooler.target", shows(database("shop", port="5418")), "stop", "5418"),
    ("pooler.target", shows(database("shop", database="crm")), "stop", "/crm"),
    ("pooler.pool_mode", shows(SHOP, pool_mode="session"), "stop", "session"),
    ("pooler.pool_mode", shows(database("shop", pool_mode="session")), "stop", "session"),
    ("pooler.pool_mode", shows(SHOP, users=[{"name": "x", "pool_mode": "session"}]), "stop", "x"),
    ("pooler.query_wait_timeout", shows(SHOP, query_wait_timeout="8"), "stop", "8 s"),
    ("pooler.query_wait_timeout", shows(SHOP), "note", "120 s"),
    ("pooler.query_wait_timeout", shows(SHOP, query_wait_timeout="0"), "pass", "0 s"),
    ("pooler.query_wait_timeout", shows(SHOP, query_wait_timeout="900"), "pass", "900 s"),
    ("pooler.server_login_retry", shows(SHOP), "note", "15 s"),
    ("pooler.server_login_retry", shows(SHOP, server_login_retry="1"), "pass", "1 s"),
    ("pooler.server_login_retry", shows(SHOP, server_login_retry="0.2"), "pass", "0.2 s"),
    ("pooler.processes", shows(SHOP, so_reuseport="1"), "stop", "so_reuseport"),
    ("pooler.other_pools", shows(SHOP, database("second")), "stop", "second"),
    ("pooler.other_pools", shows(SHOP, database("any", database="")), "stop", "any"),
    ("pooler.other_pools", shows(SHOP, database("crm", database="crm")), "warn", "crm"),
    ("pooler.other_pools", shows(SHOP, OTHER), "pass", "no other pool"),
    ("pooler.config", shows(database("shop", port="9999")), "stop", "port=5416"),
]


@pytest.mark.parametrize(("id_", "said", "verdict", "words"), BAD)
async def test_a_pooler_found_wanting(id_: str, said: Any, verdict: str, words: str) -> None:
    found = await pooler(id_, said)
    assert found.verdict == verdict
    assert words in found.figure


async def test_a_lowered_login_retry_is_a_loan_with_a_step() -> None:
    assert (await pooler("pooler.server_login_retry")).remedy == "login-retry@pool"


@pytest.mark.parametrize(
    ("ini", "words"),
    [
        ("[databases]\n* = host=127.0.0.1 port=5416\n", "no line of pool shop"),
        ("[databases]\n%include /etc/more.ini\n", "/etc/more.ini"),
        ("shop = host=127.0.0.1 port=5416\n", "no line of pool shop"),
        ("[databases]\nshop = host=10.0.0.1 port=5416 dbname=app\n", "something else runs"),
        ("[databases]\nshop = port=5416 dbname=app\n", "something else runs"),
    ],
)
async def test_an_ini_that_an_edit_would_not_help(ini: str, words: str) -> None:
    found = await pooler("pooler.config", ini=ini)
    assert found.verdict == "stop"
    assert words in found.figure


@pytest.mark.parametrize(
    ("ran", "verdict"),
    [
        (Ran(0, "65534\n65534\n", ""), "pass"),
        (Ran(0, "1000\n65534\n", ""), "stop"),
        (Ran(1, "0\n", "stat: cannot statx"), "stop"),
        (Ran(127, "0\n65534\n", ""), "stop"),
    ],
)
async def test_the_timer_needs_the_poolers_own_uid(ran: Ran, verdict: str) -> None:
    assert (await pooler("pooler.timer", ran=ran)).verdict == verdict


@pytest.mark.parametrize("missing", ["host", "admin_socket"])
async def test_a_pooler_whose_timer_cannot_be_placed_is_a_stop(missing: str) -> None:
    values: dict[str, Any] = {name: getattr(POOL, name) for name in POOL.__struct_fields__}
    found = await pooler("pooler.timer", endpoint=PgBouncer(**values | {missing: None}))
    assert found.verdict == "stop"
    assert missing in found.figure


async def test_a_console_that_lets_nobody_in_is_a_stop_and_the_rest_unknown() -> None:
    error = LoginRefusedError("pool", "open the console", "not allowed", "Check admin_user.")
    look = Look(a_profile(OLD, NEW, POOL), consoles={"pool": error})
    found = await finding(look, "pooler.reachable")
    assert (found.verdict, found.todo) == ("stop", "Check admin_user.")
    assert (await finding(look, "pooler.pool_mode")).verdict == "unknown"


async def test_a_pool_by_name_is_the_source_by_address() -> None:
    found = await pooler("pooler.target", shows(database("shop", "localhost")))
    assert found.verdict == "pass"


FILE = ConnectionFile(
    name="env",
    path="/srv/app/.env",
    replace={"old.example": "new.example", ":5416": ":5418"},
    client=A_CLIENT,
)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("DATABASE_URL=postgres://old.example:5416/app\n", "pass"),
        ("A=old.example:5416\nB=old.example\n", "stop"),
        ("DATABASE_URL=postgres://new.example:5418/app\n", "stop"),
        ("", "stop"),
    ],
)
async def test_connection_file(text: str, verdict: str) -> None:
    machines = {"env": MadeUpMachine({"/srv/app/.env": text})}
    found = await finding(Look(a_profile(OLD, NEW, FILE), machines=machines), "file.connection")
    assert found.verdict == verdict


async def test_a_file_that_is_not_there_is_a_stop_and_a_missing_host_unknown() -> None:
    profile = a_profile(OLD, NEW, FILE, POOL)
    nothing = MadeUpMachine({})
    look = Look(
        profile, {}, {"pool": MadeUpConsole(shows(SHOP))}, {"env": nothing, "pool": nothing}
    )
    for id_ in ("file.connection", "pooler.config"):
        found = await finding(look, id_)
        assert (found.verdict, found.figure) == ("stop", "No such file or directory")
    unreachable = HostError("env", "reach", "no host")
    look = Look(profile, machines={"env": unreachable})
    assert (await finding(look, "file.connection")).verdict == "unknown"


async def test_write_endpoints() -> None:
    by_hand = ByHand(name="dns", address="db.example", how="change the CNAME")
    readers = ByHand(name="reports", access="read", address="x", how="tell them")
    for endpoints, verdict in (
        ((), "stop"),
        ((readers,), "stop"),
        ((by_hand,), "note"),
        ((FILE,), "pass"),
    ):
        look = Look(a_profile(OLD, NEW, *endpoints))
        assert (await finding(look, "endpoints.write")).verdict == verdict


async def test_the_clients_own_login() -> None:
    session = MadeUpSession({"current_user": [{"current_user": "app"}]})
    look = Look(a_profile(OLD, NEW, FILE), opener=opener_to(session))
    found = await finding(look, "endpoint.client")
    assert (found.verdict, found.figure, found.server) == ("pass", "app comes in", "env")
    error = UnreachableError("env", "connect", "connection refused")
    look = Look(a_profile(OLD, NEW, FILE), opener=opener_to(error))
    assert (await finding(look, "endpoint.client")).verdict == "stop"
