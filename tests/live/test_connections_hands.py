"""Commands and evidence on real servers: what is filled, captured, awaited, compared and hidden."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from connections.hands import Hands, Work
from connections.passwords import Passwords, client_of
from profiles.errors import (
    AnswerError,
    DeadlineError,
    HostError,
    LoginRefusedError,
    PoolerError,
    SecretError,
    UnreachableError,
)
from profiles.profile import ConnectionFile, LocalHost, Login, PgBouncer, Profile, SecretRef
from profiles.steps import Evidence, Pooler, Shell, Sql, ThroughEndpoint
from rehearsal import binaries
from tests.fix_connections import (
    ADMIN_PASSWORD,
    CLIENT_PASSWORD,
    DATABASE,
    PASSWORD,
    Lab,
    PooledLab,
    a_profile,
)

pytestmark = pytest.mark.live


def told(profile: Profile) -> Passwords:
    passwords = Passwords(profile)
    for server in (profile.source, profile.destination):
        passwords.tell(server.name, PASSWORD)
    for endpoint in profile.endpoints:
        passwords.tell(client_of(endpoint.name), CLIENT_PASSWORD)
        if isinstance(endpoint, PgBouncer):
            passwords.tell(endpoint.name, ADMIN_PASSWORD)
    return passwords


@asynccontextmanager
async def work_on(profile: Profile) -> AsyncIterator[Work]:
    async with Hands(profile, told(profile)).at_work() as work:
        yield work


@pytest.fixture
async def work(lab: Lab) -> AsyncIterator[Work]:
    async with work_on(a_profile(lab.running.port)) as work:
        yield work


@pytest.fixture
async def pool_work(pooled: PooledLab) -> AsyncIterator[Work]:
    profile = a_profile(pooled.running.ways.server_port, pooled.endpoint)
    async with work_on(profile) as work:
        yield work


def sql(
    text: str,
    *fills: str,
    captures: str | None = None,
    until: str | None = None,
    deadline_s: float = 5.0,
) -> Sql:
    return Sql(
        server="old",
        database=DATABASE,
        text=text,
        fills=fills,
        captures=captures,
        until=until,
        deadline_s=deadline_s,
    )


async def asked(work: Work, text: str, answer: str) -> tuple[bool, str]:
    return await work.ask(Evidence(ask=sql(text), answer=answer, says="it is so"), {})


async def test_a_command_is_filled_and_answers_and_captures(work: Work) -> None:
    values = {"n": "20"}
    done = await work.do(sql("SELECT {n} + 1, 'x{y}'", "n", captures="more"), values)
    assert done == ("SELECT 20 + 1, 'x{y}'", "21 x{y}", 1)
    assert values == {"n": "20", "more": "21"}


async def test_commands_of_one_scope_share_a_session(work: Work) -> None:
    await work.do(sql("SET work_mem = '7MB'"), {})
    assert await asked(work, "SHOW work_mem", "7MB") == (True, "7MB")


async def test_the_sessions_of_a_scope_end_with_it(lab: Lab) -> None:
    async with work_on(a_profile(lab.running.port)) as work:
        session = await work.session("old", DATABASE)
        assert session is await work.session("old", DATABASE)
        assert session is not await work.session("new", DATABASE)
    assert session.lost


async def test_nothing_to_capture_is_an_error(work: Work) -> None:
    with pytest.raises(AnswerError, match="no row"):
        await work.do(sql("SELECT 1 WHERE false", captures="lsn"), {})


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("SELECT true, false", "t f"),
        ("SELECT NULL::text", ""),
        ("SELECT 1 WHERE false", ""),
        ("SELECT 'r'::\"char\"", "r"),
        ("SELECT relkind FROM pg_class WHERE relname = 'pg_class'", "r"),
        ("SELECT 3::float8, 0.25::float8, 1.50::numeric", "3 0.25 1.50"),
        ("SELECT 12345678901234", "12345678901234"),
        ("SELECT '0/16B3748'::pg_lsn", "0/16B3748"),
        ("SELECT ARRAY['a','b']::name[], ARRAY[]::int[]", "{a,b} {}"),
        ("SELECT 'é ü'::name", "é ü"),
        ("SELECT '\\xdead'::bytea", "\\xdead"),
        ("SHOW server_encoding", "UTF8"),
    ],
)
async def test_evidence_compares_what_psql_would_print(work: Work, text: str, answer: str) -> None:
    assert await asked(work, text, answer) == (True, answer)


async def test_evidence_that_does_not_hold_says_what_was_answered(work: Work) -> None:
    assert await asked(work, "SELECT 'logical'", "replica") == (False, "logical")


async def test_a_server_that_says_no_is_evidence_against_it(work: Work) -> None:
    holds, said = await asked(work, "SELECT state FROM public.nope", "armed")
    assert not holds
    assert '"public.nope" does not exist' in said


async def test_a_server_that_is_away_is_no_evidence() -> None:
    async with work_on(a_profile(1)) as work:
        with pytest.raises(UnreachableError):
            await asked(work, "SELECT 1", "1")


async def test_until_asks_again_until_it_reads_so(work: Work, lab: Lab) -> None:
    other = await lab.session()
    await other.run("CREATE TABLE IF NOT EXISTS public.marks (n int); TRUNCATE public.marks")
    counting = sql("SELECT count(*), 'marks' FROM public.marks", until="2 marks", captures="n")
    values: dict[str, str] = {}
    waiting = asyncio.create_task(work.do(counting, values))
    await other.run("INSERT INTO public.marks VALUES (1)")
    assert not waiting.done()
    await other.run("INSERT INTO public.marks VALUES (2)")
    assert (await waiting).answer == "2 marks"
    assert values == {"n": "2"}
    await other.close()


async def test_until_says_what_it_read_at_the_deadline(work: Work) -> None:
    waiting = sql("SELECT 'streaming'", until="ready", deadline_s=0.05)
    with pytest.raises(DeadlineError, match=r"after 0\.05 s it reads “streaming”, not “ready”"):
        await work.do(waiting, {})


async def test_until_gives_up_a_silent_server_at_the_deadline() -> None:
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with work_on(a_profile(silent.getsockname()[1])) as work:
            began = loop.time()
            with pytest.raises(DeadlineError, match=r"after 0\.1 s no answer within"):
                await work.do(sql("SELECT 1", until="1", deadline_s=0.1), {})
            assert loop.time() - began < 1


async def test_until_outlives_the_session(work: Work, lab: Lab) -> None:
    session = await work.session("old", DATABASE)
    other = await lab.session()
    asking = sql(f"SELECT pg_backend_pid() <> {session.pid}", until="t")
    waiting = asyncio.create_task(work.do(asking, {}))
    await other.value("SELECT pg_terminate_backend($1)", session.pid)
    assert (await waiting).answer == "t"
    await other.close()


async def test_a_lock_that_is_not_free_is_waited_for(work: Work, lab: Lab) -> None:
    other = await lab.session()
    await other.run("CREATE TABLE IF NOT EXISTS public.held_up (n int)")
    await other.run("BEGIN; SELECT FROM public.held_up")
    await work.do(sql("SET lock_timeout = 30"), {})
    waiting = asyncio.create_task(work.do(sql("ALTER TABLE public.held_up ADD o int"), {}))
    async with asyncio.timeout(5):
        while True:
            if await other.value("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                break
    await other.run("COMMIT")
    await waiting
    await other.run("DROP TABLE public.held_up")
    await other.close()


async def test_secrets_of_a_step_are_in_no_answer_and_no_error(work: Work) -> None:
    values = {"password": "s3cr3t", "verifier": "v3rifi3r"}
    done = await work.do(sql("SELECT '{password}' || '{verifier}'", "password", "verifier"), values)
    assert done.text == "SELECT '••••' || '••••'"
    assert done.answer == "••••••••"
    with pytest.raises(AnswerError) as no:
        await work.do(sql("SELECT {password} FROM public.nope", "password"), values)
    assert "s3cr3t" not in f"{no.value} {no.value!r} {no.value.args}"


async def test_a_shell_line_reaches_the_server_without_a_password_in_it(
    work: Work, lab: Lab
) -> None:
    values: dict[str, str] = {}
    psql = binaries.runnable(binaries.find(), lab.folder)[16] / "psql"
    server = f"-h 127.0.0.1 -p {lab.running.port} -U postgres {DATABASE}"
    line = f"{psql} -XAtc 'SELECT 41 + {{one}}' {server}"
    command = Shell(host=None, line=line, fills=("one",), passwords_for=("old",), captures="sum")
    done = await work.do(command, values | {"one": "1"})
    assert done.answer == "42"
    bare = msgspec.structs.replace(command, passwords_for=(), line=f"{line} -w")
    with pytest.raises(HostError, match="exit code 2"):
        await work.do(bare, {"one": "1"})


async def test_shell_evidence_is_the_stripped_output(work: Work) -> None:
    echo = Shell(host=None, line="echo; echo ' 16.14 '")
    assert await work.ask(Evidence(ask=echo, answer="16.14", says=""), {}) == (True, "16.14")
    failing = Shell(host=None, line="echo 16.14; echo no such program >&2; exit 3")
    evidence = Evidence(ask=failing, answer="16.14", says="")
    assert await work.ask(evidence, {}) == (False, "exit code 3: no such program")


async def test_show_is_asked_by_row_and_columns(pool_work: Work, pooled: PooledLab) -> None:
    show = Pooler(
        endpoint="pool", text="SHOW DATABASES", row=("name", "shop"), columns=("port", "paused")
    )
    answer = f"{pooled.running.ways.server_port} 0"
    assert (await pool_work.do(show, {})).answer == answer
    evidence = Evidence(ask=show, answer=answer, says="shop leads to old")
    assert await pool_work.ask(evidence, {}) == (True, answer)
    no_row = msgspec.structs.replace(show, row=("name", "nope"))
    assert (await pool_work.do(no_row, {})).answer == ""


async def test_pause_and_resume_as_commands(pool_work: Work) -> None:
    show = Pooler(endpoint="pool", text="SHOW DATABASES", row=("name", "shop"), columns=("paused",))
    for text, answer in (('PAUSE "shop"', "1"), ('RESUME "shop"', "0"), ("pause shop;", "1")):
        await pool_work.do(Pooler(endpoint="pool", text=text), {})
        assert (await pool_work.do(show, {})).answer == answer


async def test_a_pause_as_a_command_frees_the_clients_too(pool_work: Work) -> None:
    long = ThroughEndpoint(endpoint="pool", text="SELECT pg_sleep(0.5)")
    holding = asyncio.create_task(pool_work.do(long, {}))
    busy = Pooler(
        endpoint="pool", text="SHOW POOLS", row=("database", "shop"), columns=("sv_active",)
    )
    async with asyncio.timeout(5):
        while (await pool_work.do(busy, {})).answer != "1":
            continue
    with pytest.raises(DeadlineError, match="was resumed"):
        await pool_work.do(Pooler(endpoint="pool", text="PAUSE shop", deadline_s=0.1), {})
    await holding


async def test_a_pause_of_every_pool_is_refused(pool_work: Work) -> None:
    with pytest.raises(PoolerError, match="names no pool"):
        await pool_work.do(Pooler(endpoint="pool", text="PAUSE"), {})


async def test_a_client_statement_goes_through_the_pool(pool_work: Work) -> None:
    command = ThroughEndpoint(endpoint="pool", text="SELECT current_user, {n}", fills=("n",))
    assert (await pool_work.do(command, {"n": "7"})).answer == "app 7"
    ask = ThroughEndpoint(endpoint="pool", text="SELECT inet_server_port()")
    assert (await pool_work.ask(Evidence(ask=ask, answer="1", says=""), {}))[0] is False


async def test_a_client_of_a_connection_file_goes_to_the_destination(lab: Lab) -> None:
    endpoint = ConnectionFile(
        name="env",
        path="/nope",
        replace={"a": "b"},
        client=Login(user="app", password=SecretRef(ask=True)),
        host=LocalHost(),
    )
    profile = msgspec.structs.replace(a_profile(lab.running.port), endpoints=[endpoint])
    async with work_on(profile) as work:
        done = await work.do(ThroughEndpoint(endpoint="env", text="SELECT current_user"), {})
    assert done.answer == "app"


async def test_a_refused_login_names_the_server_and_hides_the_password(lab: Lab) -> None:
    profile = a_profile(lab.running.port)
    passwords = Passwords(profile)
    passwords.tell("old", "wr0ng")
    async with Hands(profile, passwords).at_work() as work:
        with pytest.raises(LoginRefusedError) as no:
            await work.do(sql("SELECT 1"), {})
        with pytest.raises(SecretError, match="new: "):
            await work.do(msgspec.structs.replace(sql("SELECT 1"), server="new"), {})
    assert no.value.where == "old"
    assert "wr0ng" not in repr(no.value)
