"""A road in a box: two hosts, two routers and a wire between them that can be made bad.

Each stands in a network namespace of its own, all in one user namespace, so that no root is needed
and nothing of this machine's network is touched; all of it is gone with the process that made it.
Knows `ip`, `unshare` and `nsenter`; must not know what runs on the hosts.

    near ── near_router ── (wire) ── far_router ── far
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from profiles.errors import HostError
from rehearsal import wire
from rehearsal.wire import Carried, Conditions

DEADLINE_S = 10.0
USER = 1000
"""The uid and gid of who runs things on the hosts, in their own view."""
THIS_MACHINE = "this machine"
HOLD = ("sh", "-c", "echo ready; exec cat")
"""A process that keeps a namespace alive for as long as its input is open."""


@dataclass(frozen=True)
class Place:
    """A host or a router: a network namespace, and the process that holds it."""

    name: str
    pid: int

    def words(self, words: Sequence[str | Path]) -> list[str]:
        """A command that runs there, as a user without any capability over the network."""
        ordinary = ["unshare", "--user", f"--map-user={USER}", f"--map-group={USER}"]
        return self.as_root([*ordinary, *words])

    def as_root(self, words: Sequence[str | Path]) -> list[str]:
        """A command that runs there, as the one who may change this place's network."""
        entering = ["nsenter", f"--target={self.pid}", "--user", "--net", "--preserve-credentials"]
        return [*entering, *map(str, words)]

    def tell(self, lines: str) -> None:
        """Commands for `ip -batch`. Raises HostError."""
        # Where ip(8) is: that folder is not on everybody's PATH.
        program = shutil.which("ip", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
        _done(self.name, self.as_root([program or "ip", "-batch", "-"]), lines)

    def set(self, setting: str, value: str) -> None:
        """Set a kernel parameter of the network, such as ``net.ipv4.icmp_ratelimit``."""
        path = f"/proc/sys/{setting.replace('.', '/')}"
        _done(self.name, self.as_root(["sh", "-c", f"cat > {path}"]), value)


class Road:
    """The places, their addresses, and the wire."""

    near_address = "10.77.1.2"
    far_address = "10.77.3.2"
    near_address_v6 = "fd77:1::2"
    far_address_v6 = "fd77:3::2"
    near_router_address = "10.77.1.1"
    far_router_address = "10.77.2.2"

    def __init__(self, places: Sequence[Place], wire: subprocess.Popen[str]) -> None:
        self.near, self.near_router, self.far_router, self.far = places
        self._wire = wire

    def be(self, conditions: Conditions) -> Carried:
        """Change the wire from now on; what it carried since it was last changed.

        Raises HostError when the wire is gone.
        """
        assert self._wire.stdin and self._wire.stdout
        self._wire.stdin.write(json.dumps(asdict(conditions)) + "\n")
        self._wire.stdin.flush()
        answer = self._wire.stdout.readline()
        if not answer:
            raise HostError("the wire", "change its conditions", "it has ended")
        return Carried(**json.loads(answer))

    def shrink(self, mtu: int) -> None:
        """Make the network behind the far router take no larger packets, and say so."""
        self.far_router.tell(f"link set far mtu {mtu}")
        self.far.tell(f"link set road mtu {mtu}")


@contextmanager
def road() -> Iterator[Road]:
    """A road, from its making to its end. Raises HostError where namespaces cannot be had."""
    with ExitStack() as stack:
        base = _held(stack, ["unshare", "--user", "--map-root-user", "--net", *HOLD], "wire")
        new = ["unshare", "--net", *HOLD]
        names = ("near", "near router", "far router", "far")
        places = [_held(stack, base.as_root(new), name) for name in names]
        _lay(base, places)
        yield Road(places, _wire(stack, base))


def _lay(base: Place, places: Sequence[Place]) -> None:
    near, near_router, far_router, far = places
    pairs = [
        (near, "road", near_router, "near"),
        (near_router, "far", base, "first"),
        (base, "second", far_router, "near"),
        (far_router, "far", far, "road"),
    ]
    for place in places:  # nobody else has these addresses: they can be used at once
        place.set("net.ipv6.conf.default.accept_dad", "0")
    # A frame must not be larger than a packet: the wire loses and counts packets.
    base.tell(
        "\n".join(
            f"link add {one} netns {here.pid} gso_max_segs 1 type veth"
            f" peer name {other} netns {there.pid} gso_max_segs 1"
            for here, one, there, other in pairs
        )
    )
    base.tell("link set first up\nlink set second up")
    for router in (near_router, far_router):
        router.set("net.ipv4.ip_forward", "1")
        router.set("net.ipv6.conf.all.forwarding", "1")
    near.tell(_addressed("road", "1", 2) + _routes("default", "default", "1", 1))
    far.tell(_addressed("road", "3", 2) + _routes("default", "default", "3", 1))
    near_router.tell(
        _addressed("near", "1", 1)
        + _addressed("far", "2", 1)
        + _routes("10.77.3.0/24", "fd77:3::/64", "2", 2)
    )
    far_router.tell(
        _addressed("near", "2", 2)
        + _addressed("far", "3", 1)
        + _routes("10.77.1.0/24", "fd77:1::/64", "2", 1)
    )


def _addressed(interface: str, network: str, host: int) -> str:
    return (
        f"link set lo up\nlink set {interface} up\n"
        f"addr add 10.77.{network}.{host}/24 dev {interface}\n"
        f"addr add fd77:{network}::{host}/64 dev {interface}\n"
    )


def _routes(v4: str, v6: str, network: str, host: int) -> str:
    return f"route add {v4} via 10.77.{network}.{host}\nroute add {v6} via fd77:{network}::{host}\n"


def _wire(stack: ExitStack, base: Place) -> subprocess.Popen[str]:
    script = [sys.executable, "-I", str(wire.__file__), "first", "second"]
    process = _started(stack, base.as_root(script))
    assert process.stdin and process.stdout
    return process


def _held(stack: ExitStack, words: Sequence[str], name: str) -> Place:
    process = _started(stack, words)
    assert process.stdout
    if process.stdout.readline() != "ready\n":
        raise HostError(
            THIS_MACHINE,
            "make a network namespace in a user namespace",
            "it is not allowed, or unshare and nsenter are missing",
            "Allow user namespaces (kernel.unprivileged_userns_clone, "
            "kernel.apparmor_restrict_unprivileged_userns), or do without the road.",
        )
    return Place(name, process.pid)


def _started(stack: ExitStack, words: Sequence[str]) -> subprocess.Popen[str]:
    try:
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
    except OSError as error:
        said = error.strerror or str(error)
        raise HostError(THIS_MACHINE, f"start {words[0]}", said) from error
    stack.callback(_end, process)
    return process


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate(timeout=DEADLINE_S)


def _done(where: str, words: Sequence[str], input_: str) -> None:
    try:
        ran = subprocess.run(
            words, input=input_, capture_output=True, text=True, timeout=DEADLINE_S, check=False
        )
    except OSError as error:
        raise HostError(where, words[0], error.strerror or str(error)) from error
    if ran.returncode:
        raise HostError(where, f"{' '.join(words)} with: {input_}", ran.stderr.strip())
