"""On which line of a TOML text a key stands; tomllib itself does not say.

A key stands where the shortest beginning of the text that is TOML and holds the key ends.
"""

from __future__ import annotations

import tomllib
from bisect import bisect_left
from collections.abc import Callable
from functools import cache
from typing import Any

KeyPath = tuple[str | int, ...]
"""The way to a value: keys of tables, and positions in lists from 0."""


def finder(text: str) -> Callable[[KeyPath], int]:
    """A function from a key path to its line, from 1; of a missing key, the line of its table.

    Raises tomllib.TOMLDecodeError when the text is not TOML.
    """
    whole = tomllib.loads(text)
    lines = text.split("\n")

    @cache
    def parsed(count: int) -> dict[str, Any] | None:
        try:
            return tomllib.loads("\n".join(lines[:count]) + "\n")
        except tomllib.TOMLDecodeError:
            return None

    def beginning(count: int) -> int:
        """How many lines the longest beginning of at most ``count`` lines has that is TOML."""
        while parsed(count) is None:
            count -= 1
        return count

    def line_of(path: KeyPath) -> int:
        while not _holds(whole, path):
            path = path[:-1]
        counts = range(len(lines) + 1)
        end = bisect_left(counts, True, key=lambda count: _holds(parsed(beginning(count)), path))
        return beginning(end - 1) + 1 if end else 1

    return line_of


def _holds(data: object, path: KeyPath) -> bool:
    for part in path:
        match data, part:
            case dict(), str() if part in data:
                data = data[part]
            case list(), int() if part < len(data):
                data = data[part]
            case _:
                return False
    return True
