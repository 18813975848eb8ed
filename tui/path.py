"""The command `nightferry path`: the network test without a night and without a terminal.

Knows its words only, and imports what it needs when it runs.
"""

from __future__ import annotations

import click


def _target(ctx: click.Context, argument: click.Parameter, value: str) -> tuple[str, int]:
    """The host and the port; a wrong command line where it is something else."""
    host, colon, port = value.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not host or (":" in host and not bracketed):
        raise click.BadParameter(f"{value}: give it as HOST:PORT, an IPv6 address in [brackets]")
    if not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise click.BadParameter(f"{port}: a port is a number from 1 to 65535")
    return host.strip("[]"), int(port)


@click.command()
@click.argument("target", callback=_target, metavar="HOST:PORT")
@click.option("--from", "from_host", metavar="SSH_HOST", help="Probe from there, over SSH.")
@click.option(
    "--cycles",
    type=click.IntRange(1, 3600),
    default=10,
    show_default=True,
    help="Probes for each hop, one a second.",
)
@click.option("--json", "form", flag_value="json", help="One JSON object on standard output.")
@click.option("--csv", "form", flag_value="csv", help="One line a hop, with mtr's columns.")
@click.pass_context
def path(
    ctx: click.Context,
    target: tuple[str, int],
    from_host: str | None,
    cycles: int,
    form: str | None,
) -> None:
    """Probe the road to a database port hop by hop, as mtr does: loss, jitter, where it ends.

    Needs no root and no tool but python3. Exit code 1: nothing could be probed.
    """
    from tui import walking

    text, probed = walking.walk(target, from_host, cycles, form)
    click.echo(text, nl=False)
    ctx.exit(0 if probed else 1)
