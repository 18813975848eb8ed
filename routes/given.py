"""What a route renders its steps from: the operator's choices and what the servers said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from checks.facts import Facts
from profiles.findings import Finding
from profiles.fold import Night
from profiles.profile import Profile


@dataclass(frozen=True)
class Given:
    """All of it, at the moment a phase is looked at."""

    profile: Profile
    facts: Facts
    findings: Sequence[Finding]
    night: Night
    tools: str
    """The folder of pg_dump and pg_restore of the destination's major version."""
    login_retry: dict[str, str | None]
    """The line of each pooler's ini that sets server_login_retry; None where none does."""
    configured: dict[str, dict[str, str]]
    """What each server's postgresql.auto.conf sets now: by server, by name."""
    folder: Path
    """Where a route may keep files of its own, on this machine."""
