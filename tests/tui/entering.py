"""Nights whose profile is still being entered: half of it and tried, and wrong everywhere."""

from __future__ import annotations

from typing import Any

import msgspec

from profiles import events as ev
from tests.tui.scenes import OLD, a_profile, finding

EMPTY: dict[str, Any] = {
    "profile": 1,
    "name": "orders",
    "databases": [],
    "source": {},
    "destination": {},
}
WRONG_EVERYWHERE: dict[str, Any] = {
    **{"profile": 1, "name": "a/b", "databases": ["orders", "shop"], "finish_by": "tomorrow"},
    "source": {
        **{"name": "old@here", "address": "", "port": 70000, "user": "", "password": {"env": ""}},
        **{"tls": "maybe", "country": "Norway", "operated_by": ""},
        "host": {"kind": "ssh", "ssh": "", "port": "x"},
    },
    "destination": {"name": "new", "address": "10.0.0.2", "country": "N", "by_tunnel": True},
    "endpoints": [{"kind": "pgbouncer", "name": "new", "client": {}, "port": 0}],
}
FOUND = (
    finding("pg.reachable", "servers", "pass", "PostgreSQL 16.14 at 10.20.0.5:5432"),
    finding("pg.superuser", "servers", "pass", "postgres is a superuser"),
    finding(
        "pg.tls",
        "servers",
        "warn",
        "not encrypted",
        says="Passwords are protected by SCRAM; everything else can be read on the way.",
        todo="Turn on `ssl` on the server, and leave `tls` out of the profile: verify-full.",
    ),
    finding("pg.database", "servers", "pass", "database orders is there"),
    finding("pg.size", "servers", "pass", "212 GB in orders"),
    finding("pg.standby", "servers", "pass", "a primary"),
    finding("clock", "servers", "pass", "clock 0.004 s behind this machine's (± 0.012 s)"),
)
REFUSED = finding(
    "pg.reachable",
    "servers",
    "stop",
    "no session: password authentication failed for user “postgres”",
    server="db-new",
    says="db-new: log in as postgres: password authentication failed for user “postgres”.",
    todo="Correct the password in ~/.pgpass, or name another login.",
)


def draft(raw: dict[str, Any]) -> list[ev.Event]:
    """A night that begins with this much of a profile."""
    began = ev.NightBegan(profile=raw, version="0.1.0", draft=True)
    return [began, ev.EngineStarted(pid=4711)]


def empty() -> list[ev.Event]:
    """Only its name is known."""
    return draft(EMPTY)


def half_entered() -> list[ev.Event]:
    """Both servers were tried: one of them let nobody in."""
    raw: dict[str, Any] = {"profile": 1, **msgspec.to_builtins(a_profile())}
    raw["endpoints"] = []
    seen = ev.ServerSeen(
        server=OLD, version="16.14", version_num=160014, size_bytes=212_000_000_000
    )
    tried = {"source": FOUND, "destination": (REFUSED,)}
    return [
        *draft(raw),
        seen,
        *[
            ev.Tried(side=side, entered=raw[side], moving="orders", findings=tried[side])
            for side in ("source", "destination")
        ],
    ]


def wrong_everywhere() -> list[ev.Event]:
    """Not one field is as it has to be."""
    return draft(WRONG_EVERYWHERE)
