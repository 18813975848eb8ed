"""One screen a phase, in the wizard's order: ``x.py`` holds the class ``XScreen`` of phase ``x``.

A screen is loaded when it is first wanted: the first paint waits for one screen, not for eleven.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import cast

from profiles.phases import PHASES
from tui.frame import Frame


class _AsWanted(Mapping[str, type[Frame]]):
    """Every phase's screen, by the phase's id."""

    def __getitem__(self, phase: str) -> type[Frame]:
        module = import_module(f"{__name__}.{phase}")
        return cast("type[Frame]", getattr(module, f"{phase.capitalize()}Screen"))

    def __iter__(self) -> Iterator[str]:
        return iter(phase.id for phase in PHASES)

    def __len__(self) -> int:
        return len(PHASES)


SCREENS = _AsWanted()
