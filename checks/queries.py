"""The questions of the checks: one file each in ``sql/``, whose first line says what it is for.

``name.18.sql`` is asked of servers from major version 18 on, in place of ``name.sql``.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from checks.check import Asks, Row

ROWS_SHOWN = 6
CHARACTERS_SHOWN = 600


class Query(NamedTuple):
    """One question, as it stands in its file."""

    name: str
    purpose: str
    text: str

    @property
    def condensed(self) -> str:
        """The statement on one line, without its comments, as a finding quotes it."""
        lines = [line for line in self.text.splitlines() if not line.strip().startswith("--")]
        return " ".join(" ".join(lines).split())


class Answer(NamedTuple):
    """A question and what a server answered."""

    query: Query
    rows: Sequence[Row]

    @property
    def evidence(self) -> str:
        """The statement and the first rows of its answer."""
        shown = [_line(row) for row in self.rows[:ROWS_SHOWN]] or ["no row"]
        if len(self.rows) > ROWS_SHOWN:
            shown.append(f"and {len(self.rows) - ROWS_SHOWN} more")
        return "\n".join([self.query.condensed[:CHARACTERS_SHOWN], *(f"→ {one}" for one in shown)])

    @property
    def first(self) -> Row:
        """The only row of a question that always has one."""
        return self.rows[0]

    def column(self, name: str) -> list[str]:
        """One column, as text."""
        return [str(row[name]) for row in self.rows]


async def ask(session: Asks, name: str, *args: object, deadline_s: float = 10.0) -> Answer:
    """Ask a server the question of that name, as its version understands it."""
    asked = query(name, session.version_num // 10000)
    return Answer(asked, await session.rows(asked.text, *args, deadline_s=deadline_s))


@cache
def query(name: str, major: int) -> Query:
    """The newest form of a question that a server of this major version understands."""
    forms = {number: text for number, text in _forms(name).items() if number <= major}
    purpose, _, text = forms[max(forms)].partition("\n")
    return Query(name, purpose.removeprefix("--").strip(), text.strip())


@cache
def names() -> tuple[str, ...]:
    """The names of all questions."""
    found = (file.name for file in files("checks").joinpath("sql").iterdir())
    return tuple(sorted({name.split(".")[0] for name in found if name.endswith(".sql")}))


@cache
def _forms(name: str) -> dict[int, str]:
    forms: dict[int, str] = {}
    for file in files("checks").joinpath("sql").iterdir():
        match file.name.split("."):
            case [stem, "sql"] if stem == name:
                forms[0] = file.read_text("utf-8")
            case [stem, number, "sql"] if stem == name:
                forms[int(number)] = file.read_text("utf-8")
    if not forms:
        raise KeyError(name)
    return forms


def _line(row: Row) -> str:
    pairs = zip(row.keys(), row.values(), strict=True)
    return ", ".join(f"{key} = {_text(value)}" for key, value in pairs)


def _text(value: object) -> str:
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ", "seconds")
    return "null" if value is None else str(value)
