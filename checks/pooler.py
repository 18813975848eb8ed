"""Phase Preflight: can this PgBouncer be paused, pointed elsewhere and resumed, in time?"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Mapping, Sequence

from checks.check import HERE, Look, Machine, Said, remedy_id
from checks.figures import several
from checks.ini import PoolLine, includes, pool_line
from connections.tls import is_loopback
from profiles.errors import HostError, NightferryError
from profiles.profile import PgBouncer, Profile
from profiles.steps import quoted

OLDEST, NEWEST = (1, 18), (1, 26)
"""The versions this was tried with."""
CONSOLE = "pgbouncer"
"""The console's own row among the databases."""
LOGIN_RETRY_S = 1.0
OWN_NETWORK = "cat /proc/sys/kernel/random/boot_id && readlink /proc/self/ns/net"
"""The running kernel and, on it, the network namespace; nobody needs a right to look."""

Rows = Sequence[Mapping[str, str]]


async def reachable(look: Look, name: str) -> Said:
    """Does the console let us in?"""
    held = look.consoles.get(name)
    if isinstance(held, NightferryError):
        figure = f"no console: {held.answered}"
        return Said(verdict="stop", figure=figure, says=str(held), todo=held.remedy)
    said = (await look.console(name).show("SHOW VERSION"))[0]
    figure = next(iter(said.values()))
    return judged_version(figure, f"SHOW VERSION → {figure}")


def judged_version(figure: str, evidence: str = "") -> Said:
    """The verdict on what SHOW VERSION said."""
    match = re.search(r"(\d+)\.(\d+)", figure)
    version = (int(match[1]), int(match[2])) if match else (0, 0)
    if OLDEST <= version <= NEWEST:
        return Said(verdict="pass", figure=figure, evidence=evidence)
    says = "Tried with 1.18 to 1.26: its console may answer otherwise."
    return Said(verdict="warn", figure=figure, says=says, evidence=evidence, todo="Rehearse it.")


async def target(look: Look, name: str) -> Said:
    """Is the pool there, and does it lead to the source?"""
    endpoint, rows = _pooler(look, name), await look.console(name).show("SHOW DATABASES")
    row = _row(rows, endpoint.database)
    if row is None:
        return Said(
            verdict="stop",
            figure=f"no pool {endpoint.database}",
            evidence=f"SHOW DATABASES → {several([one['name'] for one in rows])}",
            todo=f"Correct `database` of {name} in the profile: it is the key in [databases].",
        )
    evidence = f"SHOW DATABASES → {_shown(row)}"
    source, database = look.profile.source, look.profile.database
    figure = f"pool {endpoint.database} leads to {row['host']}:{row['port']}/{row['database']}"
    if row["database"] == database and await leads_to(row, source.address, source.port):
        return Said(verdict="pass", figure=figure, evidence=evidence)
    return Said(
        verdict="stop",
        figure=figure,
        says=f"That is not {source.address}:{source.port}/{database}, the source.",
        evidence=evidence,
        todo="Correct the endpoint or the source in the profile.",
    )


async def leads_to(row: Mapping[str, str], address: str, port: int) -> bool:
    """Whether a row of SHOW DATABASES is that server, by its literal address or by name service."""
    if int(row["port"] or 0) != port:
        return False
    if row["host"] == address:
        return True
    there, here = await asyncio.gather(_addresses(row["host"]), _addresses(address))
    return bool(there & here)


async def sees_destination(look: Look, name: str) -> Said:
    """Does the destination's address lead there from where the pooler stands?"""
    there = look.profile.destination
    address = f"{there.address}:{there.port}"
    if not (is_loopback(there.address) or there.address.startswith("/")):
        return Said(verdict="pass", figure=f"{address} is the same from everywhere")
    meant = there.name if there.by_tunnel else HERE
    machines = look.machine(name), look.machine(meant)
    stacks = await asyncio.gather(*(_own_network(machine) for machine in machines))
    evidence = "; ".join(
        f"{one.name}: {OWN_NETWORK} → {said}" for one, said in zip(machines, stacks, strict=True)
    )
    if stacks[0] == stacks[1]:
        figure = f"{address} is on the pooler's own machine"
        return Said(verdict="pass", figure=figure, evidence=evidence)
    return Said(
        verdict="stop",
        figure=f"{address} is another machine's own address",
        says=f"The pooler would be pointed at its own machine instead of {there.name}.",
        evidence=evidence,
        todo=f"Give {there.name} the address in the profile by which its clients are to reach it.",
    )


async def _own_network(machine: Machine) -> str:
    """What only those have in common to whom a loopback address is the same place."""
    ran = await machine.run(OWN_NETWORK, deadline_s=5.0)
    if ran.code or len(ran.out.split()) != 2:
        said = " ".join((ran.err or ran.out).split()) or f"exit code {ran.code}"
        raise HostError(machine.name, OWN_NETWORK, said)
    return " ".join(ran.out.split())


