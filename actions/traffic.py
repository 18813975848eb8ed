"""Leading the clients to the new server, as data: a pooler, or a file that says where to go."""

from __future__ import annotations

import re
import shlex
import sys
from functools import partial
from pathlib import Path

import msgspec

from actions.postgres import answers, body
from connections.quoting import quote_ident, quote_literal
from profiles.names import SCHEMA
from profiles.profile import ByHand, ConnectionFile, PgBouncer, Server, SshHost
from profiles.steps import (
    Command,
    Evidence,
    FileEdit,
    LooseEnd,
    Pooler,
    Replace,
    Shell,
    Sql,
    Step,
    ThroughEndpoint,
    Words,
)

RESUME_TIMER = Path(__file__).with_name("resume_timer.py")

RETRY = "server_login_retry"


def lower_login_retry(pool: PgBouncer, before: str | None) -> Step:
    """A pooler that failed one login is out for 15 s by default; 1 s for this night.

    ``before``: the line that sets it in the ini now, None where none does.
    """
    line = f"{RETRY} = 1"
    edit, back = _exchanged(pool, before, line), _exchanged(pool, line, before)
    reload = Pooler(endpoint=pool.name, text="RELOAD")
    shows = Pooler(endpoint=pool.name, text="SHOW CONFIG", row=("key", RETRY), columns=("value",))
    value = "15" if before is None else before.partition("=")[2].strip()
    return Step(
        id=f"login-retry@{pool.name}",
        phase="cutover",
        title=f"Lower {RETRY} of {pool.name} to 1 s",
        why="One failed login would keep every client waiting for 15 s.",
        commands=(edit, reload),
        holds=(Evidence(ask=shows, answer="1", says=f"{RETRY} is 1"),),
        undo=(back, reload),
        undone=(Evidence(ask=shows, answer=value, says=f"{RETRY} is {value} again"),),
        leaves=LooseEnd(
            id=f"login-retry@{pool.name}",
            server=pool.name,
            what=f"{RETRY} = 1 in {pool.config}",
            settled_by=f"undo-login-retry@{pool.name}",
        ),
        danger="changes a server's configuration",
        servers=(pool.name,),
    )


def prepare_proof(new: str, database: str, endpoint: PgBouncer | ConnectionFile) -> Step:
    """Let the endpoint's client login write one row of ours on the new server, and only there."""
    client = endpoint.client.user
    sql = partial(Sql, server=new, database=database)
    grants = (
        f"GRANT USAGE ON SCHEMA {SCHEMA} TO {quote_ident(client)};\n"
        f"GRANT INSERT ON {SCHEMA}.proof TO {quote_ident(client)};"
    )
    may = (
        f"SELECT has_table_privilege({quote_literal(client)}, '{SCHEMA}.proof', 'INSERT')"
        f" AND has_schema_privilege({quote_literal(client)}, '{SCHEMA}', 'USAGE')"
    )
    return Step(
        id=f"proof@{endpoint.name}",
        phase="cutover",
        title=f"Prepare the write through {endpoint.name} that proves the switch",
        why="It goes with the helper tables.",
        commands=(sql(text=body(grants)),),
        holds=(answers(new, database, may, "t", f"{client} may write the proof"),),
    )


def stretch_steps(
    endpoint: PgBouncer | ConnectionFile, old: Server, new: Server, database: str
) -> tuple[list[Step], list[Step], list[Step]]:
    """An endpoint's steps: before the fence, after the opening, and after the stretch."""
    match endpoint:
        case PgBouncer():
            return (
                [_timer(endpoint), _pause(endpoint)],
                [_point_pool(endpoint, old, new), _resume(endpoint)],
                [_written(endpoint, new.name, database)],
            )
        case ConnectionFile():
            return [], [_point_file(endpoint)], [_written(endpoint, new.name, database)]


