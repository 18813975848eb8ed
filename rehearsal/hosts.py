"""What a rehearsal stands on: a road with three hosts behind a gate, or this machine.

Chooses what can be had, and says why where that is less than was wanted; makes the ssh_config by
which the wizard reaches it. Must not know what runs on the hosts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol

from profiles.errors import HostError
from rehearsal import sshconfig, sshd
from rehearsal.folders import DEFAULT_ROAD, Hosts, Layout
from rehearsal.processes import HERE, THIS_MACHINE, Ground, Recorder
from rehearsal.road import Place, Road, road
from rehearsal.sshconfig import GATE, Door, alias
from rehearsal.sshd import Gate, Sshd, program
from rehearsal.wire import Carried, Conditions

LOOPBACK = "127.0.0.1"
NAMES = ("old", "pool", "new")
ROUTERS = {"near-router": Road.near_router_address, "far-router": Road.far_router_address}


@dataclass(frozen=True)
class Host:
    """One host: where processes run on it, and the address by which the others know it."""

    ground: Ground = HERE
    address: str = LOOPBACK
    login_port: int = 0
    """Where its sshd is, as the other hosts see it; 0: there is none."""

    @property
    def is_apart(self) -> bool:
        """Whether it has a network of its own, where every port is free."""
        return self.address != LOOPBACK

    @property
    def addresses(self) -> Sequence[str]:
        """Where a server on it listens."""
        return (LOOPBACK, self.address) if self.is_apart else (LOOPBACK,)


class Stage(Protocol):
    """What the world stands on, from its making to its end."""

    kind: Hosts
    hosts: Mapping[str, Host]
    """By the name of the server or pooler on it."""

    async def open(self, recorder: Recorder) -> None:
        """Have it reached as the wizard reaches it. Raises HostError."""

    def be(self, conditions: Conditions) -> Carried:
        """Change its road; what that carried meanwhile. Raises HostError where there is none."""

    async def close(self) -> None:
        """All of it is gone afterwards, with whatever still runs on its hosts."""


async def make(layout: Layout, wanted: Hosts | None) -> tuple[Stage, str]:
    """The stage that was asked for, or the best that can be had, and why there is no better one.

    Raises HostError where exactly this one was asked for and cannot be had.
    """
    if wanted == "local":
        return OnLoopback(), ""
    if wanted == "ssh":
        return BySshHere(layout), ""
    stage = OnRoad(layout)
    try:
        await stage.make()
    except HostError as error:
        await stage.close()
        if wanted == "road":
            raise
        return BySshHere(layout), f"{error.tried}: {error.answered}"
    return stage, ""


class OnLoopback:
    """This machine, without SSH."""

    kind: Hosts = "local"

    def __init__(self) -> None:
        self.hosts: Mapping[str, Host] = dict.fromkeys(NAMES, Host())

    async def open(self, recorder: Recorder) -> None:
        """Nothing is to be done."""

    def be(self, conditions: Conditions) -> Carried:
        """There is no road."""
        raise HostError(THIS_MACHINE, "change the road", "this rehearsal stands on none")

    async def close(self) -> None:
        """Nothing is to be done."""


class BySshHere(OnLoopback):
    """This machine, reached by SSH to a server in this process."""

    kind: Hosts = "ssh"

    def __init__(self, layout: Layout) -> None:
        # asyncssh takes 0.15 s to load, and a road does not need it.
        from rehearsal.sshhere import SshHere

        super().__init__()
        self._layout = layout
        self._server = SshHere(layout.host("here") / "home")

    async def open(self, recorder: Recorder) -> None:
        """Start the server, and write down how it is reached."""
        self._layout.ssh.mkdir(mode=0o700)
        key = await self._server.open(self._layout.ssh / "key")
        port = self._server.port
        self.hosts = dict.fromkeys(NAMES, Host(login_port=port))
        _write(self._layout, [Door(alias(name), LOOPBACK, port, key) for name in NAMES])

    async def close(self) -> None:
        """End the server and what it runs."""
        await self._server.close()


class OnRoad:
    """Three hosts in network namespaces, and a gate through which alone they are reached."""

    kind: Hosts = "road"

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._life = ExitStack()
        self._road: Road | None = None
        self._gate: Gate | None = None
        self.hosts: Mapping[str, Host] = {}

    async def make(self) -> None:
        """The road alone. Raises HostError where it, or SSH on it, cannot be had."""
        for name in ("sshd", "ssh-keygen"):
            program(name)
        self._road = await asyncio.to_thread(self._life.enter_context, road())
        self._road.be(DEFAULT_ROAD)
        self.hosts = {
            name: Host(place.ground, address, sshd.PORT)
            for name, (place, address) in self._places.items()
        }

    async def open(self, recorder: Recorder) -> None:
        """The SSH servers, the gate, and how they are reached."""
        self._layout.ssh.mkdir(mode=0o700)
        made = self._road
        assert made is not None
        client_key = await sshd.make_key(self._layout.ssh / "key")
        behind = {
            name: Sshd(place, self._layout.host(name), address)
            for name, (place, address) in self._places.items()
        }
        before = Sshd(made.near_router, self._layout.host(GATE))
        names = {**{alias(name): each.address for name, each in behind.items()}, **ROUTERS}
        await asyncio.gather(
            *(each.prepare(client_key, names) for each in (*behind.values(), before))
        )
        await asyncio.gather(
            *(each.start(recorder(f"sshd {name}")) for name, each in behind.items())
        )
        self._gate = Gate(before)
        doors = [
            Door(GATE, LOOPBACK, self._gate.port, before.key),
            *(
                Door(alias(name), each.address, sshd.PORT, each.key, GATE)
                for name, each in behind.items()
            ),
        ]
        _write(self._layout, doors)

    def be(self, conditions: Conditions) -> Carried:
        """Change the wire from now on."""
        assert self._road is not None
        return self._road.be(conditions)

    async def close(self) -> None:
        """End the places, with all that runs there, then the gate."""
        await asyncio.to_thread(self._life.close)
        if self._gate is not None:
            await self._gate.close()

    @property
    def _places(self) -> Mapping[str, tuple[Place, str]]:
        made = self._road
        assert made is not None
        return {
            "old": (made.near, made.near_address),
            "pool": (made.pool, made.pool_address),
            "new": (made.far, made.far_address),
        }


def _write(layout: Layout, doors: Sequence[Door]) -> None:
    (layout.ssh / "known_hosts").write_text(sshconfig.known_hosts(doors))
    layout.ssh_config.write_text(sshconfig.config(doors, layout.ssh))
