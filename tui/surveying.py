"""What `nightferry host` does: looks at a host once, says what that means, gives it on paper.

Knows which host that is; what is seen and judged is `checks.host`'s.
"""

from __future__ import annotations

import asyncio
import socket

from checks.host import report
from checks.host.gather import Asked, gather
from checks.host.verdicts import judged
from profiles.machine import HostSeen
from tui.reaching import reached

WATCHED_S = 0.5
"""With everything else it is a second, over a road of 20 ms too."""
PLACES = (Asked("root", "/"),)
"""Where a database keeps its data, only the database says."""


def survey(ssh_host: str | None, *, as_json: bool) -> str:
    """The host as text or JSON. Raises NightferryError when nothing could be read."""
    seen = asyncio.run(_seen(ssh_host))
    said = judged(seen)
    return report.as_json(seen, said) if as_json else report.text(seen, said)


async def _seen(ssh_host: str | None) -> HostSeen:
    async with reached(ssh_host) as machine:
        name = ssh_host or socket.gethostname()
        return await gather(machine, name, PLACES, WATCHED_S, None)
