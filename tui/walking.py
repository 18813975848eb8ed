"""What `nightferry path` does: probes a road from a host, says how far it is, gives it on paper.

Knows which host that is; what is found out is `checks.network`'s.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from checks.network import measure, report
from checks.network.hops import Path
from checks.network.verdicts import Limits, judged

if TYPE_CHECKING:
    from checks.network.measure import Machine


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
    async with _reached(from_host) as machine:
        try:
            return await measure.probe(machine, host, port, cycles=cycles, changed=_say)
        finally:
            _say(None)


@asynccontextmanager
async def _reached(from_host: str | None) -> AsyncIterator[Machine]:
    """The machine to probe from: this one, or one that ~/.ssh/config and an agent lead to."""
    if from_host is None:
        from connections.host import ThisMachine

        yield ThisMachine()
        return
    from connections.ssh_host import RemoteMachine
    from connections.ssh_link import Link
    from profiles.profile import SshHost

    link = Link(from_host, SshHost(ssh=from_host), _no_secret)
    try:
        yield RemoteMachine(link)
    finally:
        await link.close()


async def _no_secret(name: str) -> str | None:
    """There is nobody to ask: what has a passphrase is in the agent, or is not used."""
    return None


def _say(path: Path | None) -> None:
    """The progress, on a terminal alone; None wipes it off."""
    if not sys.stderr.isatty():
        return
    doing = "finding the hops" if path and not path.cycle else ""
    if path and path.cycle:
        doing = f"cycle {path.cycle} of {path.cycles}, {len(path.hops)} hops"
    click.echo(f"\r\x1b[K{doing}", nl=False, err=True)
