"""Phase Preflight: are the ways by which clients come known, and can each be switched?"""

from __future__ import annotations

from checks.check import Look, Said
from checks.figures import number, several
from profiles.errors import HostError, NightferryError
from profiles.profile import ByHand, ConnectionFile


async def write_endpoints(look: Look, name: str) -> Said:
    """Is there at least one way by which clients write?"""
    writing = [one for one in look.profile.endpoints if one.access == "write"]
    if not writing:
        return Said(
            verdict="stop",
            figure="no write endpoint",
            says="Nothing would be pointed at the new server: the clients' writes would just stop.",
            todo="Add the pooler or the connection file that clients use to the profile.",
        )
    figure = f"{number(len(writing), 'write endpoint')}: {several([one.name for one in writing])}"
    by_hand = [one.name for one in look.profile.endpoints if isinstance(one, ByHand)]
    if by_hand:
        says = f"Switched by hand, in the checklist: {several(by_hand)}."
        return Said(verdict="note", figure=figure, says=says)
    return Said(verdict="pass", figure=figure)


async def client_login(look: Look, name: str) -> Said:
    """Can the client's own login, which is to prove the switch, come in through the endpoint?"""
    try:
        async with look.opener(name, None) as session:
            user = await session.value("SELECT current_user")
    except NightferryError as error:
        return Said(
            verdict="stop",
            figure=f"the client cannot come in: {error.answered}",
            says=str(error),
            todo=f"Correct `client` of {name} in the profile.",
        )
    return Said(verdict="pass", figure=f"{user} comes in", evidence="SELECT current_user")


async def connection_file(look: Look, name: str) -> Said:
    """Does the file name the old server exactly as the profile says?"""
    endpoint = look.endpoint(name)
    assert isinstance(endpoint, ConnectionFile)
    machine = look.machine(name)
    try:
        text = await machine.read(endpoint.path)
    except HostError as error:
        return Said(verdict="stop", figure=error.answered, says=str(error), todo=error.remedy)
    wrong = [f"{old!r} {number(text.count(old), 'time')}" for old in _not_once(endpoint, text)]
    if wrong:
        return Said(
            verdict="stop",
            figure=f"{endpoint.path} holds {several(wrong)}",
            says="Each text that is to be replaced must stand in it exactly once.",
            todo=f"Make `replace` of {name} in the profile longer or shorter until it does.",
        )
    figure = f"{endpoint.path}: each of {number(len(endpoint.replace), 'text')} once"
    return Said(verdict="pass", figure=figure, evidence=f"read {endpoint.path}")


def _not_once(endpoint: ConnectionFile, text: str) -> list[str]:
    return [old for old in endpoint.replace if text.count(old) != 1]
