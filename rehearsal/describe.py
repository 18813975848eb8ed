"""The profile of a rehearsal: what an operator would have written about these two servers."""

from __future__ import annotations

import shlex
from pathlib import Path

from profiles.profile import (
    ConnectionFile,
    Endpoint,
    LocalHost,
    Login,
    PgBouncer,
    Profile,
    SecretRef,
    Server,
    Thresholds,
)
from rehearsal.folders import BoxState, Layout
from rehearsal.pooler import ADMIN, POOL

THRESHOLDS = Thresholds(
    lag_held_s=3.0,
    slot_deadline_s=60.0,
    copy_deadline_s=900.0,
    write_rate_window_s=2.0,
    network_cycles=5,
)
"""A rehearsal is short: what is held for a minute at night is held for seconds here."""


def profile(layout: Layout, state: BoxState, programs: dict[int, Path]) -> Profile:
    """The profile of a rehearsal whose servers and traffic are up."""
    return Profile(
        name="rehearsal",
        databases=["shop"],
        rehearsal=True,
        source=_server(layout, "old", state.old_port, programs[16]),
        destination=_server(layout, "new", state.new_port, programs[18]),
        endpoints=[_endpoint(layout, state)],
        thresholds=THRESHOLDS,
    )


def _server(layout: Layout, name: str, port: int, programs: Path) -> Server:
    return Server(
        name=name,
        address="127.0.0.1",
        port=port,
        password=_secret(layout, name),
        country="ZZ",
        operated_by="this rehearsal",
        host=LocalHost(),
        client_tools=str(programs),
    )


def _endpoint(layout: Layout, state: BoxState) -> Endpoint:
    client = Login(user="app", password=_secret(layout, "app"))
    if state.traffic == "pgbouncer":
        folder = layout.folder / "pooler"
        return PgBouncer(
            name="pool",
            address="127.0.0.1",
            port=state.pool_port,
            database=POOL,
            config=str(folder / "pgbouncer.ini"),
            admin_user=ADMIN,
            admin_password=_secret(layout, ADMIN),
            admin_socket=str(folder),
            client=client,
            host=LocalHost(),
        )
    return ConnectionFile(
        name="app-env",
        path=str(layout.connection_file),
        replace={f"DATABASE_PORT={state.old_port}": f"DATABASE_PORT={state.new_port}"},
        reload=f'kill -HUP "$(cat {shlex.quote(str(layout.application_pid))})"',
        client=client,
        host=LocalHost(),
    )


def _secret(layout: Layout, name: str) -> SecretRef:
    return SecretRef(command=f"cat {shlex.quote(str(layout.secret(name)))}")
