"""Letting one address in at one port of a host's firewall, and shutting it out again.

Knows the words of ufw, firewalld and nftables; must not know which of them is there.
"""

from __future__ import annotations

import ipaddress
from functools import partial
from typing import NamedTuple

from profiles.steps import Evidence, LooseEnd, Shell, Step

PHASE = "tuning"
INPUT_CHAIN = "inet filter input"
"""The chain that nftables' own example and Debian's configuration have."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class _Rule(NamedTuple):
    """Shell lines for root; what the last of them answers when it is there, and when not."""

    add: str
    remove: str
    ask: str
    there: str
    gone: str
    lasts: str


def open_port(server: str, firewall: str | None, address: str, port: int) -> Step | None:
    """A step for exactly one address; None for a firewall, or an address, that is none."""
    rule = _rule(firewall, address, port)
    if rule is None:
        return None
    shell = partial(Shell, host=server, as_user="root")
    says = f"{firewall} lets {address} in at port {port}"
    return Step(
        id=f"firewall@{server}",
        phase=PHASE,
        title=f"Let {address} in at port {port} of {server}'s host",
        why=f"One address and one port, and nobody else. {rule.lasts}",
        commands=(shell(line=rule.add),),
        holds=(Evidence(ask=shell(line=rule.ask), answer=rule.there, says=says),),
        undo=(shell(line=rule.remove),),
        undone=(Evidence(ask=shell(line=rule.ask), answer=rule.gone, says="the rule is gone"),),
        leaves=LooseEnd(
            id=f"firewall@{server}",
            server=server,
            what=f"rule of {firewall} for {address} at port {port}",
            settled_by=f"undo-firewall@{server}",
        ),
        danger="changes the host's firewall",
        servers=(server,),
        optional=True,
    )


def _rule(firewall: str | None, address: str, port: int) -> _Rule | None:
    try:
        one = ipaddress.ip_address(address)
    except ValueError:
        return None
    match firewall:
        case "ufw":
            return _ufw(one, port)
        case "firewalld":
            return _firewalld(one, port)
        case "nftables":
            return _nftables(one, port)
    return None


def _ufw(address: _Address, port: int) -> _Rule:
    words = f"allow from {address} to any port {port} proto tcp"
    return _Rule(
        add=f"ufw {words}",
        remove=f"ufw delete {words}",
        ask=f"ufw show added | grep -cxF 'ufw {words}' || true",
        there="1",
        gone="0",
        lasts="It stays over a boot, until it is taken out.",
    )


def _firewalld(address: _Address, port: int) -> _Rule:
    rich = (
        f'rule family="ipv{address.version}" source address="{address}"'
        f' port port="{port}" protocol="tcp" accept'
    )
    return _Rule(
        add=f"firewall-cmd --add-rich-rule='{rich}'",
        remove=f"firewall-cmd --remove-rich-rule='{rich}'",
        ask=f"firewall-cmd --query-rich-rule='{rich}' || true",
        there="yes",
        gone="no",
        lasts="It is gone with the next reload of firewalld, and the next boot.",
    )


def _nftables(address: _Address, port: int) -> _Rule:
    family = "ip" if address.version == 4 else "ip6"
    name = f"nightferry-{port}"
    listed = f"nft -a list chain {INPUT_CHAIN}"
    handle = f"$({listed} | sed -n 's/.*comment \"{name}\" # handle //p')"
    return _Rule(
        # First of all, or a rule that drops would come before it.
        add=f"nft insert rule {INPUT_CHAIN} {family} saddr {address} tcp dport {port} accept"
        f" comment {name}",
        remove=f"nft delete rule {INPUT_CHAIN} handle {handle}",
        ask=f"{listed} | grep -cF 'comment \"{name}\"' || true",
        there="1",
        gone="0",
        lasts="It is gone when the rules are loaded again, and with the next boot.",
    )