def by_hand(endpoint: ByHand) -> Step:
    """An endpoint that only the operator can switch."""
    return Step(
        id=f"point@{endpoint.name}",
        phase="cutover",
        title=f"Switch {endpoint.name} ({endpoint.access}) to the new server",
        why="Nightferry cannot switch this endpoint, and cannot see whether it was.",
        commands=(Words(text=f"{endpoint.address}: {endpoint.how}"),),
        by_hand=True,
        after_turn=True,
    )


def read_endpoint(endpoint: PgBouncer | ConnectionFile, old: Server, new: Server) -> Step:
    """A read endpoint, switched after the stretch: nothing waits for it."""
    step = (
        _point_file(endpoint)
        if isinstance(endpoint, ConnectionFile)
        else _point_pool(endpoint, old, new)
    )
    return msgspec.structs.replace(
        step,
        title=f"Point {endpoint.name} (read) at {new.name}",
        why="Nothing waits for it: it is switched once the writes have moved.",
        danger="changes a server's configuration",
        servers=(endpoint.name,),
        paused=False,
    )


def _exchanged(pool: PgBouncer, old: str | None, new: str | None) -> FileEdit:
    """One line of the ini's own section for another; None is no line."""
    section = "pgbouncer"
    if old is None:
        assert new is not None
        return FileEdit(host=pool.name, path=pool.config, section_lines=((section, new),))
    if new is None:
        return FileEdit(host=pool.name, path=pool.config, remove=(old,))
    change = Replace(section=section, line_starts=RETRY, old=old, new=new)
    return FileEdit(host=pool.name, path=pool.config, replace=(change,))


def _timer(pool: PgBouncer) -> Step:
    socket = f"{pool.admin_socket}/.s.PGSQL.{pool.port}"
    run, folder = _timer_program(pool)
    words = f"{shlex.quote(socket)} {shlex.quote(pool.database)}"
    ours = f"{folder}/resume-{shlex.quote(pool.name)}-{{night}}"
    token = f"{ours}-{{attempt}}"
    fills = ("folder", "night", "attempt")
    return Step(
        id=f"timer@{pool.name}",
        phase="cutover",
        title=f"Set the timer on {pool.name}",
        why="It only resumes the pool, a second after the old server's own timer.",
        commands=(
            Shell(
                host=pool.name,
                line=f"{run} place {token} {{after_s}} {words}",
                fills=(*fills, "after_s"),
                deadline_s=5.0,
            ),
            Shell(host=pool.name, line=_stands(token), fills=fills, deadline_s=5.0),
        ),
        undo=(
            Shell(
                host=pool.name,
                line=f"{run} lift {ours}-*",
                fills=("folder", "night"),
                deadline_s=5.0,
            ),
        ),
        paused=True,
    )


def _timer_program(pool: PgBouncer) -> tuple[str, str]:
    """How the timer is run on the pooler's host, and the folder for what names it there."""
    if not isinstance(pool.host, SshHost):
        return shlex.join([sys.executable, "-I", "-S", str(RESUME_TIMER)]), "{folder}"
    source = RESUME_TIMER.read_text(encoding="utf-8")
    folder = '"$HOME"/.nightferry'
    program = shlex.join(["python3", "-I", "-S", "-c", source])
    return f"mkdir -p -m 700 {folder} && {program}", folder


def _stands(token: str) -> str:
    """Is the process that the token names running, and the one it was (proc(5), field 22)?

    The shell's own words only: it is asked right before the pause, and starts no process.
    """
    return (
        f"{{ read -r pid start < {token} && IFS= read -r stat < /proc/$pid/stat; }} 2>/dev/null;"
        ' set -- ${stat##*) }; [ -n "$start" ] && [ "${20}" = "$start" ]'
        " && echo standing || echo not there"
    )


