"""A password file, as libpq reads it: what stands in it.

So no password stands in a command line or in an environment. Must not know where the file is, nor
for how long. Source of the format: PostgreSQL manual, 32.16, The Password File.
"""

from __future__ import annotations

from collections.abc import Iterable

from connections.places import as_we_see, seen_from_destination
from profiles.profile import Server

VARIABLE = "PGPASSFILE"
"""By which libpq finds it."""


def content(logins: Iterable[tuple[Server, str]]) -> str:
    """Lets libpq into these servers, whichever database, from here and from the destination."""
    return "".join(f"{line}\n" for server, word in logins for line in _lines(server, word))


def _lines(server: Server, password: str) -> list[str]:
    """One line for each way the server may be called; libpq takes the first that fits."""
    places = dict.fromkeys((as_we_see(server), seen_from_destination(server)))
    user, word = _escaped(server.user), _escaped(password)
    # By the name, also where libpq dials another address.
    return [f"{_escaped(place.host)}:{place.port}:*:{user}:{word}" for place in places]


def _escaped(field: str) -> str:
    return field.replace("\\", "\\\\").replace(":", "\\:")
