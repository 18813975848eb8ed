"""Where a road is slow, lossy or closed, hop by hop, as any user and without a tool.

    python3 - HOST PORT [--cycles 10] [--mode auto] [--no-target]

Prints JSON objects, one a line. Judges nothing, and must not know what listens on the port. `tcp`
sends a SYN with a small TTL to the port itself; where the target does not answer to that, `auto`
tries `udp` (to ports that nobody uses) and `icmp` (where `net.ipv4.ping_group_range` allows it),
and so it does for each hop that is silent to the kind of probe that reaches the target.
MySQL and MariaDB block a host after 100 connections without a login (max_connect_errors), and who
watches sshd's log may ban one: `--no-target` leaves it at the one or two of the discovery, and
probes the target as a hop that is silent to `tcp`.
"""

import argparse
import errno
import os
import queue
import select
import selectors
import socket
import sys
import threading
import time
from typing import Any, Dict, Optional, Sequence, Set, Tuple

from checks.network.remote.lines import Address, Resolved, resolved, say
from checks.network.remote.probes import Icmp, Probes, Tcp, Udp
from checks.network.remote.replies import Reply
from checks.network.remote.walk import SILENT, Walk, discover, fill

CONNECT_S = 2
NAMES_S = 0.5
LINE_S = 1.0
MODES = ("tcp", "udp", "icmp")


class Names:
    """The names of addresses, asked for beside the probing, which never waits for them."""

    def __init__(self) -> None:
        self.asked: Set[str] = set()
        self.open = 0
        self.answers: "queue.Queue[Tuple[str, str]]" = queue.Queue()

    def want(self, address: Optional[str]) -> None:
        """Ask for a name, once, and beside all others: each may wait for a dead resolver."""
        if address and address not in self.asked:
            self.asked.add(address)
            self.open += 1
            threading.Thread(target=self.ask, args=(address,), daemon=True).start()

    def ask(self, address: str) -> None:
        """Ask for one name, however long that takes."""
        try:
            name = socket.getnameinfo((address, 0), socket.NI_NAMEREQD)[0]
        except OSError:
            name = ""  # it has none
        self.answers.put((address, name))

    def tell(self, wait_s: float = 0.0) -> None:
        """Print the names that were found; wait so long for those that were not."""
        until_s = time.monotonic() + wait_s
        while self.open:
            try:
                address, name = self.answers.get(timeout=max(0.001, until_s - time.monotonic()))
            except queue.Empty:
                return
            self.open -= 1
            say("name", address=address, name=name)


def became(link: socket.socket, address: Address) -> int:
    """The error number a connection came to: 0 when it is there, -1 when nothing came back."""
    for _ in range(CONNECT_S):
        if select.select([], [link], [], 1.0)[1]:
            return link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        say("waiting", what=address.number)
    return -1


def answer_of(address: Address, port: int) -> Dict[str, Any]:
    """What one address of several says to a connection."""
    link = socket.socket(address.family, socket.SOCK_STREAM)
    link.setblocking(False)
    began_s = time.monotonic()
    try:
        number = link.connect_ex((address.number, port))
        if number == errno.EINPROGRESS:
            number = became(link, address)
    finally:
        link.close()
    known = {0: "connected", -1: SILENT, errno.ECONNREFUSED: "refused"}
    answer = known.get(number) or os.strerror(number)
    took_ms = round((time.monotonic() - began_s) * 1e3, 3)
    found = {"address": address.number, "answer": answer, "took_ms": took_ms}
    say("address", **found)
    return found


def first_living(found: Resolved, port: int) -> Address:
    """The address that a client would end up with: the first that answers, else the first."""
    if len(found.addresses) > 1:
        for address in found.addresses:
            if answer_of(address, port)["answer"] in ("connected", "refused"):
                return address
    return found.addresses[0]


def probes_of(mode: str, address: Address, port: int, ready: selectors.BaseSelector) -> Probes:
    """The probes of that mode; raises OSError where this host does not allow them."""
    if mode == "tcp":
        return Tcp(address, port, ready)
    return Udp(address, ready) if mode == "udp" else Icmp(address, ready)


def walked(mode: str, address: Address, port: int) -> Optional[Walk]:
    """The walk with one kind of probe, its hops found; None where this host does not allow it."""
    ready = selectors.DefaultSelector()
    try:
        walk = Walk(probes_of(mode, address, port, ready), ready)
    except OSError as error:
        say("unusable", mode=mode, why=error.strerror or str(error))
        return None
    began_s = time.monotonic()

    def tried(ttl: int, reply: Reply) -> None:
        say("tried", mode=mode, ttl=ttl, answer=reply.kind, address=reply.address)

    discover(walk, tried)
    took_s = round(time.monotonic() - began_s, 3)
    say("path", mode=mode, reached=walk.ends is None, ends=walk.ends, took_s=took_s)
    return walk


