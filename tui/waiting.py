"""When a wait is worth a word: not before a tenth of a second, and then for a second at least.

Pure; whoever asks it brings a clock that only goes forward, in seconds.
"""

from __future__ import annotations

AFTER_S = 0.1
"""What is quicker is no wait to a person."""
AT_LEAST_S = 1.0
"""What is shown can be read."""


class Waiting:
    """What was asked of the engine, as long as nothing was heard of it since."""

    def __init__(self) -> None:
        self._what = ""
        self._since_s: float | None = None
        self._until_s = 0.0

    def asked(self, what: str, now_s: float) -> None:
        """Something was asked; the wait goes on from the first that nothing was heard of."""
        self._what = what
        if self._since_s is None:
            self._since_s = now_s

    def heard(self, now_s: float) -> None:
        """The engine has said something."""
        if self._since_s is not None and now_s >= self._since_s + AFTER_S:
            self._until_s = self._since_s + AFTER_S + AT_LEAST_S
        self._since_s = None

    def said(self, now_s: float) -> str:
        """What is waited for, as long as that is to be shown."""
        waits = self._since_s is not None and now_s >= self._since_s + AFTER_S
        return self._what if waits or now_s < self._until_s else ""

    def goes_on(self, now_s: float) -> bool:
        """Whether what is said may change without anything being heard."""
        return self._since_s is not None or now_s < self._until_s