async def pool_mode(look: Look, name: str) -> Said:
    """Does PAUSE ever return with this pool?"""
    endpoint, console = _pooler(look, name), look.console(name)
    rows, config = await console.show("SHOW DATABASES"), await console.show("SHOW CONFIG")
    users = await console.show("SHOW USERS")
    row = _row(rows, endpoint.database) or {}
    mode = row.get("pool_mode") or _config(config, "pool_mode")
    by_session = [one["name"] for one in users if one.get("pool_mode") == "session"]
    evidence = f"SHOW DATABASES, SHOW CONFIG → pool_mode = {mode}"
    if mode == "session" or by_session:
        whose = f", for {several(by_session)}" if mode != "session" else ""
        return Said(
            verdict="stop",
            figure=f"pool_mode = session{whose}",
            says="PAUSE waits until every client has gone, and blocks all of them meanwhile.",
            evidence=evidence,
            todo="pool_mode = transaction, where the application can live with it.",
        )
    return Said(verdict="pass", figure=f"pool_mode = {mode}", evidence=evidence)


async def wait_timeout(look: Look, name: str) -> Said:
    """Would waiting clients be thrown out during the pause?"""
    rows = await look.console(name).show("SHOW CONFIG")
    return judged_wait(float(_config(rows, "query_wait_timeout") or 0), look.profile)


def judged_wait(timeout_s: float, profile: Profile) -> Said:
    """The verdict on query_wait_timeout, in seconds; 0 is none."""
    by_key, by_hand = profile.thresholds.pause_deadline_s, profile.thresholds.by_hand_deadline_s
    figure = f"query_wait_timeout = {timeout_s:g} s, the pause at most {by_key:g} s"
    evidence = f"SHOW CONFIG → query_wait_timeout = {timeout_s:g}"
    if timeout_s and timeout_s <= by_key:
        return Said(
            verdict="stop",
            figure=figure,
            says="Clients that wait for the pause to end would get an error.",
            evidence=evidence,
            todo="Raise query_wait_timeout, or lower pause_deadline_s in the profile.",
        )
    if timeout_s and timeout_s <= by_hand:
        says = f"One key a step may take {by_hand:g} s: then clients get errors sooner than that."
        return Said(verdict="note", figure=figure, says=says, evidence=evidence)
    return Said(verdict="pass", figure=figure, evidence=evidence)


async def login_retry(look: Look, name: str) -> Said:
    """How long is the pooler out after one failed login?"""
    value_s = float(_config(await look.console(name).show("SHOW CONFIG"), "server_login_retry"))
    figure, evidence = f"server_login_retry = {value_s:g} s", f"SHOW CONFIG → {value_s:g}"
    if value_s <= LOGIN_RETRY_S:
        return Said(verdict="pass", figure=figure, evidence=evidence)
    return Said(
        verdict="note",
        figure=figure,
        says="One refused login makes it wait that long. Lowered to 1 s before arming, as a loan.",
        evidence=evidence,
        remedy=remedy_id("login-retry@{server}", look, name),
    )


async def processes(look: Look, name: str) -> Said:
    """Is it one process, so that one PAUSE reaches every client?"""
    rows = await look.console(name).show("SHOW CONFIG")
    shared = _config(rows, "so_reuseport")
    evidence = f"SHOW CONFIG → so_reuseport = {shared}"
    if shared in ("", "0"):
        return Said(verdict="pass", figure="one process", evidence=evidence)
    return Said(
        verdict="stop",
        figure=f"so_reuseport = {shared}",
        says="Several processes may share the port; PAUSE reaches only the one that answers.",
        evidence=evidence,
        todo="Run one process tonight, or name each by a port of its own.",
    )


async def other_pools(look: Look, name: str) -> Said:
    """Does another pool lead to the same database without being paused?"""
    rows = await look.console(name).show("SHOW DATABASES")
    covered, source = _covered(look.profile, _pooler(look, name)), look.profile.source
    others = [
        one
        for one in rows
        if one["name"] not in covered and await leads_to(one, source.address, source.port)
    ]
    evidence = f"SHOW DATABASES → {several([_shown(one) for one in rows])}"
    same = [one["name"] for one in others if one["database"] in (look.profile.database, "")]
    if same:
        return Said(
            verdict="stop",
            figure=f"not in the profile: {several(same)}",
            says="Their clients are not paused: they get errors during the pause and after it.",
            evidence=evidence,
            todo="Add an endpoint for each of these pools.",
        )
    if others:
        figure = f"to other databases of the source: {several([one['name'] for one in others])}"
        says = "Their roles are fenced too, and those databases stay where they are."
        return Said(verdict="warn", figure=figure, says=says, evidence=evidence)
    return Said(verdict="pass", figure="no other pool to the source", evidence=evidence)


