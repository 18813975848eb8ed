"""Phase Preflight: pg_dump and pg_restore of exactly the destination's major, with TLS if wanted.

An older pg_dump refuses a newer server, and a newer one writes settings the destination does not
know; so it is this one major version and no other. Knows where packages put them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from checks.check import HERE, Look, Machine, Said
from checks.figures import several
from connections.tls import is_loopback
from profiles.errors import NightferryError
from profiles.profile import Server
from profiles.steps import quoted

FIND_S = 10.0
NO_TLS = "SSL support is not compiled in"
"""What libpq says of sslmode=require in a build without TLS."""


class ClientTools(NamedTuple):
    """A folder with both tools, of one version."""

    folder: str
    version: str
    tls: bool

    @property
    def major(self) -> int:
        """The major version."""
        return int(self.version.partition(".")[0])


def folders(chosen: str | None, major: int) -> list[str]:
    """Where the tools of a major version may be: as chosen, or where packages put them."""
    if chosen:
        return [chosen]
    return ["", f"/usr/lib/postgresql/{major}/bin", f"/usr/pgsql-{major}/bin"]


async def find_tools(machine: Machine, chosen: str | None, major: int) -> list[ClientTools]:
    """All pairs of tools that are there, in the order of search; the first of a major is taken."""
    found = []
    for folder in folders(chosen, major):
        ran = await machine.run(_look_line(folder), deadline_s=FIND_S)
        tools = read_tools(ran.out)
        if tools is not None:
            found.append(tools)
    return found


def _look_line(folder: str) -> str:
    """Prints the folder, both versions, and what libpq says of TLS; the folder "" is the PATH."""
    where = quoted(folder) if folder else '"$(dirname "$(command -v pg_dump)")"'
    return (
        f'd={where}; [ -x "$d/pg_dump" ] && [ -x "$d/pg_restore" ] || exit 0; echo "$d"; '
        '"$d/pg_dump" --version; "$d/pg_restore" --version; '
        '"$d/pg_dump" -w "sslmode=require host=/nonexistent" 2>&1; true'
    )


def read_tools(printed: str) -> ClientTools | None:
    """The tools that a look found; None when there are none, or of two versions."""
    lines = printed.splitlines()
    if len(lines) < 3:
        return None
    versions = [re.search(r"\(PostgreSQL\) (\d+(?:\.\d+)?)", line) for line in lines[1:3]]
    dump, restore = versions
    if dump is None or restore is None or dump[1] != restore[1]:
        return None
    return ClientTools(lines[0], dump[1], tls=not any(NO_TLS in line for line in lines[3:]))


async def client_tools(look: Look, name: str) -> Said:
    """Are there client tools to carry the schema over?"""
    destination = look.profile.destination
    major = look.on("destination").version_num // 10000
    found = await found_tools(look, major)
    return judged_tools(found, major, _tls_wanted(look), folders(destination.client_tools, major))


async def found_tools(look: Look, major: int) -> list[ClientTools]:
    """Those of the machine that the schema is carried over from: the destination's, or this one."""
    destination = look.profile.destination
    machine = look.machine(destination.name if destination.host else HERE)
    return await find_tools(machine, destination.client_tools, major)


async def tools_to_use(look: Look, major: int) -> ClientTools | None:
    """The tools that the schema is carried over with; None where none fit."""
    return chosen(await found_tools(look, major), major, _tls_wanted(look) != "no")


def chosen(found: Sequence[ClientTools], major: int, tls: bool) -> ClientTools | None:
    """The tools to use: of that major, and with TLS before those without."""
    fitting = [one for one in found if one.major == major]
    return next((one for one in fitting if one.tls or not tls), fitting[0] if fitting else None)


def judged_tools(
    found: Sequence[ClientTools], major: int, wanted: str, searched: Sequence[str]
) -> Said:
    """The verdict on the tools found; ``wanted`` is ``must``, ``may`` or ``no`` TLS."""
    places = several([place or "PATH" for place in searched])
    evidence = "; ".join(f"{one.folder}: {one.version}" for one in found) or f"nothing in {places}"
    tools = chosen(found, major, wanted != "no")
    if tools is None:
        return Said(
            verdict="stop",
            figure=f"no pg_dump and pg_restore {major} in {places}",
            says=f"The schema is carried over by exactly version {major}, the destination's.",
            evidence=evidence,
            todo=f"Install postgresql-client-{major} (Debian, Ubuntu) or postgresql{major} (Red "
            "Hat), or name their folder as `client_tools` of the destination.",
        )
    figure = f"pg_dump {tools.version} in {tools.folder}"
    if tools.tls or wanted == "no":
        return Said(verdict="pass", figure=figure, evidence=evidence)
    return Said(
        verdict="stop" if wanted == "must" else "warn",
        figure=f"{figure}, built without TLS",
        says="The profile wants TLS to a server, and these tools cannot."
        if wanted == "must"
        else "Our session is encrypted and theirs would not be: pg_hba may refuse it.",
        evidence=evidence,
        todo=f"Install postgresql-client-{major} of the distribution, which has TLS.",
    )


def _tls_wanted(look: Look) -> str:
    words = [_wants(look, side, look.server(side)) for side in ("source", "destination")]
    return "must" if "must" in words else "may" if "may" in words else "no"


def _wants(look: Look, side: str, server: Server) -> str:
    held = look.sessions.get(side)
    if held is None or isinstance(held, NightferryError) or not held.encrypted:
        return "no"
    optional = server.tls in ("allow", "prefer") or (
        server.tls is None and is_loopback(server.address)
    )
    return "may" if optional else "must"
