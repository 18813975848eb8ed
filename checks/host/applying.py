"""Whether a disk that flushes so slowly can carry what the source's transactions write.

Pure. A subscription has one process that applies transactions one after the other; from the step
before the cutover on it waits for each commit to be on disk (``synchronous_commit``), so that it
makes 1000 ms / flush of them in a second at most. Before that step it does not wait (PostgreSQL
manual, CREATE SUBSCRIPTION), and falls behind for other reasons only.
"""

from __future__ import annotations

import msgspec

from checks.check import Said

SPARE = 2.0
"""Below this there is nothing left for an hour that is busier than this one."""


def can_apply(fsync_ms: float, commits_a_second: float) -> Said:
    """Can a disk that takes ``fsync_ms`` for a flush keep up with the source?

    ``commits_a_second`` are those of transactions that wrote: `checks.machine.commit_rate`.
    """
    most = 1000 / fsync_ms if fsync_ms > 0 else float("inf")
    said = Said(
        verdict="pass",
        figure=f"a flush takes {fsync_ms:.2f} ms, the source writes in "
        f"{commits_a_second:.0f} transactions/s",
        evidence=f"1000 ms / {fsync_ms:.2f} ms = {most:.0f} commits a second, one after the other",
    )
    if commits_a_second * SPARE <= most:
        return said
    todo = "A disk with a cache that outlives a power cut, or a faster one."
    if commits_a_second <= most:
        says = "It keeps up, with nothing to spare for a busier hour."
        return msgspec.structs.replace(said, verdict="warn", says=says, todo=todo)
    says = "Once it waits for each commit it falls behind for ever, and the gate never opens."
    return msgspec.structs.replace(said, verdict="stop", says=says, todo=todo)
