"""The tunnel that replication goes through, as a step: made, let in, started, and proven.

It is a loan on both hosts, settled once the subscription, which needs it to be dropped, is gone.
"""

from __future__ import annotations

from actions.postgres import login_string
from connections import unit as units
from connections.places import seen_from_destination
from connections.unit import Keeper, TunnelUnit
from profiles.profile import ReplicationTunnel, Server
from profiles.steps import Evidence, LooseEnd, Shell, Step, quoted


def unit_of(
    source: Server,
    destination: Server,
    tunnel: ReplicationTunnel,
    *,
    night: str,
    host_key: str,
    database: tuple[str, int],
    compressed: bool,
) -> TunnelUnit:
    """What runs on the destination's host.

    ``host_key``: of the source's host, its kind and the key; ``database``: the address and port
    at which the source's own host reaches it.
    """
    return TunnelUnit(
        name=units.name_of(night),
        runs_on=destination.name,
        through=source.name,
        login=tunnel.login,
        login_port=tunnel.login_port,
        host_key=units.known_as(tunnel.login, tunnel.login_port, host_key),
        seen_from=tunnel.comes_from,
        database=database,
        local_port=tunnel.local_port,
        compressed=compressed,
    )


def open_tunnel(unit: TunnelUnit, keeper: Keeper, identity: Evidence, *, tools: str) -> Step:
    """Make it and start it. It leads to the right server when ``identity`` holds."""
    new, old = unit.runs_on, unit.through
    return Step(
        id=f"tunnel@{new}",
        phase="replication",
        title=f"Open the tunnel from {new} to {old} for replication",
        why=f"It runs on the host of {new} by itself, survives this machine, and its key opens"
        f" one port of {old} and nothing else.",
        commands=(
            units.make(unit),
            units.public_key(unit),
            units.permit(unit),
            units.start(unit, keeper),
            units.arrives(unit, tools),
        ),
        holds=(units.runs(unit, keeper), units.is_permitted(unit), identity),
        undo=(units.stop(unit, keeper), units.forbid(unit), units.remove(unit)),
        undone=(
            units.is_stopped(unit, keeper),
            units.is_forbidden(unit),
            units.is_removed(unit),
        ),
        leaves=LooseEnd(
            id=f"tunnel@{new}",
            server=new,
            what=f"tunnel {unit.name} on the host of {new}, its key on that of {old}",
            settled_by=f"undo-tunnel@{new}",
        ),
        deadline_s=180.0,
        danger=f"lets a key in on the host of {old}, for one port",
        servers=(old,),
    )


def same_server(
    source: Server, destination: Server, database: str, identifier: str, *, tls: str, tools: str
) -> Evidence:
    """Whether our own login reaches that very server from the destination's host.

    ``identifier``: its system identifier; ``tools``: the folder of psql there.
    """
    login = quoted(login_string(source, seen_from_destination(source), database, tls))
    ask = "SELECT system_identifier FROM pg_control_system()"
    line = f"{quoted(tools + '/psql')} -XAtw -d {login} -c {quoted(ask)}"
    shell = Shell(host=destination.name, line=line, passwords_for=(source.name,), deadline_s=20.0)
    return Evidence(ask=shell, answer=identifier, says=f"it leads to {source.name} itself")
