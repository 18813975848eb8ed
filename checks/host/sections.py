"""What a script on a host printed, section by section; and figures out of its words.

Knows the frame only. Whatever a host prints, these functions answer: with None where it is no
figure, never with a zero and never with an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

HEADING = "@@ "
LONGEST_NUMBER = 20
"""2⁶⁴ has twenty digits; what is longer is no figure of a kernel's."""

Sections = Mapping[str, Sequence[str]]


def sections(text: str) -> dict[str, list[str]]:
    """The lines of each section, without the blank they begin with; what stands apart is left."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.split("\n"):
        if line.startswith(HEADING):
            lines = found.setdefault(line.removeprefix(HEADING).strip(), [])
        elif line.startswith(" "):
            lines.append(line[1:])
    return found


def first(read: Sections, name: str) -> str | None:
    """The first line of a section that is not blank."""
    return next((line.strip() for line in read.get(name, ()) if line.strip()), None)


def whole(text: str | None) -> int | None:
    """A whole number from 0, in plain digits; None for everything else."""
    if text is None or len(text) > LONGEST_NUMBER or not (text.isascii() and text.isdigit()):
        return None
    return int(text)


def decimal(text: str | None) -> float | None:
    """A number from 0 such as ``12429.81``; None for everything else."""
    before, _, after = (text or "").partition(".")
    if whole(before) is None or (after and whole(after) is None):
        return None
    return float(f"{before}.{after or 0}")


def wholes(words: Sequence[str]) -> list[int] | None:
    """All of them as whole numbers; None when one is none."""
    numbers = [number for word in words if (number := whole(word)) is not None]
    return numbers if len(numbers) == len(words) else None
