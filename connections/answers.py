"""What was answered, as the text that evidence compares and the journal keeps; secrets hidden."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from connections.postgres import Row
from profiles.errors import NightferryError
from profiles.secrets import MASK, masked

SECRET_NAMES = ("password", "verifier")
"""The placeholders whose values are secrets."""

TAIL_CHARACTERS = 200


def text_of(value: object) -> str:
    """One value as psql prints it: NULL as nothing, booleans as t and f, numbers as they are.

    Text, numbers, booleans, names, LSNs, ``"char"`` and arrays of these are exact; a question about
    any other type casts it to text.
    """
    match value:
        case None:
            return ""
        case bool():
            return "t" if value else "f"
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
        case Decimal():
            return f"{value:f}"
        case bytes() if len(value) == 1 and value.isascii():
            return value.decode()  # the driver gives "char", as in relkind, as one byte
        case bytes():
            return f"\\x{value.hex()}"
        case datetime():
            return value.isoformat(sep=" ")
        case list():
            return "{" + ",".join("NULL" if one is None else text_of(one) for one in value) + "}"
        case _:
            return str(value)


def line_of(rows: list[Row]) -> str:
    """The first row's values joined by blanks; empty without a row."""
    return " ".join(map(text_of, rows[0].values())) if rows else ""


def tail_of(output: str) -> str:
    """The last line of an output that says something."""
    lines = output.strip().splitlines()
    return lines[-1].strip()[-TAIL_CHARACTERS:] if lines else ""


def complaint_of(output: str) -> str:
    """What a program that failed complains of: the first error it names, else its last line.

    One that works in parallel says in its last line only that a worker of it has ended.
    """
    errors = [line.strip() for line in output.splitlines() if "error:" in line.lower()]
    return errors[0][:TAIL_CHARACTERS] if errors else tail_of(output)


def secrets_in(values: Mapping[str, str]) -> tuple[str, ...]:
    """The secrets among the values that fill a step's commands."""
    return tuple(values[name] for name in SECRET_NAMES if values.get(name))


def hidden(text: str, secrets: Iterable[str]) -> str:
    """The text without these secrets, and without whatever else looks like one."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    return masked(text)


def hush(error: NightferryError, secrets: Iterable[str]) -> None:
    """Takes these secrets out of an error before it goes on."""
    secrets = tuple(secrets)
    error.tried = hidden(error.tried, secrets)
    error.answered = hidden(error.answered, secrets)
    error.args = (error.where, error.tried, error.answered, error.remedy)
