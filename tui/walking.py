"""What `nightferry path` does: probes a road from a host, says how far it is, gives it on paper.

Knows which host that is; what is found out is `checks.network`'s.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from datetime import UTC, datetime

import click

from checks.network import measure, report
from checks.network.hops import Path
from checks.network.verdicts import Limits, judged
from tui.reaching import reached


def walk(
    target: tuple[str, int], from_host: str | None, cycles: int, form: str | None
) -> tuple[str, bool]:
    """The report in that form (``json``, ``csv``; else text), and whether anything was probed.

    Raises NightferryError.
    """
    began = datetime.now(UTC)
    path = asyncio.run(_probed(target, from_host, cycles))
    said = judged(path, Limits())
    probed = bool(path.hops)
    if form == "json":
        return report.as_json(path, said), probed
    if form == "csv":
        return report.as_csv(path, began=began), probed
    return report.text(path, said, host=from_host or socket.gethostname(), began=began), probed


async def _probed(target: tuple[str, int], from_host: str | None, cycles: int) -> Path:
    host, port = target
    async with reached(from_host) as machine:
        try:
            return await measure.probe(machine, host, port, cycles=cycles, changed=_say)
        finally:
            _say(None)


def _say(path: Path | None) -> None:
    """The progress, on a terminal alone; None wipes it off."""
    if not sys.stderr.isatty():
        return
    doing = "finding the hops" if path and not path.cycle else ""
    if path and path.cycle:
        doing = f"cycle {path.cycle} of {path.cycles}, {len(path.hops)} hops"
    click.echo(f"\r\x1b[K{doing}", nl=False, err=True)