async def config_file(look: Look, name: str) -> Said:
    """Does the ini hold the pool so that an edit can point it elsewhere?"""
    endpoint = _pooler(look, name)
    machine = look.machine(name)
    try:
        text = await machine.read(endpoint.config)
    except HostError as error:
        return Said(verdict="stop", figure=error.answered, says=str(error), todo=error.remedy)
    row = _row(await look.console(name).show("SHOW DATABASES"), endpoint.database)
    line = pool_line(text, endpoint.database)
    if line is not None and row is not None and _agree(line, row):
        evidence = f"{endpoint.config}: {line.starts}host={line.host} port={line.port} …"
        return Said(verdict="pass", figure="the pool's line is as it runs", evidence=evidence)
    return Said(
        verdict="stop",
        figure=_no_line(text, endpoint, line),
        says="An edit of that file would not point this pool elsewhere.",
        evidence=f"{endpoint.config}; SHOW DATABASES → {_shown(row) if row else 'no such pool'}",
        todo=f"Write `{endpoint.database} = host=… port=… dbname=…` out in [databases], RELOAD.",
    )


def _no_line(text: str, endpoint: PgBouncer, line: PoolLine | None) -> str:
    if line is not None:
        return f"the file says host={line.host} port={line.port}, and something else runs"
    taken = includes(text)
    more = f"; it includes {several(taken)}" if taken else ""
    return f"no line of pool {endpoint.database} in [databases]{more}"


async def timer(look: Look, name: str) -> Said:
    """Can the timer that resumes the pool by itself be placed?"""
    endpoint = _pooler(look, name)
    if endpoint.host is None or endpoint.admin_socket is None:
        missing = "host" if endpoint.host is None else "admin_socket"
        return Said(
            verdict="stop",
            figure=f"the profile names no {missing} of {name}",
            says="Without a timer beside the pooler it could stay paused if this machine is lost.",
            todo=f"Add `{missing}`: the timer runs on the pooler's own host.",
        )
    path = f"{endpoint.admin_socket}/.s.PGSQL.{endpoint.port}"
    line = f"id -u; stat -c %u {quoted(path)} && command -v python3 >/dev/null"
    ran = await look.machine(name).run(line, deadline_s=5.0)
    evidence = f"{line} → {' '.join((ran.out + ran.err).split())}"
    uids = ran.out.split()
    if ran.code == 0 and uids[0] in ("0", uids[1]):
        figure = f"admin socket {path}, the pooler's uid {uids[1]}, ours {uids[0]}"
        return Said(verdict="pass", figure=figure, evidence=evidence)
    return _no_timer(path, uids, evidence)


def _no_timer(path: str, uids: list[str], evidence: str) -> Said:
    """Why it cannot be placed: no socket, another user, or nothing to run it with."""
    says = "The admin socket admits the pooler's own uid alone, so the timer could not resume."
    if len(uids) < 2:
        figure, todo = f"no socket {path}", "Set unix_socket_dir."
    elif uids[0] not in ("0", uids[1]):
        figure = f"the pooler's uid is {uids[1]}, ours {uids[0]}"
        todo = "Run Nightferry as root or as the pooler's user."
    else:
        figure, todo = (
            "no python3 on the pooler's host",
            "Install it: the timer is a small program.",
        )
        says = "Without a timer beside the pooler it could stay paused if this machine is lost."
    return Said(verdict="stop", figure=figure, says=says, evidence=evidence, todo=todo)


def _pooler(look: Look, name: str) -> PgBouncer:
    endpoint = look.endpoint(name)
    assert isinstance(endpoint, PgBouncer)
    return endpoint


def _covered(profile: Profile, pooler: PgBouncer) -> set[str]:
    return {CONSOLE} | {
        one.database
        for one in profile.endpoints
        if isinstance(one, PgBouncer) and (one.address, one.port) == (pooler.address, pooler.port)
    }


def _agree(line: PoolLine, row: Mapping[str, str]) -> bool:
    same = (line.host, line.port or "5432", line.database)
    return same == (row["host"], row["port"], row["database"])


def _row(rows: Rows, pool: str) -> Mapping[str, str] | None:
    return next((row for row in rows if row["name"] == pool), None)


def _config(rows: Rows, key: str) -> str:
    return next((row["value"] for row in rows if row["key"] == key), "")


def _shown(row: Mapping[str, str]) -> str:
    return f"{row['name']}: {row['host']}:{row['port']}/{row['database']}"


async def _addresses(host: str) -> set[str]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return set()
    return {str(address[0]) for *_, address in found}
