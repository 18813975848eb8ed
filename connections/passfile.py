"""A password file for the time of one command, for programs that know libpq's ``PGPASSFILE``.

So no password stands in a command line or in an environment. Source of the format: PostgreSQL
manual, 32.16, The Password File.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from profiles.profile import Server

PREFIX = "passfile-"
"""How its name begins; one that a killed engine left behind can be told by it."""


@contextmanager
def passfile(folder: Path, logins: Iterable[tuple[Server, str]]) -> Iterator[Path]:
    """A file, 0600, that lets libpq into these servers, whichever database; gone at the end."""
    descriptor, name = tempfile.mkstemp(prefix=PREFIX, dir=folder)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            for server, password in logins:
                file.writelines(f"{line}\n" for line in _lines(server, password))
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def clear_left(folder: Path) -> None:
    """Remove what a killed engine left behind; nothing of ours may be running there."""
    for left in folder.glob(f"{PREFIX}*"):
        left.unlink(missing_ok=True)


def _lines(server: Server, password: str) -> list[str]:
    """One line for each way the server may be called; libpq takes the first that fits."""
    places = [(server.address, server.port)]
    if server.seen_from_destination is not None:
        places.append((server.seen_from_destination.address, server.seen_from_destination.port))
    user, word = _escaped(server.user), _escaped(password)
    return [f"{_escaped(address)}:{port}:*:{user}:{word}" for address, port in places]


def _escaped(field: str) -> str:
    return field.replace("\\", "\\\\").replace(":", "\\:")
