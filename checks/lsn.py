"""Log sequence numbers as numbers: positions in the write-ahead log, in bytes.

Written as PostgreSQL writes them, two hexadecimal halves of 32 bits (manual, 8.20 pg_lsn Type).
"""

from __future__ import annotations

import re

_FORM = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")
HIGHEST = 2**64 - 1


def parse(text: str) -> int:
    """The position as a number of bytes; ValueError when it is not an LSN."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an LSN")
    return (int(match[1], 16) << 32) | int(match[2], 16)


def written(position: int) -> str:
    """The position as the server writes it; ValueError outside 64 bits."""
    if not 0 <= position <= HIGHEST:
        raise ValueError(f"{position} is no position in the log")
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


def bytes_between(earlier: str, later: str) -> int:
    """Bytes of log from one position to another; negative when ``later`` comes first."""
    return parse(later) - parse(earlier)
