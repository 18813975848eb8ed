"""What a road's figures mean for the night: each against its limit.

Pure: figures in, what a check says out. Round trips are in milliseconds, rates in bytes a second.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from ipaddress import ip_address
from typing import NamedTuple

import msgspec

from checks.check import Said
from checks.figures import number, several, size
from checks.network.copying import Copying, sentence
from checks.network.found import Clock, Mtu, Names, Throughput, Timed, Window
from checks.network.hops import Hop, Path, loss_begins, readings
from connections.tcp_info import TcpInfo
from profiles.findings import Verdict

REFUSALS = {
    "!H": "a router says that it cannot find the host",
    "!N": "a router says that it knows no way to that network",
    "!X": "a firewall says that it forbids it",
    "silent": "what goes there vanishes: a firewall drops it, or the host is down",
}
NO_DISTANCE_MS = 0.001
GAIN = 1.3
"""Less than this is what two measurements differ by anyway."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Where a figure becomes a verdict."""

    jitter_stop_ms: float = 10.0
    loss_warn_percent: float = 0.1
    loss_stop_percent: float = 1.0
    queries_a_page: int = 50
    page_warn_ms: float = 100.0
    """So much slower a page is noticed (J. Nielsen, Usability Engineering, 1993, 5.5)."""
    resolve_warn_ms: float = 100.0
    clock_warn_s: float = 2.0


class Asked(NamedTuple):
    """How many questions were asked one after the other, and the quickest answer."""

    questions: int
    best_ms: float


def judged(path: Path, limits: Limits) -> dict[str, Said]:
    """Everything a probe of a road tells, by the check's id."""
    said = {"net.reached": reached(path)}
    if path.answers:
        said["net.addresses"] = addresses(path)
    if path.hops:
        said["net.loss"] = loss(path, limits)
        said["net.jitter"] = jitter(path, limits)
    if path.resolved_ms is not None:
        said["net.resolution"] = resolution(path.resolved_ms, path.host, limits)
    return said


def reached(path: Path) -> Said:
    """Does the port answer?"""
    figure = f"{path.host}:{path.port}" + (f" ({path.address})" if path.address else "")
    if path.error:
        return Said(verdict="stop", figure=figure, says=f"Nothing can be probed: {path.error}.")
    if path.port_ends is not None:
        why = REFUSALS.get(path.port_ends, path.port_ends)
        says = f"The port is not reached: {why}."
        if path.mode != "tcp" and path.target:
            says += f" The host itself answers ({path.mode})."
        return Said(verdict="stop", figure=figure, says=says, evidence=_where_it_ends(path))
    if not any(way.mode == "tcp" for way in path.tried):
        return Said(verdict="unknown", figure=figure, says="The port itself was not probed.")
    if path.target and path.target.marks.get("refused"):
        return Said(
            verdict="stop", figure=figure, says="The host refuses: nothing listens on that port."
        )
    return Said(verdict="pass", figure=figure, says="The port answers.")


def addresses(path: Path) -> Said:
    """Do all addresses of the name answer that come before the one that is used?"""
    dead = [answer.address for answer in path.answers if not answer.lives]
    evidence = "\n".join(f"{answer.address}: {answer.answer}" for answer in path.answers)
    figure = f"{path.host}: {number(len(path.answers), 'address')} tried"
    if not dead:
        return Said(verdict="pass", figure=figure, evidence=evidence)
    says = f"No answer from {several(dead)}: each client that tries it first waits for it."
    todo = f"Take the dead address of {path.host} out of the name service, or name the living one."
    verdict: Verdict = "warn" if len(dead) < len(path.answers) else "stop"
    return Said(verdict=verdict, figure=figure, says=says, evidence=evidence, todo=todo)


