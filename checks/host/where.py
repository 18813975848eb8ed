"""Where a PostgreSQL server keeps its things on its host, and which process it is there.

Asked of the server itself; what its role may not ask stays unknown, and is said.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import NamedTuple

from checks.check import Asks, Row
from checks.host.gather import Asked
from checks.queries import ask
from profiles.errors import AnswerError


class Where(NamedTuple):
    """What to look at on the host."""

    places: tuple[Asked, ...] = ()
    pid: int | None = None
    unasked: tuple[str, ...] = ()
    """What the server did not say, and why."""


async def where(session: Asks) -> Where:
    """The paths and the process of a server. Raises ServerLostError, DeadlineError."""
    unasked: list[str] = []
    places: tuple[Asked, ...] = ()
    pid = None
    try:
        places = _places((await ask(session, "places")).first)
    except AnswerError as error:
        unasked.append(f"the server's folders: {error.answered}")
    try:
        pid = int((await ask(session, "server_process")).first["pid"])
    except AnswerError as error:
        unasked.append(f"the server's process: {error.answered}")
    return Where(places, pid, tuple(unasked))


def _places(row: Row) -> tuple[Asked, ...]:
    data = PurePosixPath(row["data"])
    found = [Asked("data", str(data)), Asked("wal", str(data / "pg_wal"))]
    if row["log"]:
        found.append(Asked("log", str(data / row["log"])))
    temporary = row["temporary"] or [str(data)]
    return (*found, *(Asked("temporary", path) for path in temporary))
