"""The filter of a long list: what is typed after ``/``, and which texts it keeps.

Knows keys and text. What is filtered, and where that is shown, is the list's.
"""

from __future__ import annotations

from dataclasses import dataclass

from textual import events

BEGINS = "/"
CURSOR = "▏"


@dataclass
class Narrowing:
    """While it is typed, every printable key is its own; afterwards the text goes on filtering."""

    text: str = ""
    typing: bool = False

    @property
    def on(self) -> bool:
        """Something is filtered, or about to be."""
        return self.typing or bool(self.text)

    def begin(self) -> None:
        """From now on keys are typed into it."""
        self.typing = True

    def clear(self) -> None:
        """Everything is shown again."""
        self.text, self.typing = "", False

    def take(self, event: events.Key) -> bool:
        """Whether the key was meant for it; a key that it does not know goes on to the list."""
        if self.typing:
            return self._typed(event)
        if event.character == BEGINS:
            self.begin()
            return True
        if event.key == "escape" and self.text:
            self.clear()
            return True
        return False

    def _typed(self, event: events.Key) -> bool:
        if event.key == "escape":
            self.clear()
        elif event.key == "enter":
            self.typing = False
        elif event.key == "backspace":
            self.text = self.text[:-1]
        elif event.is_printable:
            self.text += event.character or ""
        else:
            return False
        return True

    def keeps(self, text: str) -> bool:
        """Whether the text holds every word that was typed, in capitals or small letters."""
        held = text.casefold()
        return all(word in held for word in self.text.casefold().split())

    def said(self, kept: int, total: int) -> str:
        """``/lag 4 of 40``; nothing while nothing is filtered."""
        cursor = CURSOR if self.typing else ""
        return f"{BEGINS}{self.text}{cursor} {kept} of {total}" if self.on else ""