def loss(path: Path, limits: Limits) -> Said:
    """How much is lost all the way to the target?"""
    target, aside = path.target, _limited(path)
    if target is None or not target.sent:
        return _not_measured("loss", path, aside)
    figure = f"{target.loss_percent:.1f} % lost ({target.lost} of {number(target.sent, 'probe')})"
    if not target.lost:
        # The rule of three: the upper end of the 95 % interval.
        unseen = min(100.0, 100 * 3 / target.sent)
        says = f"So few probes cannot show a loss below {unseen:.3g} %."
        return Said(verdict="pass", figure=figure, says=f"{says}{aside}")
    verdict: Verdict = "pass"
    if target.loss_percent > limits.loss_stop_percent:
        verdict = "stop"
    elif target.loss_percent > limits.loss_warn_percent:
        verdict = "warn"
    says = f"Lost packets are sent again, and all behind them waits.{_where(path)}{aside}"
    return Said(verdict=verdict, figure=figure, says=says)


def _where(path: Path) -> str:
    """Where the loss begins, as far as the hops tell."""
    begins = loss_begins(readings(path.hops))
    if begins is None:
        return ""
    seen = f"hop {begins.seen.ttl} ({_called(path, begins.seen)})"
    if begins.first is begins.seen:
        return f" It begins at {seen}."
    return f" It begins between hop {begins.first.ttl}, which hides its own, and {seen}."


def jitter(path: Path, limits: Limits) -> Said:
    """How much does the round trip to the target change from one to the next?"""
    target = path.target
    if target is None or target.jitter_ms is None:
        return _not_measured("jitter", path)
    figure = f"{target.jitter_ms:.1f} ms jitter"
    if target.jitter_ms > limits.jitter_stop_ms:
        says = f"More than {limits.jitter_stop_ms:g} ms: something on the road is overloaded."
        return Said(verdict="stop", figure=figure, says=says)
    return Said(verdict="pass", figure=figure, says=f"Round trip {target.avg_ms:.1f} ms.")


def resolution(took_ms: float, name: str, limits: Limits) -> Said:
    """How long did the name take?"""
    if _is_number(name):
        return Said(verdict="pass", figure=f"{name} is an address: nothing to look up")
    figure = f"{name} looked up in {took_ms:.0f} ms"
    if took_ms > limits.resolve_warn_ms:
        says = "Each new connection waits for that: a resolver in resolv.conf may be dead."
        return Said(verdict="warn", figure=figure, says=says)
    return Said(verdict="pass", figure=figure)


def from_here(path: Path, leads_to: str, limits: Limits) -> Said:
    """What is a road like that carries the wizard's own sessions, and no replication?"""
    there = reached(path)
    if there.verdict == "stop":
        figure = f"{leads_to}: not reached"
        return Said(verdict="warn", figure=figure, says=f"{there.figure}: {there.says}")
    target = path.target
    if target is None or not target.sent:
        figure = f"{leads_to}: answers"
        says = f"{path.host} answers to no other probe, and its port is not asked again and again."
        return Said(verdict="note", figure=figure, says=says)
    figure = f"{leads_to}: {target.loss_percent:.1f} % lost, {target.avg_ms or 0.0:.1f} ms"
    bad = target.loss_percent > limits.loss_warn_percent
    if bad or (target.jitter_ms or 0.0) > limits.jitter_stop_ms:
        says = (
            f"Jitter {target.jitter_ms or 0.0:.1f} ms. Replication does not go there; but each "
            "step of the wizard does, and so the pause for writes becomes longer."
        )
        return Said(verdict="warn", figure=figure, says=says)
    return Said(verdict="pass", figure=figure)


def session(asked: Asked, before: TcpInfo | None, after: TcpInfo | None, limits: Limits) -> Said:
    """What was sent again below the wizard's own session while questions were asked on it?"""
    questions = number(asked.questions, "question")
    if before is None or after is None:
        figure = f"answers after {asked.best_ms:.1f} ms at best"
        says = "What had to be sent again is not known: not all of the road is seen from here."
        return Said(verdict="note", figure=figure, says=says, evidence=f"{questions}: SELECT 1")
    again = max(0, after.retransmissions - before.retransmissions)
    figure = (
        f"round trip {after.rtt_ms:.1f} ms, {after.min_rtt_ms:.1f} ms at best; "
        f"{number(again, 'packet')} sent again"
    )
    evidence = f"{questions}: SELECT 1; TCP_INFO of the connection"
    if 100 * again / asked.questions <= limits.loss_warn_percent:
        return Said(verdict="pass", figure=figure, evidence=evidence)
    says = "Packets are lost on the road from here: what the wizard does in the pause takes longer."
    return Said(verdict="warn", figure=figure, says=says, evidence=evidence)


