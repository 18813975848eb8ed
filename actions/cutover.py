"""The paused stretch as data: what fences, drains, turns and opens, statement by statement.

`paused_steps` is what the checklist shows; `acts` picks the same objects out again for
`actions.armed_postgres`, so that nothing runs in the pause that was not shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from actions.postgres import body
from connections.quoting import quote_ident, quote_literal
from profiles.names import SCHEMA
from profiles.steps import Evidence, Sql, Step

KEY = "night = '{night}' AND attempt = {attempt} AND direction = '{direction}'"
KEY_FILLS = ("night", "attempt", "direction")

TIMER = "nightferry timer"
"""The application name by which the timer's session on the old server is known."""

INTERNAL = (
    "archiver",
    "autovacuum launcher",
    "autovacuum worker",
    "background writer",
    "checkpointer",
    "io worker",
    "logger",
    "logical replication launcher",
    "slotsync worker",
    "startup",
    "walreceiver",
    "walsender",
    "walsummarizer",
    "walwriter",
)
"""Backend types that write nothing of a client's (manual 27.2.3); all else is a stranger."""


@dataclass(frozen=True)
class Acts:
    """Every statement of the stretch, by what it is for. ``old`` and ``new`` are the sides."""

    old: str
    new: str
    database: str
    arm: Sql
    timer: Sql
    timer_stands: Sql
    fence: Sql
    expel: Sql
    strangers: Sql
    mark: Sql
    has: Sql
    read_sequences: Sql
    set_sequences: Sql
    turn: Sql
    open: Sql
    is_open: Sql
    abort: Sql
    state: Sql
    lift: Sql


@dataclass(frozen=True)
class Fence:
    """Who is kept out: the ``roles`` that could log in; ``exceptions`` and ``wizard`` still may."""

    roles: Sequence[str]
    exceptions: Sequence[str]
    wizard: str


def paused_steps(
    old: str, new: str, database: str, fence: Fence, sequences: Sequence[str]
) -> list[Step]:
    """The steps between PAUSE and pointing the traffic; ``sequences`` are quoted names."""
    strangers = _strangers(old, database, fence)
    return [
        _arm(old, database, fence),
        _fence(old, database, fence, strangers),
        _drain(old, new, database),
        _sequences(old, new, database, sequences),
        _turn(old, database, strangers),
        _open(new, database, fence),
    ]


def acts(steps: Iterable[Step]) -> Acts:
    """The statements of those steps, found again by the step they stand in."""
    plan: Mapping[str, Step] = {step.id.split("@")[0]: step for step in steps}

    def of(step: str, number: int) -> Sql:
        command = plan[step].commands[number]
        assert isinstance(command, Sql)
        return command

    abort = plan["arm"].undo
    assert isinstance(abort[0], Sql) and isinstance(abort[1], Sql) and isinstance(abort[2], Sql)
    is_open = plan["open"].holds[0].ask
    assert isinstance(is_open, Sql)
    return Acts(
        old=of("arm", 0).server,
        new=of("open", 0).server,
        database=of("arm", 0).database,
        arm=of("arm", 0),
        timer=of("arm", 1),
        timer_stands=of("arm", 2),
        fence=of("fence", 0),
        expel=of("fence", 1),
        strangers=of("fence", 2),
        mark=of("drain", 0),
        has=of("drain", 1),
        read_sequences=of("sequences", 0),
        set_sequences=of("sequences", 1),
        turn=of("turn", 1),
        open=of("open", 0),
        is_open=is_open,
        abort=abort[0],
        state=abort[1],
        lift=abort[2],
    )


def _arm(old: str, database: str, fence: Fence) -> Step:
    unfence = _alter(fence.roles, "LOGIN")
    return Step(
        id=f"arm@{old}/{database}",
        phase="cutover",
        title=f"Set the timer on {old}",
        why="Whatever happens to this program, the old server opens itself again in time.",
        commands=_set_timer(old, database, unfence),
        undo=_take_back(old, database, unfence),
        paused=True,
    )


