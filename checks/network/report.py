"""A road on paper: as mtr prints its report, as CSV with mtr's columns, and as JSON.

Pure: text out of a path and its verdicts. The jitter is one column more than mtr's own.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from checks.check import Said
from checks.network.hops import Hop, Path

NOBODY = "???"
COLUMNS = ("Loss%", "Snt", "Last", "Avg", "Best", "Wrst", "StDev", "Jitter")
CSV_COLUMNS = ("Start_Time", "Status", "Host", "Hop", "Ip", "Name", *COLUMNS)
NARROWEST = 24


def text(path: Path, said: Mapping[str, Said], *, host: str, began: datetime) -> str:
    """As ``mtr --report`` prints it, then a line for each verdict."""
    wide = max(NARROWEST, *(len(_called(path, hop)) for hop in path.hops), len(host) - 2, 0)
    lines = [f"Start: {began:%Y-%m-%dT%H:%M:%S%z}", _heading(host, wide)]
    lines += [
        f"{hop.ttl:3d}.|-- {_called(path, hop):<{wide}} {_figures(hop)}".rstrip()
        for hop in path.hops
    ]
    lines += [f"Hop {hop.ttl} answers to {hop.mode} alone." for hop in _by_another_mode(path)]
    lines += ["", *(_judgement(one) for one in said.values())]
    return "\n".join(lines) + "\n"


def _by_another_mode(path: Path) -> list[Hop]:
    """The hops that answer to another kind of probe than the rest of the road."""
    return [hop for hop in path.hops if hop.mode not in ("", path.mode)]


def as_csv(path: Path, *, began: datetime) -> str:
    """One line a hop, under mtr's names for the columns."""
    paper = io.StringIO()
    writer = csv.writer(paper, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    started, status = round(began.timestamp()), "OK" if path.done else "INCOMPLETE"
    for hop in path.hops:
        address = hop.address or NOBODY
        figures = [f"{hop.loss_percent:.2f}", hop.sent, *(_plain(ms) for ms in _times(hop))]
        name = path.names.get(address, "")
        writer.writerow([started, status, path.host, hop.ttl, address, name, *figures])
    return paper.getvalue()


def as_json(path: Path, said: Mapping[str, Said]) -> str:
    """The whole as one JSON object; times are milliseconds, null where nothing came back."""
    target = path.target
    whole = {
        "target": f"[{path.host}]:{path.port}" if ":" in path.host else f"{path.host}:{path.port}",
        "mode": path.mode,
        "hops": [_row(path, hop) for hop in path.hops],
        "destination": _row(path, target) if target else None,
        "verdicts": [
            {"check": check, **msgspec.structs.asdict(one)} for check, one in said.items()
        ],
    }
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode() + "\n"


def _row(path: Path, hop: Hop) -> dict[str, Any]:
    return {
        "ttl": hop.ttl,
        "address": hop.address,
        "name": path.names.get(hop.address or "") or None,
        "loss_percent": round(hop.loss_percent, 2),
        "sent": hop.sent,
        "last_ms": hop.last_ms,
        "avg_ms": hop.avg_ms,
        "best_ms": hop.best_ms,
        "worst_ms": hop.worst_ms,
        "stdev_ms": hop.stdev_ms,
        "jitter_ms": hop.jitter_ms,
    }


def _heading(host: str, wide: int) -> str:
    first, second, *times = COLUMNS
    heads = f"{first:>6} {second:>5}  " + " ".join(f"{head:>{_width(head)}}" for head in times)
    return f"HOST: {host:<{wide + 2}} {heads}"


def _figures(hop: Hop) -> str:
    times = (
        f"{ms or 0.0:>{_width(head)}.1f}" for head, ms in zip(COLUMNS[2:], _times(hop), strict=True)
    )
    return f"{hop.loss_percent:5.1f}% {hop.sent:5d}  " + " ".join(times)


def _width(head: str) -> int:
    return max(5, len(head))


def _times(hop: Hop) -> tuple[float | None, ...]:
    return (hop.last_ms, hop.avg_ms, hop.best_ms, hop.worst_ms, hop.stdev_ms, hop.jitter_ms)


def _plain(ms: float | None) -> str:
    return "" if ms is None else f"{ms:.2f}"


def _called(path: Path, hop: Hop) -> str:
    address = hop.address or NOBODY
    return path.names.get(address) or address


def _judgement(said: Said) -> str:
    return f"{said.verdict:<8}{said.figure}" + (f": {said.says}" if said.says else "")
