"""Letting one address in at one port of a host's firewall, and shutting it out again.

Knows the words of ufw, firewalld and nftables; must not know which of them is there.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from profiles.machine import HostSeen
from profiles.steps import Evidence, LooseEnd, Shell, Step, quoted

PHASE = "tuning"
FAMILIES = {4: ("inet", "ip"), 6: ("inet", "ip6")}
"""The families of nftables' tables that see packets of a version of IP."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class _Rule(NamedTuple):
    """Shell lines for root; what the last of them answers when it is there, and when not."""

    add: str
    remove: str
    ask: str
    there: str
    gone: str
    lasts: str


def open_port(server: str, seen: HostSeen, address: str, port: int) -> Step | None:
    """A step for exactly one address; None for a firewall, or an address, that is none."""
    rule, firewall = _rule(seen, address, port), seen.firewall
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


def _rule(seen: HostSeen, address: str, port: int) -> _Rule | None:
    try:
        one = ipaddress.ip_address(address)
    except ValueError:
        return None
    match seen.firewall:
        case "ufw":
            return _ufw(one, port)
        case "firewalld":
            return _firewalld(one, port)
        case "nftables":
            return _nftables(one, port, seen.input_chains)
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


def _nftables(address: _Address, port: int, input_chains: Sequence[str]) -> _Rule | None:
    """In every chain that a packet has to pass: one that lets it in does not speak for others."""
    passed = [each for each in input_chains if each.split()[0] in FAMILIES[address.version]]
    if not passed:
        return None
    chains = [" ".join(map(quoted, each.split())) for each in passed]
    family = "ip" if address.version == 4 else "ip6"
    comment = f'comment "nightferry {address} {port}"'
    rule = f"{family} saddr {address} tcp dport {port} accept {comment}"
    listed = "; ".join(f"nft -a list chain {chain}" for chain in chains)
    return _Rule(
        # First of all, or a rule that drops would come before it; in all of them or in none.
        add=f"nft {quoted('; '.join(f'insert rule {each} {rule}' for each in passed))}",
        remove="; ".join(_taken_out(chain, comment) for chain in chains),
        ask=f"{{ {listed}; }} | grep -cF '{comment}' || true",
        there=str(len(chains)),
        gone="0",
        lasts="It is gone when the rules are loaded again, and with the next boot.",
    )


def _taken_out(chain: str, comment: str) -> str:
    handles = f"nft -a list chain {chain} | sed -n 's/.*{comment} # handle //p'"
    return f"for handle in $({handles}); do nft delete rule {chain} handle $handle || exit; done"
