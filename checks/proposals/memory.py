"""How PostgreSQL's memory is shared out, so that all of it together never exceeds the host's."""

from __future__ import annotations

from typing import NamedTuple

from checks.proposals import sizes
from checks.proposals.settings import Setting, Settings
from checks.proposals.sizes import GIB, MIB

BUFFERS_PERCENT = 25
MAINTENANCE_SHARE = 16
MAINTENANCE_AT_MOST = 2 * GIB


class Fit(NamedTuple):
    """Both in bytes, never lower than now, and how each was arrived at."""

    shared_buffers: int
    buffers_said: str
    maintenance_work_mem: int
    maintenance_said: str


def fitted(total: int, settings: Settings, source: Settings) -> Fit | None:
    """What fits in ``total`` bytes; None where the server does not say what it has now."""
    wanted = ("shared_buffers", "maintenance_work_mem", "work_mem", "max_connections")
    now = [settings.get(name) for name in wanted]
    buffers, maintenance, work, connections = now
    if buffers is None or maintenance is None or work is None or connections is None:
        return None
    clients = max(connections.number, _number(source.get("max_connections")))
    workers = _number(settings.get("autovacuum_max_workers")) or 1
    sessions = clients * work.bytes
    left = total - sessions - workers * maintenance.bytes
    shared = _between(buffers.bytes, total * BUFFERS_PERCENT // 100, left)
    left = (total - sessions - shared) // workers
    each = _between(maintenance.bytes, min(total // MAINTENANCE_SHARE, MAINTENANCE_AT_MOST), left)
    taken = f"{clients} × {sizes.shown(work.bytes)} of work_mem"
    return Fit(
        shared,
        f"{BUFFERS_PERCENT} % of {sizes.shown(total)}, beside {taken}",
        each,
        f"1/{MAINTENANCE_SHARE} of {sizes.shown(total)}, at most"
        f" {sizes.shown(MAINTENANCE_AT_MOST)}; {workers} of them beside"
        f" {sizes.shown(shared)} of shared_buffers and {taken}",
    )


def _between(now: int, wanted: int, at_most: int) -> int:
    """In whole MiB; what is there is never made less."""
    return max(now, sizes.down_to(min(wanted, max(at_most, 0)), MIB))


def _number(setting: Setting | None) -> int:
    return setting.number if setting is not None else 0