def _pause(pool: PgBouncer) -> Step:
    return Step(
        id=f"pause@{pool.name}",
        phase="cutover",
        title=f"Pause {pool.name}: clients wait, none is refused",
        why="It waits for open transactions; given up, it resumes from a second connection.",
        commands=(Pooler(endpoint=pool.name, text=f"PAUSE {quote_ident(pool.database)}"),),
        paused=True,
    )


def _resume(pool: PgBouncer) -> Step:
    return Step(
        id=f"resume@{pool.name}",
        phase="cutover",
        title=f"Resume {pool.name}",
        commands=(Pooler(endpoint=pool.name, text=f"RESUME {quote_ident(pool.database)}"),),
        paused=True,
        after_turn=True,
    )


def _point_pool(pool: PgBouncer, old: Server, new: Server) -> Step:
    changes = tuple(
        Replace(section="databases", line_starts=pool.database, old=was, new=becomes)
        for was, becomes in (
            (f"host={old.address}", f"host={new.address}"),
            (f"port={old.port}", f"port={new.port}"),
        )
        if was != becomes
    )
    edit = FileEdit(host=pool.name, path=pool.config, replace=changes)
    shows = Pooler(
        endpoint=pool.name,
        text="SHOW DATABASES",
        row=("name", pool.database),
        columns=("host", "port"),
    )
    return Step(
        id=f"point@{pool.name}",
        phase="cutover",
        title=f"Point {pool.name} at {new.name}",
        why="RELOAD says yes to a broken file too: what it really points at is asked for.",
        commands=(edit, Pooler(endpoint=pool.name, text="RELOAD")),
        holds=(
            Evidence(
                ask=shows, answer=f"{new.address} {new.port}", says=f"it points at {new.name}"
            ),
        ),
        paused=True,
        after_turn=True,
    )


def _point_file(endpoint: ConnectionFile) -> Step:
    edit = FileEdit(
        host=endpoint.name,
        path=endpoint.path,
        replace=tuple(
            Replace(line_starts=was.partition("=")[0] if "=" in was else "", old=was, new=becomes)
            for was, becomes in endpoint.replace.items()
        ),
    )
    path = shlex.quote(endpoint.path)
    # Comments may tell of either server; as a part of a longer word it is another one.
    count = "\n".join(
        f"grep -v '^[[:space:]]*#' {path} | grep -cE -e {shlex.quote(_word(becomes))}"
        for becomes in endpoint.replace.values()
    )
    commands: tuple[Command, ...] = (edit,)
    if endpoint.reload:
        commands += (Shell(host=endpoint.name, line=endpoint.reload),)
    return Step(
        id=f"point@{endpoint.name}",
        phase="cutover",
        title=f"Point {endpoint.path} at the new server",
        commands=commands,
        holds=(
            Evidence(
                ask=Shell(host=endpoint.name, line=count),
                answer="\n".join("1" for _ in endpoint.replace),
                says="the file names the new server",
            ),
        ),
        paused=True,
        after_turn=True,
    )


def _written(endpoint: PgBouncer | ConnectionFile, new: str, database: str) -> Step:
    seen = f"SELECT count(*) FROM {SCHEMA}.proof WHERE token = '{{token}}'"
    return Step(
        id=f"written@{endpoint.name}",
        phase="cutover",
        title=f"A write through {endpoint.name} lands on {new}",
        why="Made by a client's own login, on the road the clients take.",
        commands=(
            ThroughEndpoint(
                endpoint=endpoint.name,
                text=f"INSERT INTO {SCHEMA}.proof (token) VALUES ('{{token}}')",
                fills=("token",),
            ),
            Sql(server=new, database=database, text=seen, fills=("token",), until="1"),
        ),
        paused=True,
        after_turn=True,
    )


def _word(text: str) -> str:
    """The text as grep -E finds it where it does not go on, as `profiles.steps` edits it."""
    escaped = re.sub(r"[][\\.^$*+?(){}|]", r"\\\g<0>", text)
    return escaped + ("([^[:alnum:]_.-]|$)" if text[-1].isalnum() else "")