def _set_timer(old: str, database: str, unfence: str) -> tuple[Sql, ...]:
    sql = partial(Sql, server=old, database=database)
    row = (
        f"UPDATE {SCHEMA}.arbiter SET state = 'aborted', at = clock_timestamp()"
        f" WHERE state = 'armed';\nIF FOUND THEN\n{unfence}\nEND IF;\n"
        f"INSERT INTO {SCHEMA}.arbiter (night, attempt, direction, state)"
        " VALUES ('{night}', {attempt}, '{direction}', 'armed');"
    )
    timer = (
        "PERFORM pg_sleep({after_s});\n"
        f"UPDATE {SCHEMA}.arbiter SET state = 'aborted', at = clock_timestamp()\n"
        f"  WHERE {KEY} AND state = 'armed';\n"
        f"IF FOUND THEN\n{unfence}\nEND IF;"
    )
    stands = (
        "SELECT count(*) FROM pg_stat_activity WHERE pid = {timer_pid} AND state = 'active'"
        f" AND query LIKE '%pg_sleep%' AND EXISTS (SELECT FROM {SCHEMA}.arbiter"
        f" WHERE {KEY} AND state = 'armed')"
    )
    return (
        sql(text=body(row), fills=KEY_FILLS),
        sql(text=body(timer), fills=("after_s", *KEY_FILLS)),
        sql(text=stands, fills=("timer_pid", *KEY_FILLS)),
    )


def _take_back(old: str, database: str, unfence: str) -> tuple[Sql, ...]:
    sql = partial(Sql, server=old, database=database)
    abort = (
        f"INSERT INTO {SCHEMA}.arbiter AS a (night, attempt, direction, state)"
        " VALUES ('{night}', {attempt}, '{direction}', 'aborted')\n"
        "  ON CONFLICT (night, attempt, direction) DO UPDATE SET state = 'aborted',"
        " at = clock_timestamp() WHERE a.state = 'armed';\n"
        f"IF FOUND THEN\n{unfence}\nEND IF;"
    )
    lift = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity\n"
        f"  WHERE application_name = '{TIMER}' AND datname = current_database()"
        f" AND NOT EXISTS (SELECT FROM {SCHEMA}.arbiter WHERE state = 'armed')"
    )
    return (
        sql(text=body(abort), fills=KEY_FILLS),
        sql(text=f"SELECT state FROM {SCHEMA}.arbiter WHERE {KEY}", fills=KEY_FILLS),
        sql(text=lift),
    )


def _fence(old: str, database: str, fence: Fence, strangers: Sql) -> Step:
    sql = partial(Sql, server=old, database=database)
    close = (
        f"PERFORM FROM {SCHEMA}.arbiter WHERE {KEY} AND state = 'armed' FOR UPDATE;\n"
        "IF NOT FOUND THEN RAISE EXCEPTION 'this attempt is not armed any more'; END IF;\n"
        f"{_alter(fence.roles, 'NOLOGIN')}"
    )
    return Step(
        id=f"fence@{old}",
        phase="cutover",
        title=f"Fence {old}: nobody gets in, nobody is left in",
        why="Read-only settings are no fence: a session may undo them. NOLOGIN, and proof, are.",
        commands=(
            sql(text=body(close), fills=KEY_FILLS),
            sql(
                text="SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                f" WHERE {_backends(fence)}",
                fills=("ours",),
            ),
            strangers,
        ),
        paused=True,
    )


def _strangers(old: str, database: str, fence: Fence) -> Sql:
    still_in = _array([fence.wizard, *fence.exceptions])
    look = f"""\
SELECT format('%s pid %s of %s from %s', backend_type, pid, coalesce(usename, 'nobody'),
    coalesce(host(client_addr), 'this server')) FROM pg_stat_activity WHERE {_backends(fence)}
UNION ALL SELECT format('role %s may log in', rolname) FROM pg_roles
  WHERE rolcanlogin AND NOT rolreplication AND rolname <> ALL ({still_in})
UNION ALL SELECT format('prepared transaction %s', gid) FROM pg_prepared_xacts"""
    return Sql(server=old, database=database, text=look, fills=("ours",))


def _backends(fence: Fence) -> str:
    internal = ", ".join(quote_literal(kind) for kind in INTERNAL)
    return (
        f"backend_type NOT IN ({internal}) AND pid <> ALL (ARRAY[{{ours}}]::int[])"
        f" AND coalesce(usename, '') <> ALL ({_array(fence.exceptions)})"
    )


