"""A road as a table of hops, and on paper. Knows no widget and asks no host."""

from __future__ import annotations

from collections.abc import Sequence

from checks.check import Said
from checks.network import report
from checks.network.hops import Hop, Path
from profiles.events import THIS_MACHINE, Probed, ProbedHop
from profiles.findings import Finding
from profiles.fold import Night
from tui.words import figures
from tui.words.text import Line, Span, Tone, cell, clip, cut, line, wrap

SILENT = "???"
TTL_CELLS, LOSS_CELLS, SENT_CELLS, TIME_CELLS, JITTER_CELLS = 3, 7, 5, 6, 7
FEWEST_HOST_CELLS = 12
BORDER_CELLS = 2
"""A title in the border has so much less room than the lines below it."""
TIMES = ("last", "avg", "best", "worst", "stdev")
REMARKS = {"limited": "rate-limited, no loss", "silent": "silent"}
MODES = {"tcp": "TCP", "udp": "UDP", "icmp": "ICMP"}
FROM_HERE = ("net.from_here", "net.session")
"""The checks of the roads from this machine; the others are of the one replication takes."""


def road(night: Night, probed: Probed | None, cells: int, *, jitter: bool) -> list[Line]:
    """The whole panel; says so in words where nothing was probed yet."""
    if probed is None:
        looking = "network" in night.looking
        said = "Finding the hops …" if looking else "No hop is known: p probes the road."
        return [*wrap(said, cells, "dim")]
    rows = [_hop_line(hop, cells, jitter) for hop in probed.hops]
    heads = [_heads(cells, jitter)] if rows else []
    remarks = _remarks(probed)
    last = [clip(remarks, cells)] if remarks else []
    return [clip(_progress(probed), cells), *heads, *rows, *last]


def title(night: Night, probed: Probed | None, cells: int, *, frozen: bool) -> str:
    """Which road, in words, and whether it goes on."""
    if probed is None:
        return "Road"
    at, several = number(night, probed), len(night.roads) > 1
    which = f" {at} of {len(night.roads)}" if at and several else ""
    to = f"the {probed.leads_to}" if probed.leads_to else probed.target
    told, end = f"Road{which}: from {probed.origin} to {to}", ", frozen" if frozen else ""
    return cut(told, cells - BORDER_CELLS - len(end)).rstrip() + end


def number(night: Night, probed: Probed) -> int:
    """Which of the roads it is, counted from 1; 0 where it is an older one that was frozen."""
    known, road = [*night.roads], (probed.origin, probed.target)
    return known.index(road) + 1 if road in known else 0


def _progress(probed: Probed) -> Line:
    mode = MODES.get(probed.mode, "finding the hops")
    told = [Span(f"{probed.target}, {mode}, in ms", "dim")]
    if probed.final:
        return line(*told, Span(f"   {probed.cycles} probes a hop", "dim"))
    part = figures.share(probed.cycle, probed.cycles)
    meter = f"   {figures.bar(part)}" if part is not None else ""
    return line(*told, Span(f"   probe {probed.cycle} of {probed.cycles}", "strong"), meter)


def _heads(cells: int, jitter: bool) -> Line:
    times = "".join(f"{head:>{TIME_CELLS}}" for head in TIMES)
    times += f"{'jitter':>{JITTER_CELLS}}" if jitter else ""
    host = cell("host", _host_cells(cells, jitter))
    loss, sent = f"{'loss':>{LOSS_CELLS}}", f"{'sent':>{SENT_CELLS}}"
    return line(Span(f"{'hop':>{TTL_CELLS}}  {host}{loss}{sent}{times}", "heading"))


def _host_cells(cells: int, jitter: bool) -> int:
    taken = TTL_CELLS + 2 + LOSS_CELLS + SENT_CELLS + TIME_CELLS * len(TIMES)
    return max(cells - taken - (JITTER_CELLS if jitter else 0), FEWEST_HOST_CELLS)


