"""What a route renders its steps from: the operator's choices and what the servers said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from checks.facts import Facts
from connections.unit import Keeper
from profiles.findings import Finding
from profiles.fold import Night
from profiles.profile import Profile


@dataclass(frozen=True)
class TunnelGiven:
    """What the two hosts said of a tunnel for replication."""

    keeper: Keeper
    """What keeps it running on the destination's host."""
    host_key: str
    """Of the source's host, which we know it by: its kind and the key."""


@dataclass(frozen=True)
class Given:
    """All of it, at the moment a phase is looked at."""

    profile: Profile
    facts: Facts
    findings: Sequence[Finding]
    night: Night
    tools: str
    """The folder of pg_dump and pg_restore of the destination's major version, where they run.

    Only in the phase that carries the schema over; empty in others.
    """
    login_retry: dict[str, str | None]
    """The line of each pooler's ini that sets server_login_retry; None where none does."""
    configured: dict[str, dict[str, str]]
    """What each server's postgresql.auto.conf sets now: by server, by name."""
    folder: Path
    """Where a route may keep files of its own, on this machine; named after the night."""
    tunnel: TunnelGiven | None = None
    """Where replication goes through one, in the phase that makes it."""
