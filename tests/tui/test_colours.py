"""No text has the colour of its ground: in any scene, in either theme, at sixteen colours too."""

from __future__ import annotations

import pytest
from rich.color import Color, ColorSystem
from rich.style import Style
from textual.color import Color as Shade
from textual.screen import ModalScreen

from tests.tui.gallery import SCENES
from tests.tui.picture import stand, window_of
from tests.tui.recorded import Window
from tui import screens
from tui.theme import THEMES
from tui.widgets.dialog import Dialog
from tui.widgets.lines import Lines
from tui.words.text import TONES

READABLE = 4.5
"""The contrast of text that WCAG 2.2 asks for at least (1.4.3); dimmed text may have less."""
DIMMED = 3.0


def unseen(window: Window) -> list[str]:
    """Pieces of text that cannot be told from their ground."""
    pieces = [
        segment
        for strip in window.screen._compositor.render_strips()
        for segment in strip
        if segment.text.strip() and segment.style is not None
    ]
    assert pieces
    return [segment.text for segment in pieces if segment.style and _hidden(segment.style)]


def _hidden(style: Style) -> bool:
    text, ground = style.color, style.bgcolor
    if text is None or ground is None or text.is_default or ground.is_default:
        return text == ground
    return text == ground or _sixteen(text) == _sixteen(ground)


def _sixteen(color: Color) -> int | None:
    return color.downgrade(ColorSystem.STANDARD).number


@pytest.mark.parametrize("name", list(SCENES))
async def test_no_text_has_the_colour_of_its_ground(name: str) -> None:
    window = window_of(SCENES[name])
    async with window.run_test(size=(80, 24)) as pilot:
        await stand(pilot, SCENES[name])
        for theme in THEMES:
            window.theme = theme
            await pilot.pause()
            assert unseen(window) == [], theme


@pytest.mark.parametrize("theme", list(THEMES))
async def test_every_tone_can_be_read_on_every_ground(theme: str) -> None:
    window = window_of(SCENES["preflight"])
    async with window.run_test(size=(80, 24)) as pilot:
        await stand(pilot, SCENES["preflight"])
        window.theme = theme
        await pilot.pause()
        panel = window.screen.query_one("#rows", Lines)
        grounds = [panel.rich_style, panel.get_component_rich_style("lines--cursor")]
        for tone in TONES:
            least = DIMMED if tone == "dim" else READABLE
            for ground in grounds:
                both = ground + panel.get_component_rich_style(f"lines--{tone}", partial=True)
                assert both.color is not None
                assert both.bgcolor is not None
                assert contrast(both.color, both.bgcolor) >= least, (tone, both)


def contrast(text: Color, ground: Color) -> float:
    """From 1, none, to 21, black on white (WCAG 2.2, contrast ratio)."""
    darker, lighter = sorted((_luminance(text), _luminance(ground)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: Color) -> float:
    parts = [part / 255 for part in color.get_truecolor()]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_neither_theme_tells_good_from_bad_by_red_and_green() -> None:
    """Good is bluer than it is red, bad redder than it is blue; green decides nothing."""
    for theme in THEMES.values():
        good, bad = Shade.parse(str(theme.success)), Shade.parse(str(theme.error))
        assert good.b > good.r
        assert bad.r > bad.b


def test_every_dialog_says_what_it_acts_on() -> None:
    assert all(screens.SCREENS.values())  # with every screen, every dialog is loaded
    ours = [each for each in _below(ModalScreen) if each.__module__.startswith("tui.")]
    assert ours
    assert [each for each in ours if not issubclass(each, Dialog)] == []


def _below(kind: type) -> list[type]:
    direct: list[type] = kind.__subclasses__()
    return [one for each in direct for one in (each, *_below(each))]
