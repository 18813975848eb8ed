"""libpq's password file, by libpq's rules (PostgreSQL manual, 32.16, "The Password File").

Knows the file's format and its permissions; never says what stands in it.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from profiles.errors import SecretError

DEFAULT_SOCKET_FOLDERS = ("", "/tmp", "/var/run/postgresql", "/run/postgresql")
"""A connection through one of these is written as ``localhost`` in the file."""

_FIELD = re.compile(r"((?:[^:\\]|\\.|\\$)*)(?::|$)")
_ESCAPED = re.compile(r"\\(.)")


def path() -> Path:
    """``PGPASSFILE``, or ``~/.pgpass``."""
    named = os.environ.get("PGPASSFILE")
    return Path(named) if named else Path.home() / ".pgpass"


def password(*, host: str, port: int, database: str, user: str, where: str) -> str | None:
    """The password of the first line that fits the login; None when none does, or without a file.

    Raises SecretError when others may read the file, as libpq then ignores it, or when we may not.
    """
    file = path()
    try:
        _must_be_private(file, where)
        lines = file.read_text("utf-8", "surrogateescape").split("\n")
    except FileNotFoundError:
        return None
    except OSError as error:
        tried = f"read the password file {file}"
        raise SecretError(where, tried, error.strerror or str(error), "Make it readable.") from None
    login = ("localhost" if host in DEFAULT_SOCKET_FOLDERS else host, str(port), database, user)
    fitting = (_password_in(line, login) for line in lines)
    return next((found for found in fitting if found is not None), None) or None


def _must_be_private(file: Path, where: str) -> None:
    mode = file.stat().st_mode
    tried = f"read the password file {file}"
    if not stat.S_ISREG(mode):
        raise SecretError(where, tried, "it is not a plain file", "Point PGPASSFILE at one.")
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        answered = f"group or others may use it (mode {stat.S_IMODE(mode):04o}), so it is ignored"
        raise SecretError(where, tried, answered, f"Run: chmod 0600 {file}")


def _password_in(line: str, login: tuple[str, str, str, str]) -> str | None:
    fields = _fields(line.rstrip("\r"))
    if line.startswith("#") or len(fields) <= len(login):
        return None
    for field, name in zip(fields, login, strict=False):
        if field != "*" and _plain(field) != name:
            return None
    return _plain(fields[len(login)])


def _fields(line: str) -> list[str]:
    """The fields between unescaped colons, still escaped, and an empty one at the end."""
    return [field[1] for field in _FIELD.finditer(line)]


def _plain(field: str) -> str:
    return _ESCAPED.sub(r"\1", field)