def _hop_line(hop: ProbedHop, cells: int, jitter: bool) -> Line:
    silent = hop.standing == "silent"
    host = cell(hop.name or hop.address or SILENT, _host_cells(cells, jitter))
    measured = (hop.last_ms, hop.avg_ms, hop.best_ms, hop.worst_ms, hop.stdev_ms)
    times = "".join(f"{_time(value):>{TIME_CELLS}}" for value in measured)
    times += f"{_time(hop.jitter_ms):>{JITTER_CELLS}}" if jitter else ""
    loss = f"{hop.loss_percent:.1f}%"
    return clip(
        line(
            Span(f"{hop.ttl:>{TTL_CELLS}}  ", "dim"),
            Span(host, "dim" if silent else "strong" if hop.target else "plain"),
            Span(f"{loss:>{LOSS_CELLS}}", _loss_tone(hop)),
            Span(f"{hop.sent:>{SENT_CELLS}}{times}", "dim" if silent else "plain"),
        ),
        cells,
    )


def _loss_tone(hop: ProbedHop) -> Tone:
    if hop.standing == "lossy":
        return "warn"
    return "dim" if hop.standing in ("silent", "limited") else "plain"


def _time(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.1f}" if value < 1000 else f"{value:.0f}"


def _remarks(probed: Probed) -> Line:
    """What a hop's loss means: where it begins, and where it is none."""
    lossy = [hop.ttl for hop in probed.hops if hop.standing == "lossy"]
    said = [Span(f"! loss begins at hop {lossy[0]}", "warn")] if lossy else []
    for standing, says in REMARKS.items():
        hops = [str(hop.ttl) for hop in probed.hops if hop.standing == standing]
        if hops:
            said.append(_remark(hops, says, said))
    for mode, says in MODES.items():
        hops = [str(hop.ttl) for hop in probed.hops if hop.mode == mode]
        if hops:
            said.append(_remark(hops, f"by {says}", said))
    return line(*said)


def _remark(hops: Sequence[str], says: str, before: Sequence[Span]) -> Span:
    dot = " · " if before else "· "
    return Span(f"{dot}hop {', '.join(hops)} {says}", "dim")


# On paper


def on_paper(night: Night, probed: Probed) -> dict[str, str]:
    """The road as mtr reports it, by the file's name; with what was found of it."""
    here = probed.origin == THIS_MACHINE
    findings = [found for found in night.findings_of(probed.phase) if _is_of(found, here)]
    path, said = _path(probed), {_key(found): _said(found) for found in findings}
    which = number(night, probed)
    name = "network" if which <= 1 else f"network-{which}"
    return {
        f"{name}.txt": report.text(path, said, host=probed.origin, began=probed.at),
        f"{name}.csv": report.as_csv(path, began=probed.at),
        f"{name}.json": report.as_json(path, said),
    }


def _is_of(found: Finding, here: bool) -> bool:
    return (found.check in FROM_HERE) == here


def _key(found: Finding) -> str:
    """What is found on several servers is told apart by theirs."""
    return f"{found.check}@{found.server}" if found.server else found.check


def _path(probed: Probed) -> Path:
    host, _, port = probed.target.rpartition(":")
    return Path(
        host=host.strip("[]"),
        port=int(port),
        mode=probed.mode,
        cycle=probed.cycle,
        cycles=probed.cycles,
        hops=tuple(_hop(hop, probed.mode) for hop in probed.hops),
        names={hop.address: hop.name for hop in probed.hops if hop.address and hop.name},
        done=probed.final,
    )


def _hop(hop: ProbedHop, mode: str) -> Hop:
    return Hop(
        ttl=hop.ttl,
        mode=hop.mode or mode,
        address=hop.address,
        target=hop.target,
        sent=hop.sent,
        received=hop.sent - round(hop.sent * hop.loss_percent / 100),
        last_ms=hop.last_ms,
        avg_ms=hop.avg_ms,
        best_ms=hop.best_ms,
        worst_ms=hop.worst_ms,
        stdev_ms=hop.stdev_ms,
        jitter_ms=hop.jitter_ms,
    )


def _said(found: Finding) -> Said:
    return Said(
        verdict=found.verdict,
        figure=found.figure,
        says=found.says,
        evidence=found.evidence,
        todo=found.todo,
    )
