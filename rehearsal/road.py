"""A road in a box: three hosts, two routers and a wire between them that can be made bad.

Each stands in a network namespace of its own, with its own mounts, all in one user namespace, so
that no root is needed and nothing of this machine is touched; it is all gone, with everything that
runs there, when the process that made it ends, however that ends.
Knows `ip`, `unshare` and `nsenter`; must not know what runs on the hosts.

    near ─┬─ near_router ── (wire) ── far_router ── far
    pool ─┘
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from profiles.errors import HostError
from rehearsal import wire
from rehearsal.processes import THIS_MACHINE, Ground
from rehearsal.wire import Carried, Conditions

DEADLINE_S = 10.0
USER = 1000
"""The uid and gid of who runs things on the hosts, in their own view."""
HOLD = r"""
here=$(readlink /proc/$$/ns/net)
case $here in "$1" | "") exit 1 ;; esac
echo ready
cat >/dev/null
for again in 1 2 3; do
  for there in $(ls -l /proc/[0-9]*/ns/net 2>/dev/null | grep -F " $here" | cut -d/ -f3); do
    [ "$there" = $$ ] || kill -s KILL "$there" 2>/dev/null
  done
done
"""
"""Keeps a namespace, and all that runs there, as long as its input is open; never its maker's.

At its end, what was just being started is ended by the next turn.
"""
NEW = ("unshare", "--net", "--mount", "--ipc")
SPACES = ("--user", "--net", "--mount", "--ipc")


Started = list[subprocess.Popen[str]]


@dataclass(frozen=True)
class Place:
    """A host or a router: a network namespace, and the process that holds it."""

    name: str
    pid: int

    def words(self, words: Sequence[str | Path]) -> list[str]:
        """A command that runs there, as a user without any capability over the network."""
        who = [f"--map-user={USER}", f"--map-group={USER}"]
        # Whoever enters a mount namespace stands at its root at first.
        return self.as_root(["unshare", "--user", *who, f"--wd={Path.cwd()}", *words])

    def as_root(self, words: Sequence[str | Path]) -> list[str]:
        """A command that runs there, as the one who may change this place's network."""
        entering = ["nsenter", f"--target={self.pid}", *SPACES, "--preserve-credentials"]
        return [*entering, *map(str, words)]

    @property
    def ground(self) -> Ground:
        """For processes that are to run there."""
        return Ground(tuple(self.words([])))

    def tell(self, lines: str) -> None:
        """Commands for `ip -batch`. Raises HostError."""
        # Where ip(8) is: that folder is not on everybody's PATH.
        program = shutil.which("ip", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
        _done(self.name, self.as_root([program or "ip", "-batch", "-"]), lines)

    def set(self, setting: str, value: str) -> None:
        """Set a kernel parameter of the network, such as ``net.ipv4.icmp_ratelimit``."""
        path = f"/proc/sys/{setting.replace('.', '/')}"
        _done(self.name, self.as_root(["sh", "-c", f"cat > {path}"]), value)

    def furnish(self, lines: str) -> None:
        """Shell lines that mount what only this place is to see. Raises HostError."""
        _done(self.name, self.as_root(["sh", "-e"]), lines)


class Road:
    """The places, their addresses, and the wire."""

    near_address = "10.77.1.2"
    pool_address = "10.77.4.2"
    far_address = "10.77.3.2"
    near_address_v6 = "fd77:1::2"
    far_address_v6 = "fd77:3::2"
    near_router_address = "10.77.1.1"
    far_router_address = "10.77.2.2"

    def __init__(self, places: Sequence[Place], wire: subprocess.Popen[str]) -> None:
        self.near, self.pool, self.near_router, self.far_router, self.far = places
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
        return wire.told(answer)

    def shrink(self, mtu: int) -> None:
        """Make the network behind the far router take no larger packets, and say so."""
        self.far_router.tell(f"link set far mtu {mtu}")
        self.far.tell(f"link set road mtu {mtu}")


@contextmanager
def road() -> Iterator[Road]:
    """A road, from its making to its end. Raises HostError where namespaces cannot be had."""
    hold = ["sh", "-c", HOLD, "sh", str(Path("/proc/self/ns/net").readlink())]
    with _ending() as started:
        base = _held(started, [*NEW, "--user", "--map-root-user", *hold], "wire")
        names = ("near", "pool", "near router", "far router", "far")
        places = [_held(started, base.as_root([*NEW, *hold]), name) for name in names]
        _lay(base, places)
        yield Road(places, _wire(started, base))


@contextmanager
def _ending() -> Iterator[Started]:
    """Ends what is started meanwhile: its input first, and with that it; holders end theirs."""
    started: Started = []
    try:
        yield started
    finally:
        for process in started:
            assert process.stdin
            process.stdin.close()
        for process in reversed(started):
            try:
                process.wait(timeout=DEADLINE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            assert process.stdout
            process.stdout.close()


def _lay(base: Place, places: Sequence[Place]) -> None:
    near, pool, near_router, far_router, far = places
    pairs = [
        (near, "road", near_router, "near"),
        (pool, "road", near_router, "pool"),
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
    for host, network in ((near, "1"), (pool, "4"), (far, "3")):
        host.tell(_addressed("road", network, 2) + _routes("default", "default", network, 1))
    near_router.tell(
        _addressed("near", "1", 1)
        + _addressed("pool", "4", 1)
        + _addressed("far", "2", 1)
        + _routes("10.77.3.0/24", "fd77:3::/64", "2", 2)
    )
    far_router.tell(
        _addressed("near", "2", 2)
        + _addressed("far", "3", 1)
        + _routes("10.77.1.0/24", "fd77:1::/64", "2", 1)
        + _routes("10.77.4.0/24", "fd77:4::/64", "2", 1)
    )


def _addressed(interface: str, network: str, host: int) -> str:
    return (
        f"link set lo up\nlink set {interface} up\n"
        f"addr add 10.77.{network}.{host}/24 dev {interface}\n"
        f"addr add fd77:{network}::{host}/64 dev {interface}\n"
    )


def _routes(v4: str, v6: str, network: str, host: int) -> str:
    return f"route add {v4} via 10.77.{network}.{host}\nroute add {v6} via fd77:{network}::{host}\n"


def _wire(started: Started, base: Place) -> subprocess.Popen[str]:
    script = [sys.executable, "-I", str(wire.__file__), "first", "second"]
    process = _start(started, base.as_root(script))
    assert process.stdin and process.stdout
    return process


def _held(started: Started, words: Sequence[str], name: str) -> Place:
    process = _start(started, words)
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


def _start(started: Started, words: Sequence[str]) -> subprocess.Popen[str]:
    try:
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
    except OSError as error:
        said = error.strerror or str(error)
        raise HostError(THIS_MACHINE, f"start {words[0]}", said) from error
    started.append(process)
    return process


def _done(where: str, words: Sequence[str], input_: str) -> None:
    try:
        ran = subprocess.run(
            words, input=input_, capture_output=True, text=True, timeout=DEADLINE_S, check=False
        )
    except OSError as error:
        raise HostError(where, words[0], error.strerror or str(error)) from error
    if ran.returncode:
        raise HostError(where, f"{' '.join(words)} with: {input_}", ran.stderr.strip())