def window(
    rate: float | None, round_trip_ms: float, windows: Sequence[Window], unknown: Sequence[str]
) -> Said:
    """Does a connection's window reach over the distance (bandwidth times round trip, RFC 7323)?

    `rate` is what the road carries in bytes a second, None where that was not measured; ``unknown``
    is why of a further window nobody knows how large it is.
    """
    narrow = min(windows, key=lambda one: one.bytes)
    most = narrow.bytes / (max(round_trip_ms, NO_DISTANCE_MS) / 1e3)
    figure = f"one connection carries {size(most)}/s at most at {round_trip_ms:.1f} ms"
    at = f"{size(narrow.bytes)} may be on its way at once: {narrow.what} on {narrow.where}."
    aside = "".join(f" Not looked at: {why}" for why in unknown)
    evidence = "\n".join(f"{one.where}: {one.what} → {size(one.bytes)}" for one in windows)
    if rate is None:
        says = f"{at} What the road itself carries was not measured.{aside}"
        return Said(verdict="note", figure=figure, says=says, evidence=evidence)
    needed = rate * round_trip_ms / 1e3
    if needed <= narrow.bytes:
        says = f"{at} The road carries {size(rate)}/s.{aside}"
        return Said(
            verdict="note" if unknown else "pass", figure=figure, says=says, evidence=evidence
        )
    parallel = math.ceil(needed / narrow.bytes)
    todo = f"Copy over {number(parallel, 'connection')} at once."
    if narrow.setting:
        todo = f"{todo[:-1]}, or raise the third figure of {narrow.what} on {narrow.where} to "
        todo += f"{math.ceil(needed / narrow.share)} or more."
    says = f"{at} The road carries {size(rate)}/s, over several connections.{aside}"
    return Said(verdict="warn", figure=figure, says=says, evidence=evidence, todo=todo)


def page(before_ms: float, after_ms: float, limits: Limits) -> Said:
    """What does a page cost whose queries go out one after the other, before the move and after?"""
    was, will = before_ms * limits.queries_a_page, after_ms * limits.queries_a_page
    queries = number(limits.queries_a_page, "query")
    figure = f"a page of {queries}: {was:.0f} ms on the way now, {will:.0f} ms after the move"
    if will - was > limits.page_warn_ms:
        says = f"Each page becomes {will - was:.0f} ms slower, and that is noticed."
        todo = "Move the application too, or make its pages ask less often."
        return Said(verdict="warn", figure=figure, says=says, todo=todo)
    return Said(verdict="pass", figure=figure)


def mtu(found: Mtu) -> Said:
    """How large may a packet be, and does everybody say so who has to?"""
    if found.mtu is None:
        return Said(verdict="unknown", figure="path MTU not measured", says="No hop answers.")
    figure = f"path MTU {found.mtu} B"
    aside = (
        "" if found.target else f" Only measured up to {found.carried_to}: the target is silent."
    )
    if hole := found.black_hole:
        says = (
            f"Behind {hole.by or 'this host'} larger packets vanish and nobody says so (RFC 2923, "
            "2.1): connections open, and stand still with the first large answer."
        )
        todo = (
            f"Set the MTU of both hosts' interfaces to {found.mtu}, or net.ipv4.tcp_mtu_probing to "
            "1, or let ICMP `fragmentation needed` through."
        )
        return Said(verdict="stop", figure=figure, says=f"{says}{aside}", todo=todo)
    if found.shrunk:
        says = f"{found.shrunk[-1].by} takes no larger ones, and says so."
        return Said(verdict="note", figure=figure, says=f"{says}{aside}")
    return Said(verdict="pass", figure=figure, says=aside.strip())


