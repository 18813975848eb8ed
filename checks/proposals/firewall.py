"""Who reaches a database port, as far as that is known.

Pure. Whether a packet would arrive is only known of the one address that has tried.
"""

from __future__ import annotations

from checks.check import Said
from profiles.machine import HostSeen

WITH_STEP = ("ufw", "firewalld", "nftables")
EVERYWHERE = ("0.0.0.0", "::", "*")


def listening(seen: HostSeen, port: int) -> tuple[str, ...]:
    """The addresses on which somebody listens on that port, as far as that was seen."""
    found = (entry.rpartition(":") for entry in seen.listens)
    return tuple(sorted({host.strip("[]") for host, _, number in found if number == str(port)}))


def door(
    seen: HostSeen, port: int, *, reached: bool | None, admits_all: bool | None = None
) -> Said:
    """Does the destination reach the port, and do others; ``admits_all``: pg_hba.conf does."""
    addresses = listening(seen, port)
    open_to = [one for one in addresses if one in EVERYWHERE]
    where = f"port {port} on {', '.join(addresses) or 'no address that was seen'}"
    firewall = seen.firewall or "no firewall that could be asked"
    evidence = f"{where}; {firewall}"
    if reached is False:
        figure = f"the destination does not reach port {port}"
        says = "Loopback alone is listened on." if _only_loopback(addresses) else ""
        todo = _what_to_do(seen, addresses)
        return Said(verdict="stop", figure=figure, says=says, evidence=evidence, todo=todo)
    if open_to and seen.firewall is None and admits_all:
        says = "It listens for everybody, pg_hba.conf admits every address, and no firewall of this"
        says += " host is known to stand before it. Whether the network does is not known."
        return Said(verdict="warn", figure=f"{where}, {firewall}", says=says, evidence=evidence)
    if reached is None:
        says = "Nobody has tried it from the destination yet."
        return Said(verdict="unknown", figure=where, says=says, evidence=evidence)
    return Said(
        verdict="pass",
        figure=f"the destination reaches port {port}; {firewall}",
        says="Who else does is not known from here." if open_to else "",
        evidence=evidence,
    )


def _only_loopback(addresses: tuple[str, ...]) -> bool:
    return bool(addresses) and all(one == "::1" or one.startswith("127.") for one in addresses)


def can_be_let_in(seen: HostSeen, addresses: tuple[str, ...]) -> bool:
    """Whether a step of ours may help: there is one, and the firewall is what is in the way."""
    return seen.firewall in WITH_STEP and not _only_loopback(addresses)


def _what_to_do(seen: HostSeen, addresses: tuple[str, ...]) -> str:
    if _only_loopback(addresses):
        return "Have it listen on an address of the network (listen_addresses), or use a tunnel."
    if can_be_let_in(seen, addresses):
        return f"Let the destination's address in: there is a step for {seen.firewall}."
    if seen.firewall:
        return f"Let the destination's address in at that port, in the rules of {seen.firewall}."
    return "See what stands between the two hosts, or use a tunnel."
