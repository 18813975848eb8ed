"""The smallest program of the library that the screens are made with: a word, and keys counted."""

from __future__ import annotations

from textual import events
from textual.app import App, ComposeResult
from textual.widgets import Static

WORD = "painted"


class Empty(App[None]):
    """Shows the word, and how many keys were pressed, until it is killed."""

    keys = 0

    def compose(self) -> ComposeResult:
        """The word."""
        yield Static(f"{WORD} 0 keys")

    def on_key(self, event: events.Key) -> None:
        """One more."""
        self.keys += 1
        self.query_one(Static).update(f"{WORD} {self.keys} keys")


if __name__ == "__main__":
    Empty().run()