def parallel(found: Throughput) -> Said:
    """Do several connections at once carry more than one?"""
    channels = found.channels
    figure = f"{size(found.one)}/s over one, {size(found.several)}/s over {channels}"
    if not found.one and not found.several:
        return Said(verdict="stop", figure=figure, says="Connections open, and nothing arrives.")
    if found.several > GAIN * found.one:
        says = f"The copy is faster over {channels} connections at once than over one."
        return Said(verdict="note", figure=figure, says=says)
    return Said(verdict="pass", figure=figure, says="One connection fills the road.")


def clocks(found: Clock, most_s: float, how: str) -> Said:
    """How far are the clocks of the two hosts apart?"""
    figure = f"{found.ahead_s * 1e3:+.1f} ms ± {found.within_s * 1e3:.1f} ms"
    evidence = f"measured {how}; the source's clock against the destination's"
    if abs(found.ahead_s) - found.within_s > most_s:
        says = f"The clocks are more than {most_s:g} s apart."
        todo = "Start chrony on both hosts."
        return Said(verdict="warn", figure=figure, says=says, evidence=evidence, todo=todo)
    return Said(verdict="pass", figure=figure, evidence=evidence)


def resolvers(found: Names) -> Said:
    """Does each name server of the host answer?"""
    dead = [one.address for one in found.resolvers if one.took_ms is None]
    times = ", ".join(
        f"{one.address} {'silent' if one.took_ms is None else f'{one.took_ms:.0f} ms'}"
        for one in found.resolvers
    )
    if not dead:
        return Said(verdict="pass", figure=times or "no resolver in resolv.conf")
    says = f"{several(dead)} does not answer: look-ups that ask it first wait for it."
    todo = "Take it out of /etc/resolv.conf, or bring it back."
    return Said(verdict="warn", figure=times, says=says, todo=todo)


def connecting(found: Sequence[Timed], *, tls: bool = True) -> Said:
    """How long does a new connection take until the first query can go out?"""
    living = [one for one in found if one.connect_ms is not None]
    if not living:
        why = "; ".join(f"{one.address}: {one.why}" for one in found)
        return Said(verdict="stop", figure="no connection", says=why)
    one = living[0]
    figure = f"connect {one.connect_ms:.1f} ms"
    if not tls:
        return Said(verdict="pass", figure=f"{figure}, to sshd", says="SSH encrypts what follows.")
    if one.tls_ms is None:
        return Said(verdict="pass", figure=f"{figure}, no TLS")
    return Said(verdict="pass", figure=f"{figure}, {one.tls} {one.tls_ms:.1f} ms")


def copy(copying: Copying) -> Said:
    """How long does the copy of this database take on this road, and is it in time?"""
    load = copying.load
    figure = f"{size(load.to_copy)} at {size(load.throughput)}/s"
    verdict: Verdict = "pass" if copying.in_time else "stop"
    return Said(verdict=verdict, figure=figure, says=sentence(copying))


def _limited(path: Path) -> str:
    few = [one.hop for one in readings(path.hops) if one.standing == "limited"]
    if not few:
        return ""
    names = several([_called(path, hop) for hop in few])
    return (
        f" {names}: answers only some probes, passes on what goes further; nothing is lost there."
    )


def _not_measured(what: str, path: Path, aside: str = "") -> Said:
    says = "The target does not answer, or was left out." if path.hops else "Nothing was probed."
    return Said(verdict="unknown", figure=f"{what} not measured", says=f"{says}{aside}")


def _where_it_ends(path: Path) -> str:
    answering = [hop for hop in path.hops if hop.received and not hop.target]
    if not answering:
        return "No hop answers."
    return f"The last hop that answers is {answering[-1].ttl}, {_called(path, answering[-1])}."


def _called(path: Path, hop: Hop) -> str:
    address = hop.address or "???"
    return path.names.get(address) or address


def _is_number(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
