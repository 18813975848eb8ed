"""The one place where names and values become SQL text. Knows no server and no driver.

Values go as parameters wherever a statement takes them; utility statements take none, and what is
shown to be copied must hold them. Source of the rules: PostgreSQL manual, 4.1 Lexical Structure.
"""

from __future__ import annotations


def quote_ident(name: str) -> str:
    """An identifier in double quotes, right in SQL and on PgBouncer's console.

    Raises ValueError for an empty name and for one with a NUL in it, which no server can hold.
    """
    if not name:
        raise ValueError("an identifier cannot be empty")
    return f'"{_without_nul(name).replace(chr(34), chr(34) * 2)}"'


def quote_literal(text: str) -> str:
    """A string constant that reads the same whatever ``standard_conforming_strings`` says.

    Raises ValueError for a text with a NUL in it.
    """
    doubled = _without_nul(text).replace("'", "''")
    if "\\" not in doubled:
        return f"'{doubled}'"
    return "E'" + doubled.replace("\\", "\\\\") + "'"


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("PostgreSQL holds no NUL character")
    return text