def _drain(old: str, new: str, database: str) -> Step:
    mark = (
        f"INSERT INTO {SCHEMA}.marker (night, direction, token)"
        " VALUES ('{night}', '{direction}', '{token}')\n"
        "  ON CONFLICT (night, direction) DO UPDATE SET token = excluded.token"
    )
    has = (
        f"SELECT count(*) FROM {SCHEMA}.marker WHERE night = '{{night}}'"
        " AND direction = '{direction}' AND token = '{token}'"
    )
    fills = ("night", "direction", "token")
    return Step(
        id=f"drain@{new}/{database}",
        phase="cutover",
        title=f"Wait on {new} for a marker written after the fence",
        why="It travels behind every earlier write: when it is there, so are they.",
        commands=(
            Sql(server=old, database=database, text=mark, fills=fills),
            Sql(server=new, database=database, text=has, fills=fills, until="1"),
        ),
        paused=True,
    )


def _sequences(old: str, new: str, database: str, sequences: Sequence[str]) -> Step:
    return Step(
        id=f"sequences@{new}/{database}",
        phase="cutover",
        title=f"Carry {len(sequences)} sequences over, those that moved since they were preset",
        why="Logical replication does not carry them; behind, they hand out keys twice.",
        commands=(
            Sql(server=old, database=database, text=read_sequences(sequences)),
            Sql(server=new, database=database, text=SET_SEQUENCES, fills=("values",)),
        ),
        paused=True,
    )


def _turn(old: str, database: str, strangers: Sql) -> Step:
    sql = partial(Sql, server=old, database=database)
    turn = (
        f"UPDATE {SCHEMA}.arbiter SET state = 'moved', at = clock_timestamp()"
        f" WHERE {KEY} AND state = 'armed' RETURNING state"
    )
    return Step(
        id=f"turn@{old}/{database}",
        phase="cutover",
        title="Turn: armed → moved, after one more look at the fence",
        why="One row decides. From here on the old server stays closed, and the only way is on.",
        commands=(
            strangers,
            sql(text=turn, fills=KEY_FILLS),
        ),
        paused=True,
    )


def _open(new: str, database: str, fence: Fence) -> Step:
    roles = sorted({*fence.roles, *fence.exceptions})
    among = f"FROM pg_roles WHERE rolname = ANY ({_array(roles)})"
    # A superuser that was there before may always log in: that does not make the server open.
    is_open = f"SELECT count(*) > 0 {among} AND rolcanlogin AND NOT rolsuper"
    closed = f"SELECT count(*) {among} AND NOT rolcanlogin"
    sql = partial(Sql, server=new, database=database)
    return Step(
        id=f"open@{new}",
        phase="cutover",
        title=f"Open {new} to {len(roles)} roles",
        why="The writes belong to it since the turn.",
        commands=(sql(text=body(_alter(roles, "LOGIN"))),),
        holds=(
            Evidence(ask=sql(text=is_open), answer="t", says="application roles may log in"),
            Evidence(ask=sql(text=closed), answer="0", says="none of them is kept out"),
        ),
        paused=True,
        after_turn=True,
    )


SET_SEQUENCES = (
    "SELECT count(setval(name::regclass, last_value, is_called))\n"
    "  FROM (VALUES {values}) AS s (name, last_value, is_called)"
)


def read_sequences(sequences: Sequence[str]) -> str:
    """One query for where every sequence stands by its own word; ``pg_sequences`` hides some."""
    if not sequences:
        return "SELECT ''::text AS name, 0::bigint AS last_value, false AS is_called LIMIT 0"
    return "\nUNION ALL ".join(
        f"SELECT {quote_literal(name)} AS name, last_value, is_called FROM {name}"
        for name in sequences
    )


def sequence_values(values: Mapping[str, tuple[int, bool]]) -> str:
    """The rows that fill ``{values}``."""
    return ", ".join(
        # Quoted: the sign of the smallest bigint would be applied after the cast, out of range.
        f"({quote_literal(name)}, '{last}'::bigint, {str(called).lower()})"
        for name, (last, called) in values.items()
    )


def _alter(roles: Sequence[str], login: str) -> str:
    return "\n".join(f"ALTER ROLE {quote_ident(role)} {login};" for role in roles) or "NULL;"


def _array(names: Sequence[str]) -> str:
    return f"ARRAY[{', '.join(quote_literal(name) for name in names)}]::name[]"
