"""Every scene at both sizes, cell by cell. Update with ``pytest tests/tui --snapshot-update``."""

from __future__ import annotations

import asyncio
from typing import Protocol

import pytest
from textual.pilot import Pilot

from tests.tui.gallery import SCENES
from tests.tui.make_screenshots import SHOWN, file_of
from tests.tui.picture import SIZES, stand, svg, window_of
from tests.tui.recorded import Window


class SnapCompare(Protocol):
    """The plugin's fixture, as it is used here."""

    def __call__(
        self, app: Window, *, terminal_size: tuple[int, int], run_before: object
    ) -> bool: ...


@pytest.fixture(autouse=True)
def stable_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of this terminal in the picture."""
    for name in ("NO_COLOR", "TEXTUAL_FILTERS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("textual.constants.TEXTUAL_ANIMATIONS", "none")


@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("name", list(SCENES))
def test_scene(name: str, size: str, snap_compare: SnapCompare) -> None:
    async def before(pilot: Pilot[str]) -> None:
        await stand(pilot, SCENES[name])

    window = window_of(SCENES[name])
    assert snap_compare(window, terminal_size=SIZES[size], run_before=before)


@pytest.mark.parametrize("name", list(SHOWN))
def test_the_committed_pictures_are_those_of_the_scenes(name: str) -> None:
    size = SHOWN[name]
    drawn = asyncio.run(svg(name, size))
    assert file_of(name, size).read_text(encoding="utf-8") == drawn, "run: make screenshots"
