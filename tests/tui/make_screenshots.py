"""Writes the README's pictures from the scenes: ``python -m tests.tui.make_screenshots``."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.tui.picture import SIZES, svg

FOLDER = Path(__file__).parents[2] / "screenshots"
SHOWN = (
    "servers",
    "route",
    "network",
    "tuning",
    "preflight",
    "replication-copying",
    "lag",
    "verify",
    "cutover",
    "cutover-paused",
    "cutover-writes-stopped",
    "aftercare",
)
"""The scenes in the README; the others are the tests' alone."""


def file_of(name: str, size: str) -> Path:
    """Where the picture of a scene lies."""
    return FOLDER / f"{name}-{size}.svg"


async def make() -> None:
    """Write every picture, one window after another."""
    FOLDER.mkdir(exist_ok=True)
    for name in SHOWN:
        for size in SIZES:
            file_of(name, size).write_text(await svg(name, size), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(make())
