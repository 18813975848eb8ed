"""Phase Preflight: the certificates by which the servers are known, where they are asked for.

A path in the profile is one on the operator's machine. The subscription reads it on the
destination's server, and pg_dump and pg_restore on its host: it must be there too.
"""

from __future__ import annotations

from checks.check import Look, Said
from checks.figures import several
from checks.queries import ask
from connections.tls import tls_mode
from profiles.errors import AnswerError
from profiles.profile import SshHost
from profiles.steps import quoted

LOOK_S = 10.0
OF_THE_SYSTEM = "system"
"""Instead of a path: the authorities that the machine trusts (PostgreSQL manual, 32.19.1)."""
CANNOT_OPEN = "could not open file"


async def root_cert(look: Look, side: str) -> Said:
    """Is the certificate by which the server is known where it will be asked for?"""
    server = look.server(side)
    path = server.tls_root_cert
    if path is None or path == OF_THE_SYSTEM:
        return Said(verdict="pass", figure=f"no file is named for {server.name}")
    lacking = [*await _not_in_the_server(look, side, path), *await _not_on_the_host(look, path)]
    if not lacking:
        return Said(verdict="pass", figure=f"{path} is read on the destination too")
    checked = tls_mode(server.tls, server.address) in ("verify-ca", "verify-full")
    return Said(
        verdict="stop" if checked else "warn",
        figure=f"{path} cannot be read {several(lacking)}",
        says=f"Without it {server.name} is not known from there, and no connection is made."
        if checked
        else f"Without it the certificate of {server.name} is not looked at from there.",
        todo="Copy it there, to the same path, readable for all: it is no secret.",
    )


async def _not_in_the_server(look: Look, side: str, path: str) -> list[str]:
    """For the source's certificate: the subscription is a process of the destination's server."""
    if side != "source":
        return []
    there = look.on("destination")
    try:
        found = (await ask(there, "root_cert", path)).first["bytes"] is not None
    except AnswerError as error:
        if CANNOT_OPEN not in error.answered:
            raise
        found = False
    return [] if found else [f"by the server {there.server}"]


async def _not_on_the_host(look: Look, path: str) -> list[str]:
    """For pg_dump and pg_restore, where they do not run on this machine."""
    destination = look.profile.destination
    if not isinstance(destination.host, SshHost):
        return []
    machine = look.machine(destination.name)
    ran = await machine.run(f"[ -r {quoted(path)} ]", deadline_s=LOOK_S)
    return [] if ran.code == 0 else [f"on the {machine.name}"]
