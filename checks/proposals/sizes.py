"""Amounts as PostgreSQL and MySQL write them, and back; binary units throughout.

The units are those of PostgreSQL's manual, 19.1.1: kB, MB, GB and TB are powers of 1024.
"""

from __future__ import annotations

import re

KIB, MIB, GIB = 1024, 1024**2, 1024**3

_UNITS = {"TB": 1024**4, "GB": GIB, "MB": MIB, "kB": KIB, "B": 1}
_TIMES_MS = {"d": 86_400_000, "h": 3_600_000, "min": 60_000, "s": 1000, "ms": 1}
_AMOUNT = re.compile(r"(\d+) ?([a-zA-Z]*)")
_MYSQL = {"G": GIB, "M": MIB, "K": KIB}


def parse(text: str) -> int:
    """``16GB`` in bytes. Raises ValueError for what is no size."""
    return _scaled(text, _UNITS)


def written(bytes_: int) -> str:
    """Bytes as SHOW writes them: in the largest unit that leaves nothing over."""
    return _largest(bytes_, _UNITS, "B")


def parse_time(text: str) -> int:
    """``15min`` in milliseconds. Raises ValueError for what is no time."""
    return _scaled(text, _TIMES_MS)


def written_time(ms: int) -> str:
    """Milliseconds as SHOW writes them."""
    return _largest(ms, _TIMES_MS, "ms")


def is_size(text: str) -> bool:
    """Whether it is an amount with a unit of memory."""
    found = _AMOUNT.fullmatch(text)
    return found is not None and found[2] in _UNITS


def normalised(setting: str, unit: str | None) -> str:
    """A value of pg_settings as SHOW writes it; special values (-1, 0) and words as they are."""
    if unit is None or not setting.isdigit() or setting == "0":
        return setting
    number, name = _AMOUNT.fullmatch(unit if unit[0].isdigit() else f"1{unit}"), int(setting)
    assert number is not None, unit
    count, base = name * int(number[1]), number[2]
    if base in _UNITS:
        return written(count * _UNITS[base])
    return written_time(count * _TIMES_MS[base])


def mysql_size(bytes_: int) -> str:
    """Bytes as an option file of MySQL may have them: ``256M``."""
    for suffix, size in _MYSQL.items():
        if bytes_ and bytes_ % size == 0:
            return f"{bytes_ // size}{suffix}"
    return str(bytes_)


def parse_mysql(text: str) -> int:
    """``256M`` in bytes. Raises ValueError for what is no size."""
    factor = _MYSQL.get(text[-1:].upper(), 1)
    return int(text[:-1] if factor > 1 else text) * factor


def shown(bytes_: int) -> str:
    """Bytes for a reader, binary units: ``64 GiB``, ``1.5 GiB``."""
    for name, size in (("TiB", 1024 * GIB), ("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
        if bytes_ >= size:
            return f"{bytes_ / size:.1f}".removesuffix(".0") + f" {name}"
    return f"{bytes_} B"


def down_to(bytes_: int, step: int) -> int:
    """The largest multiple that is not above it."""
    return bytes_ // step * step


def up_to(bytes_: int, step: int) -> int:
    """The smallest multiple that is not below it."""
    return -(-bytes_ // step) * step


def _scaled(text: str, units: dict[str, int]) -> int:
    found = _AMOUNT.fullmatch(text)
    if found is None or found[2] not in units:
        raise ValueError(f"{text!r} is no amount in {', '.join(units)}")
    return int(found[1]) * units[found[2]]


def _largest(amount: int, units: dict[str, int], least: str) -> str:
    if amount:
        for name, size in units.items():
            if amount % size == 0:
                return f"{amount // size}{name}"
    return f"{amount}{least}"
