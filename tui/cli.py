"""The command `nightferry`: what can be asked from a shell, and its exit codes.

Knows the commands and their words, and imports what a command needs only when it runs. Exit codes:
0 done, 1 it could not be done (the reason is on standard error), 2 a wrong command line, or several
nights to choose from. Leaving the wizard by a hangup or SIGTERM gives 128 and the signal's number.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any

import click

from engine import VERSION
from profiles.errors import NightferryError
from tui.host import host
from tui.path import path

NIGHT = click.argument("night", required=False)


def _leave_the_mouse(ctx: click.Context, option: click.Parameter, value: bool) -> None:
    """Before the command or behind it, it is the same."""
    root = ctx.find_root()
    root.obj = bool(root.obj) or value


NO_MOUSE = click.option(
    "--no-mouse",
    is_flag=True,
    expose_value=False,
    callback=_leave_the_mouse,
    help="Leave the mouse to the terminal: it selects text as ever, without shift.",
)


class _Told(click.Group):
    """A group whose commands end with a message, never with a traceback, when the world says no."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (NightferryError, OSError) as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Told, invoke_without_command=True)
@click.version_option(VERSION, prog_name="nightferry")
@NO_MOUSE
@click.pass_context
def main(ctx: click.Context) -> None:
    """Carry a live PostgreSQL server to a new machine without its users noticing.

    Without a command: the wizard. NIGHT is a night's name; without it the only live night is meant.
    """
    if ctx.invoked_subcommand is None:
        _wizard(None)


@main.command("open")
@click.argument("profile", type=click.Path(path_type=Path))
@NO_MOUSE
def open_(profile: Path) -> None:
    """Begin a night on the profile in a TOML file, and open the wizard."""
    _needs_a_terminal()
    from engine.launch import begin
    from profiles.load import read

    _wizard(begin(read(profile)))


@main.command()
@NIGHT
@NO_MOUSE
def attach(night: str | None) -> None:
    """Open the wizard on a night that was begun; its engine is started if it is not running."""
    _needs_a_terminal()
    from tui import commands

    _wizard(commands.chosen(night))


@main.command()
@NIGHT
@NO_MOUSE
def watch(night: str | None) -> None:
    """Open a window on a live night that shows everything and can do nothing."""
    _needs_a_terminal()
    from tui import commands

    _wizard(commands.chosen(night, live=True), watching=True)


@main.command()
@NIGHT
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def status(night: str | None, as_json: bool) -> None:
    """Say where a night stands, from its journal."""
    from tui import commands

    click.echo(commands.status(commands.chosen(night), as_json))


@main.command()
@NIGHT
def abort(night: str | None) -> None:
    """Abort the armed stretch: before the turn writes resume on the old server.

    Starts the engine when it is not running.
    """
    from tui import commands

    click.echo(commands.abort(commands.chosen(night, otherwise="armed")))


@main.command()
@NIGHT
def report(night: str | None) -> None:
    """Print the report of a night (Markdown), and keep it in the night's folder.

    Without NIGHT, when none is live, the newest night is meant.
    """
    from tui import commands

    folder = commands.chosen(night, otherwise="newest")
    path, text = commands.report(folder)
    click.echo(text)
    click.echo(f"kept in {path}", err=True)


@main.command()
@click.option("--unattended", is_flag=True, help="Walk every phase without a terminal.")
@click.option(
    "--json", "as_json", is_flag=True, help="Unattended: one JSON object on standard output."
)
@NO_MOUSE
@click.pass_context
def rehearse(ctx: click.Context, unattended: bool, as_json: bool) -> None:
    """Practise a whole night on two throwaway servers and an application that keeps writing.

    Without a terminal it walks the night unattended, and says so.
    """
    trouble = _no_terminal()
    if not unattended and trouble:
        click.echo(f"{trouble}: the rehearsal walks the night unattended", err=True)
        unattended = True
    if as_json and not unattended:
        raise click.UsageError("--json goes with --unattended")
    if unattended:
        from tui import unattended as walk

        ctx.exit(walk.run(json=as_json))
    from tui import rehearse as box

    click.echo("Starting two servers, their pooler and an application that keeps writing …")
    # The wizard is loaded while the servers come up: it is a quarter of a second.
    Thread(target=import_module, args=["tui.app"], daemon=True).start()
    _wizard(box.begin(click.echo))


main.add_command(host)
main.add_command(path)


def _wizard(folder: Path | None, *, watching: bool = False) -> None:
    """Show the wizard; say afterwards where the night stands, and where it is kept."""
    _needs_a_terminal()
    from tui import commands

    mouse = not click.get_current_context().find_root().obj
    raise SystemExit(commands.show(folder, watching=watching, mouse=mouse))


def _needs_a_terminal() -> None:
    if trouble := _no_terminal():
        raise click.ClickException(
            f"{trouble}: the wizard cannot be drawn; `nightferry status` and `nightferry report`"
            " need no terminal"
        )


def _no_terminal() -> str:
    """Why there is no terminal that can be drawn on; empty when there is one."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return "this is no terminal"
    return "TERM is dumb" if (os.environ.get("TERM") or "dumb") == "dumb" else ""
