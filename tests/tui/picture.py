"""A scene as an SVG: drives the window there, and makes the picture the same every time."""

from __future__ import annotations

import re

from textual.pilot import Pilot

from tests.tui.gallery import SCENES, Scene
from tests.tui.recorded import Recorded, Window, press, settled

SIZES = {"80x24": (80, 24), "120x40": (120, 40)}


def window_of(scene: Scene) -> Window:
    """A window over the scene's night."""
    return Window(Recorded(scene.events()))


async def stand(pilot: Pilot[str], scene: Scene) -> None:
    """Go to the scene's phase and press its keys."""
    window = pilot.app
    assert isinstance(window, Window)
    await settled(pilot)
    window.go_to(scene.phase)
    looking = [worker for worker in window.workers if worker.group == "dialog"]
    if looking:
        await window.workers.wait_for_complete(looking)
    await settled(pilot)
    await press(pilot, *scene.keys)


async def svg(name: str, size: str) -> str:
    """The picture of a scene, with its random ids made steady."""
    window = window_of(SCENES[name])
    async with window.run_test(size=SIZES[size]) as pilot:
        await stand(pilot, SCENES[name])
        drawn = window.export_screenshot(title=f"nightferry {name}", simplify=True)
    return re.sub(r"terminal-\d+", "terminal-nightferry", drawn) + "\n"