def chosen(modes: Sequence[str], address: Address, port: int) -> Optional[Walk]:
    """The first walk that reaches the target, or else the first that could be made."""
    best: Optional[Walk] = None
    for mode in modes:
        walk = walked(mode, address, port)
        if walk and (best is None or walk.ends is None):
            best, walk = walk, best
        if walk:
            walk.close()
        if best and best.ends is None:
            break
    return best


def filled(walk: Walk, modes: Sequence[str], address: Address, port: int, target: bool) -> None:
    """Find, with the other kinds of probe, the hops that are silent; the target too, if wanted."""
    for mode in modes:
        silent = walk.silent(with_target=target)
        if mode == walk.probes.name or not silent:
            continue
        try:
            probes = probes_of(mode, address, port, walk.ready)
        except OSError as error:
            say("unusable", mode=mode, why=error.strerror or str(error))
            continue

        def tried(ttl: int, reply: Reply, mode: str = mode) -> None:
            say("tried", mode=mode, ttl=ttl, answer=reply.kind, address=reply.address)

        fill(walk, probes, silent, tried)
        if probes not in walk.others.values():
            probes.close()


def measure(walk: Walk, options: argparse.Namespace, names: Names) -> None:
    """Probe every hop once a cycle, and print the figures so far."""
    walk.begin()
    began_s = due_s = time.monotonic()
    for cycle in range(1, options.cycles + 1):
        ttls = range(1, walk.last(without_target=spared(walk, options)) + 1)
        for ttl in ttls:
            walk.send(ttl)
        last = cycle == options.cycles
        if last:
            walk.listen_out()
        else:
            walk.listen(began_s + cycle * options.interval)
        if last or time.monotonic() >= due_s:
            due_s += LINE_S
            hops = [shown(walk, ttl) for ttl in ttls]
            say("cycle", cycle=cycle, cycles=options.cycles, hops=hops)
            for hop in hops:
                names.want(hop["address"])
            names.tell()


def spared(walk: Walk, options: argparse.Namespace) -> bool:
    """Whether the port itself is not to be probed again and again."""
    return bool(options.no_target) and walk.probes.name == "tcp"


def shown(walk: Walk, ttl: int) -> Dict[str, Any]:
    """A hop as it is printed, with the kind of probe that it answers to."""
    return dict(walk.hops[ttl].shown(is_target=ttl == walk.length), mode=walk.mode(ttl))


def options_of(words: Sequence[str]) -> argparse.Namespace:
    """What the command line says."""
    reader = argparse.ArgumentParser(prog="probe")
    reader.add_argument("host")
    reader.add_argument("port", type=int)
    reader.add_argument("--mode", choices=("auto", *MODES), default="auto")
    reader.add_argument("--cycles", type=int, default=10)
    reader.add_argument(
        "--interval", type=float, default=1.0, help="seconds; routers answer once in a second"
    )
    reader.add_argument("--no-target", action="store_true", help="leave the port alone once found")
    reader.add_argument("-4", dest="family", action="store_const", const=socket.AF_INET, default=0)
    reader.add_argument("-6", dest="family", action="store_const", const=socket.AF_INET6)
    return reader.parse_args(words)


def main(words: Sequence[str]) -> int:
    """Probe; the exit code is 1 where there is nothing that could be probed."""
    options = options_of(words)
    found = resolved(options.host, options.port, options.family)
    if not found.addresses:
        say("error", what="the name %s: %s" % (options.host, found.error))
        return 1
    address = first_living(found, options.port)
    say(
        "hello",
        host=options.host,
        port=options.port,
        address=address.number,
        resolved_ms=round(found.took_ms, 3),
        python=".".join(map(str, sys.version_info[:3])),
    )
    modes = MODES if options.mode == "auto" else (options.mode,)
    walk = chosen(modes, address, options.port)
    if walk is None:
        say("error", what="this host allows no probe of this kind")
        return 1
    filled(walk, modes, address, options.port, spared(walk, options))
    names = Names()
    say("counting", mode=walk.probes.name, cycles=options.cycles)
    measure(walk, options, names)
    walk.close()
    names.tell(NAMES_S)
    say("done", cycles=options.cycles)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
