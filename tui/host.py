"""The command `nightferry host`: what a machine is and how it fares, without a night.

Knows its words only, and imports what it needs when it runs.
"""

from __future__ import annotations

import click


@click.command()
@click.argument("ssh_host", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def host(ssh_host: str | None, as_json: bool) -> None:
    """Look at this machine, or at SSH_HOST: its processors, disks, settings, and what they mean.

    Changes nothing, and needs no root. Exit code 1: nothing could be read.
    """
    from tui import surveying

    click.echo(surveying.survey(ssh_host, as_json=as_json), nl=False)
