"""Whether a host is why the replication is behind, and what of it.

Pure: from what was sampled of the replication and of the hosts to words for the lag meter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from checks.host.verdicts import AWAIT_MS, IOWAIT_PERCENT, STEAL_PERCENT
from profiles.events import HostSampled, Sampled

BEHIND_S = 1.0
BEHIND_BYTES = 16 << 20
"""Where no heartbeat has arrived yet; so much is on its way during any copy of a row."""
STALE = timedelta(seconds=60)


def cause(samples: Sequence[Sampled], hosts: Mapping[str, HostSampled]) -> str:
    """``db-new: its disk needs 40 ms for a write``; empty when it is not behind, or no host is why.

    ``hosts`` holds the newest of each server; those that are older than a minute say nothing.
    """
    if not samples or not _behind(samples[-1]):
        return ""
    now = samples[-1].at
    found = []
    for server, sampled in hosts.items():
        if now - sampled.at <= STALE and (reasons := list(_reasons(sampled))):
            found.append(f"{server}: {', '.join(reasons)}")
    return "; ".join(found)


def _behind(newest: Sampled) -> bool:
    if newest.behind_s is not None:
        return newest.behind_s > BEHIND_S
    return newest.behind_bytes is not None and newest.behind_bytes > BEHIND_BYTES


def _reasons(sampled: HostSampled) -> Iterator[str]:
    if sampled.await_ms is not None and sampled.await_ms > AWAIT_MS:
        yield f"its disk needs {sampled.await_ms:.0f} ms for a write"
    if sampled.steal_percent is not None and sampled.steal_percent > STEAL_PERCENT:
        yield f"{sampled.steal_percent:.0f} % of its CPU is stolen"
    if sampled.iowait_percent is not None and sampled.iowait_percent > IOWAIT_PERCENT:
        yield f"{sampled.iowait_percent:.0f} % iowait"
