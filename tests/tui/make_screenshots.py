"""Writes the README's pictures from the scenes: ``python -m tests.tui.make_screenshots``."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.tui.picture import svg

FOLDER = Path(__file__).parents[2] / "screenshots"
SHOWN = {
    "sessions": "120x40",
    "servers": "120x40",
    "route": "120x40",
    "network": "120x40",
    "network-probing": "80x24",
    "tuning": "120x40",
    "tuning-hosts": "80x24",
    "preflight": "120x40",
    "replication-copying": "120x40",
    "lag": "120x40",
    "verify": "120x40",
    "cutover": "120x40",
    "cutover-paused": "80x24",
    "cutover-writes-stopped": "80x24",
    "aftercare": "120x40",
}
"""The scenes in the README and their sizes; the others are the tests' alone."""


def file_of(name: str, size: str) -> Path:
    """Where the picture of a scene lies."""
    return FOLDER / f"{name}-{size}.svg"


async def make() -> None:
    """Write every picture, one window after another."""
    FOLDER.mkdir(exist_ok=True)
    for name, size in SHOWN.items():
        file_of(name, size).write_text(await svg(name, size), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(make())
