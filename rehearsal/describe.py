"""The profile of a rehearsal: what an operator would have written about these two servers."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from msgspec.structs import replace

from profiles.profile import (
    ConnectionFile,
    Endpoint,
    LocalHost,
    Login,
    PgBouncer,
    Profile,
    ReplicationTunnel,
    SecretRef,
    Server,
    SshHost,
    Thresholds,
    TlsMode,
)
from rehearsal.folders import BoxState, Layout
from rehearsal.hosts import Host
from rehearsal.pooler import ADMIN, POOL
from rehearsal.sshconfig import LOGIN, alias

THRESHOLDS = Thresholds(
    lag_held_s=3.0,
    slot_deadline_s=60.0,
    copy_deadline_s=900.0,
    long_transaction_s=5.0,
    write_rate_window_s=2.0,
    network_cycles=5,
)
"""A rehearsal is short: what is held for a minute at night is held for seconds here."""


@dataclass(frozen=True)
class Setting:
    """What a profile is written from: a rehearsal whose servers and traffic are up."""

    layout: Layout
    state: BoxState
    hosts: Mapping[str, Host]
    """By the name of the server or pooler on it."""
    programs: Mapping[int, Path]
    """By PostgreSQL's major version."""


def profile(setting: Setting, replication: Literal["direct", "tunnel"]) -> Profile:
    """The profile of a rehearsal."""
    old, new = setting.hosts["old"], setting.hosts["new"]
    source = _server(setting, "old", setting.state.old_port, 16)
    if replication == "tunnel":
        source = replace(source, replication_tunnel=_tunnel(old, new))
    destination = _server(setting, "new", setting.state.new_port, 18)
    if new.is_apart:
        destination = replace(destination, comes_from=new.address)
    return Profile(
        name="rehearsal",
        databases=["shop"],
        rehearsal=True,
        source=source,
        destination=destination,
        endpoints=[_endpoint(setting)],
        thresholds=THRESHOLDS,
    )


def _server(setting: Setting, name: str, port: int, major: int) -> Server:
    return Server(
        name=name,
        address=setting.hosts[name].address,
        port=port,
        password=_secret(setting.layout, name),
        tls=_tls(setting, name),
        country="ZZ",
        operated_by="this rehearsal",
        host=_host(setting, name),
        by_tunnel=setting.state.hosts != "local",
        client_tools=str(setting.programs[major]),
    )


def _tunnel(old: Host, new: Host) -> ReplicationTunnel:
    login = f"{LOGIN}@{old.address}"
    return ReplicationTunnel(login=login, login_port=old.login_port, comes_from=new.address)


def _endpoint(setting: Setting) -> Endpoint:
    layout, state = setting.layout, setting.state
    client = Login(user="app", password=_secret(layout, "app"))
    if state.traffic == "pgbouncer":
        folder = layout.folder / "pooler"
        return PgBouncer(
            name="pool",
            address=setting.hosts["pool"].address,
            port=state.pool_port,
            database=POOL,
            config=str(folder / "pgbouncer.ini"),
            admin_user=ADMIN,
            admin_password=_secret(layout, ADMIN),
            admin_socket=str(folder),
            client=client,
            tls=_tls(setting, "pool"),
            host=_host(setting, "pool"),
            by_tunnel=state.hosts != "local",
        )
    old, new = setting.hosts["old"], setting.hosts["new"]
    moved = {f"DATABASE_PORT={state.old_port}": f"DATABASE_PORT={state.new_port}"}
    if new.is_apart:
        moved[f"DATABASE_HOST={old.address}"] = f"DATABASE_HOST={new.address}"
    return ConnectionFile(
        name="app-env",
        path=str(layout.connection_file),
        replace=moved,
        reload=f'kill -HUP "$(cat {shlex.quote(str(layout.application_pid))})"',
        client=client,
        host=_host(setting, "pool"),
    )


def _host(setting: Setting, name: str) -> LocalHost | SshHost:
    if setting.state.hosts == "local":
        return LocalHost()
    return SshHost(ssh=alias(name), config=str(setting.layout.ssh_config))


def _tls(setting: Setting, name: str) -> TlsMode | None:
    """The servers of a rehearsal have none; on this machine that is what is expected anyway."""
    return "prefer" if setting.hosts[name].is_apart else None


def _secret(layout: Layout, name: str) -> SecretRef:
    return SecretRef(command=f"cat {shlex.quote(str(layout.secret(name)))}")
