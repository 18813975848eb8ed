"""Leading the clients to the new server, as data: a pooler, or a file that says where to go."""

from __future__ import annotations

import shlex
import sys
from functools import partial
from pathlib import Path

from actions.postgres import answers, body
from connections.quoting import quote_ident, quote_literal
from profiles.names import SCHEMA
from profiles.profile import ByHand, ConnectionFile, Endpoint, PgBouncer, Server
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
    change = Replace(section="pgbouncer", line_starts=RETRY, old=before or "", new=line)
    edit = (
        FileEdit(host=pool.name, path=pool.config, section_lines=(("pgbouncer", line),))
        if before is None
        else FileEdit(host=pool.name, path=pool.config, replace=(change,))
    )
    back = (
        FileEdit(host=pool.name, path=pool.config, remove=(line,))
        if before is None
        else FileEdit(
            host=pool.name,
            path=pool.config,
            replace=(Replace(section="pgbouncer", line_starts=RETRY, old=line, new=before),),
        )
    )
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
        id=f"proof@{new}/{endpoint.name}",
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
    if isinstance(endpoint, ConnectionFile):
        step = _point_file(endpoint)
        commands, holds = step.commands, step.holds
    else:
        step = _point_pool(endpoint, old, new)
        commands, holds = step.commands, step.holds
    return Step(
        id=step.id,
        phase="cutover",
        title=f"Point {endpoint.name} (read) at {new.name}",
        commands=commands,
        holds=holds,
        danger="changes a server's configuration",
        servers=(endpoint.name,),
        after_turn=True,
    )


def switched(endpoint: Endpoint) -> bool:
    """Can we switch it ourselves?"""
    return not isinstance(endpoint, ByHand)


def _timer(pool: PgBouncer) -> Step:
    socket = f"{pool.admin_socket}/.s.PGSQL.{pool.port}"
    run = shlex.join([sys.executable, str(RESUME_TIMER)])
    words = f"{shlex.quote(socket)} {shlex.quote(pool.database)}"
    token = "{folder}/resume-" + shlex.quote(pool.name) + "-{attempt}"
    fills = ("folder", "attempt")
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
            Shell(host=pool.name, line=f"{run} stands {token}", fills=fills, deadline_s=5.0),
        ),
        undo=(
            Shell(
                host=pool.name,
                line=f"{run} lift {{folder}}/resume-{shlex.quote(pool.name)}-*",
                fills=("folder",),
                deadline_s=5.0,
            ),
        ),
        paused=True,
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
    count = " && ".join(
        f"grep -cF {shlex.quote(becomes)} {shlex.quote(endpoint.path)}"
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
