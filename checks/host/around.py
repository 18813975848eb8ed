"""What stands around the server on its host: clock, doors, names, tools; out of `facts.sh`.

Pure. What only root may ask, and we were not, is None here and said by the script.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from pathlib import PurePosixPath

from checks.host.sections import Sections, first, whole
from profiles.machine import Clock, ServerProcess

KEEPERS = {
    "chronyd": "chrony",
    "systemd-timesyn": "systemd-timesyncd",  # the kernel keeps 15 characters of a name
    "ntpd": "ntpd",
    "openntpd": "openntpd",
}
CHRONY_FIELDS = 14
"""Of ``chronyc -c tracking``; the last is the leap status."""
SERVERS = ("postgres", "postmaster", "mysqld", "mariadbd")
LIMIT = re.compile(r"Max (open files|processes|locked memory)\s+(\S+)\s")
UNLIMITED = -1
INITS = ("systemd", "init")
"""Who takes on what daemons leave behind, and starts none of it again."""
HEX = re.compile(r"([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})")
IPTABLES = frozenset(("ip filter INPUT", "ip6 filter INPUT"))
"""Its chains, as nft lists them; it cannot read its own rules with one of nft's between them."""
HEADING = re.compile(r"(table|chain) (\S+|\S+ \S+) \{")
NO_RULE = re.compile(r"\s*(type\s.*|\}?)")


def clock(read: Sections) -> Clock:
    """What keeps the time, and whether it says that it does."""
    running = [KEEPERS[name.strip()] for name in read.get("keepers", ()) if name.strip() in KEEPERS]
    tracking = (first(read, "chrony") or "").split(",")
    asked = len(tracking) == CHRONY_FIELDS
    return Clock(
        source=first(read, "clocksource"),
        synchronised=tracking[-1] != "Not synchronised" if asked else _kernel_says(read),
        by="chrony" if asked else next(iter(running), None),
    )


def _kernel_says(read: Sections) -> bool | None:
    said = first(read, "timedatectl")
    if said in ("NTPSynchronized=yes", "NTPSynchronized=no"):
        return said.endswith("yes")
    returned = first(read, "adjtimex")
    return None if returned is None else "not synchronized" not in returned


def limits(read: Sections) -> tuple[dict[str, int], str]:
    """The server's limits, and why there are none."""
    lines = read.get("limits")
    if lines is None:
        return {}, ""
    process = first(read, "process")
    if process not in SERVERS:
        says = f"that process is {process} here: the server may run in a container"
        return {}, f"limits of the server: {says}"
    found = {}
    for line in lines:
        if match := LIMIT.match(line):
            limit = UNLIMITED if match[2] == "unlimited" else whole(match[2])
            if limit is not None:
                found[match[1]] = limit
    return found, "" if found else "limits of the server: not in words we know"


def process(read: Sections, *, container: bool) -> ServerProcess | None:
    """The server's, and whose task it is to start it again; None where it was not seen."""
    words = [line.strip().partition(" ") for line in read.get("server", ())]
    said = {name: value for name, _, value in words if value}
    if first(read, "process") not in SERVERS or "user" not in said:
        return None
    main = f"MainPID={said.get('pid')}" in (name for name, _, _ in words)
    unit, program = said.get("unit"), said.get("program", "")
    return ServerProcess(
        user=said["user"],
        program=program if program.startswith("/") and not program.endswith(" (deleted)") else None,
        messages=said.get("messages"),
        unit=unit if main else None,
        kept_by=None if main else unit or _parent(said.get("parent", ""), container),
    )


def _parent(said: str, container: bool) -> str | None:
    """Who started it, and still waits for its end; nobody, where a daemon's parent has gone."""
    pid, _, name = said.partition(" ")
    if pid == "0" or (pid == "1" and container and name not in INITS):
        return "its container"
    return None if pid == "1" or name in INITS else name or f"process {pid}"


def resolvers(read: Sections) -> tuple[str, ...]:
    """The name servers of resolv.conf, in their order."""
    words = [line.split() for line in read.get("resolv", ())]
    return tuple(each[1] for each in words if len(each) > 1 and each[0] == "nameserver")


def tools(read: Sections) -> dict[str, str]:
    """Programs by name."""
    paths = [line.strip() for line in read.get("tools", ()) if line.startswith("/")]
    return {PurePosixPath(path).name: path for path in paths}


def firewall(read: Sections) -> str | None:
    """Which one is at work; firewalld and ufw make rules of the others, so they are asked first."""
    if first(read, "firewalld") == "running":
        return "firewalld"
    if first(read, "ufw") == "Status: active":
        return "ufw"
    chains = input_chains(read)
    if IPTABLES.intersection(chains):
        return "iptables"
    return "nftables" if chains else None


def input_chains(read: Sections) -> tuple[str, ...]:
    """The chains of nftables at which a packet for the host itself may be refused."""
    table = chain = ""
    found = []
    for line in read.get("nftables", ()):
        if heading := HEADING.fullmatch(line.strip()):
            table = heading[2] if heading[1] == "table" else table
            chain = f"{table} {heading[2]}"
        elif "policy drop" in line or not NO_RULE.fullmatch(line):
            found.append(chain)
    return tuple(dict.fromkeys(found))


def listens(read: Sections) -> tuple[str, ...]:
    """Addresses with ports, out of /proc/net/tcp and tcp6."""
    words = [line.split() for line in read.get("listen", ())]
    found = [_address(each[1]) for each in words if len(each) > 3 and each[3] == "0A"]
    return tuple(dict.fromkeys(address for address in found if address))


def _address(word: str) -> str | None:
    """``0100007F:1538`` as ``127.0.0.1:5432``: each word of four bytes is little-endian there."""
    found = HEX.fullmatch(word)
    if found is None:
        return None
    raw, port = bytes.fromhex(found[1]), int(found[2], 16)
    turned = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    if len(turned) == 4:
        return f"{IPv4Address(turned)}:{port}"
    return f"[{IPv6Address(turned)}]:{port}"
