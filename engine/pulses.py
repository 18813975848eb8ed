"""The pulse of both servers' hosts, all night from the first step of the replication on.

Knows when there is something to watch and whom to tell; what is watched is `checks.host.pulse`'s.
Its one session a side is closed before the first reading, so it is nobody's stranger in a pause.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from actions.source import MAINTENANCE
from checks.host.gather import gather
from checks.host.pulse import Reading, pulse
from checks.host.verdicts import data_disk
from checks.host.where import where
from connections.host import Host
from connections.hosts import Hosts
from connections.sessions import Sessions
from engine.night import LiveNight
from profiles.errors import NightferryError
from profiles.events import HostSampled
from profiles.fold import Night

log = logging.getLogger(__name__)

PHASE = "replication"
EVERY_S = 5.0
AGAIN_S = 30.0
CHANNEL_S = 3600.0
"""After so long it is opened anew, and looked at which disk the data is on now."""
STOP_S = 3.0


class Pulses:
    """One task a host that the profile names."""

    def __init__(self, live: LiveNight, sessions: Sessions, hosts: Hosts) -> None:
        self._live = live
        self._sessions = sessions
        self._hosts = hosts
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def follow(self) -> None:
        """Start when the replication has been begun, stop when the night has ended."""
        if not _begun(self._live.state):
            self._cancel()
            return
        profile = self._sessions.profile
        for server in (profile.source, profile.destination):
            if server.host is not None and server.name not in self._tasks:
                self._tasks[server.name] = asyncio.create_task(self._watch(server.name))

    async def stop(self) -> None:
        """End them, and what they run on the hosts."""
        tasks = set(self._tasks.values())
        self._cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_S)

    def _cancel(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        self._tasks = {}

    async def _watch(self, name: str) -> None:
        while True:
            try:
                await self._channel_long(name, self._hosts.of(name))
            except NightferryError as error:
                self._live.publish(HostSampled(server=name, trouble=str(error)))
                await asyncio.sleep(AGAIN_S)
            except Exception as mistake:
                # One that had died would leave its last reading standing as if it were new.
                log.exception("the host of %s could not be watched", name)
                trouble = f"a mistake of ours: {type(mistake).__name__}"
                self._live.publish(HostSampled(server=name, trouble=trouble))
                await asyncio.sleep(AGAIN_S)

    async def _channel_long(self, name: str, host: Host) -> None:
        disk = await self._disk(name, host)
        await pulse(host, disk, EVERY_S, partial(self._publish, name), CHANNEL_S)

    async def _disk(self, name: str, host: Host) -> str | None:
        """The disk with the server's data; None where it cannot be told."""
        session = await self._sessions.server(name, MAINTENANCE, application="nightferry pulse")
        try:
            asked = await where(session)
        finally:
            await session.close()
        found, _ = data_disk(await gather(host, name, asked.places, 0.0, None))
        return found.name if found else None

    def _publish(self, name: str, read: Reading) -> None:
        self._live.publish(
            HostSampled(
                server=name,
                busy_percent=read.cpu.busy,
                steal_percent=read.cpu.steal,
                iowait_percent=read.cpu.iowait,
                await_ms=read.disk.write_ms,
            )
        )


def _begun(state: Night) -> bool:
    """Whether a step of the replication was begun, and the night goes on."""
    steps = (state.states.get(step.id) for step in state.plan(PHASE))
    return not state.ended and any(step is not None for step in steps)
