"""A night whose new server has too slow a disk: all is copied, and it falls ever further behind."""

from __future__ import annotations

from profiles import events as ev
from tests.tui import scenes
from tests.tui.scenes import MB, NEW, OLD

READINGS = 170
PULSE_EVERY = 5


def slow_disk() -> list[ev.Event]:
    """Twice as much is written as applied; the new host needs 40 ms for each write."""
    return [
        *scenes.up_to_replication(),
        *scenes.done(scenes.replication_steps()),
        *falling_behind(),
        ev.GateRead(gate="behind", holds=False, figure="behind < 1 s for 60 s: 85.00 s, held 0 s"),
        *scenes.looked(
            "lag",
            scenes.finding(
                "pg.schema_drift", "lag", "pass", "1 204 objects, all alike", server=None
            ),
            scenes.finding("lag.writers", "lag", "pass", "0 foreign writers", server=NEW),
        ),
    ]


def falling_behind() -> list[ev.Event]:
    """A reading a second, and of each host one now and then."""
    told: list[ev.Event] = []
    for second in range(1, READINGS + 1):
        if second % PULSE_EVERY == 0:
            told += pulses()
        told.append(
            ev.Sampled(
                behind_bytes=int(second * 3.1 * MB),
                behind_s=second / 2,
                write_rate=6.2 * MB,
                apply_rate=3.1 * MB,
                retained_bytes=int(second * 3.1 * MB + 16 * MB),
                wal_status="extended",
            )
        )
    return told


def pulses() -> list[ev.Event]:
    """The old host is well; the new one waits for its disk."""
    return [
        ev.HostSampled(
            server=OLD, busy_percent=22.0, steal_percent=0.1, iowait_percent=2.0, await_ms=0.8
        ),
        ev.HostSampled(
            server=NEW, busy_percent=31.0, steal_percent=0.3, iowait_percent=24.0, await_ms=40.2
        ),
    ]
