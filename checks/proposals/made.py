"""What the functions of proposals hand back, and what of it the operator may change."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import msgspec

from checks.proposals import sizes
from profiles.machine import Proposal


class Proposals(msgspec.Struct, frozen=True):
    """What is proposed, in the order in which it is set, and what is not, with the reason."""

    made: tuple[Proposal, ...] = ()
    skipped: tuple[str, ...] = ()
    """``name: why``"""

    def __add__(self, other: Proposals) -> Proposals:
        return Proposals(self.made + other.made, self.skipped + other.skipped)

    def named(self, name: str) -> Proposal | None:
        """The proposal for a setting; None where there is none."""
        return next((one for one in self.made if one.name == name), None)


def collected(rows: Iterable[Proposal | str | None]) -> Proposals:
    """The proposals and reasons of several rows; what is as it should be is neither."""
    found = [row for row in rows if row is not None]
    return Proposals(
        tuple(row for row in found if isinstance(row, Proposal)),
        tuple(row for row in found if isinstance(row, str)),
    )


def chosen(proposal: Proposal, value: str) -> str:
    """The operator's own value as its server shows it. Raises ValueError where it cannot be one."""
    value = " ".join(value.split())
    fits, written = next(how for how in _KINDS if how[0].fullmatch(proposal.proposed))
    if not fits.fullmatch(value):
        said = f"“{value}” is nothing like {proposal.proposed}" if value else "there is no value"
        raise ValueError(f"{proposal.name}: {said}")
    return written(value)


_KINDS: tuple[tuple[re.Pattern[str], Callable[[str], str]], ...] = (
    (re.compile(r"\d+ \d+ \d+"), str),
    (re.compile(r"\d+ ?(B|kB|MB|GB|TB)"), lambda text: sizes.written(sizes.parse(text))),
    (re.compile(r"\d+ ?(ms|s|min|h|d)"), lambda text: sizes.written_time(sizes.parse_time(text))),
    (re.compile(r"\d+[KMG]?"), str),
    (re.compile(r"-?\d+(\.\d+)?"), str),
    (re.compile(r"[A-Za-z][\w-]*"), str),
)
"""What the value looks like, and how its server writes it."""
