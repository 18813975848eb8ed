"""Two hosts and their servers side by side: what is lower on the new one than on the old.

Pure. A figure that one side lacks is named as not compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from checks.check import Said
from checks.figures import several, size
from checks.host.around import UNLIMITED
from profiles.machine import HostSeen

SMALLER = 0.95
"""Two machines of one size differ by a little of what the kernel keeps for itself."""
MUST_NOT_SHRINK = (
    "max_connections",
    "max_worker_processes",
    "max_wal_senders",
    "max_prepared_transactions",
    "max_locks_per_transaction",
)
"""What a standby too must have no less of than its primary (PostgreSQL manual, 26.4.3)."""

Limits = Mapping[str, int]


def compared(old: HostSeen, new: HostSeen, was: Limits, will: Limits) -> Said:
    """Which limit is lower on the new host or server? ``was`` and ``will`` are the servers' own."""
    lower = [*_hosts(old, new), *_servers(was, will)]
    apart = list(_not_compared(old, new))
    aside = f"Not compared: {several(apart)}." if apart else ""
    if not lower:
        figure = f"nothing is lower on {new.host}"
        return Said(verdict="unknown" if apart else "pass", figure=figure, says=aside)
    return Said(
        verdict="warn",
        figure=f"lower on {new.host}: {several(lower)}",
        says=f"What the old server carried may be too much for the new one. {aside}".strip(),
        todo="Raise it before the new server is opened, where it is no mistake.",
    )


def _hosts(old: HostSeen, new: HostSeen) -> Iterator[str]:
    if new.cpu.cores < old.cpu.cores:
        yield f"cores: {old.cpu.cores} to {new.cpu.cores}"
    before, after = (seen.memory.allowed or seen.memory.total for seen in (old, new))
    if after < SMALLER * before:
        yield f"memory: {size(before)} to {size(after)}"
    for name in sorted(old.limits.keys() & new.limits.keys()):
        if _below(new.limits[name], old.limits[name]):
            yield f"{name}: {_limit(old.limits[name])} to {_limit(new.limits[name])}"


def _servers(was: Limits, will: Limits) -> Iterator[str]:
    for name in MUST_NOT_SHRINK:
        if name in was and name in will and will[name] < was[name]:
            yield f"{name}: {was[name]} to {will[name]}"


def _not_compared(old: HostSeen, new: HostSeen) -> Iterator[str]:
    for seen in (old, new):
        if not seen.limits:
            yield f"the server's limits on {seen.host}"


def _below(after: int, before: int) -> bool:
    if after == UNLIMITED:
        return False
    return before == UNLIMITED or after < before


def _limit(value: int) -> str:
    return "unlimited" if value == UNLIMITED else f"{value:,}"
