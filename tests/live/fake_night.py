"""An engine and a keeper as processes, with a desk that touches no server.

``python -m tests.live.fake_night engine|keeper FOLDER …``, from the project's folder.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from connections.passwords import Passwords
from engine import keeper
from engine import main as engine
from engine.night import LiveNight
from profiles.errors import RefusedError, SecretError
from profiles.events import Armed, Said, SecretAsked, StepBegan, StretchMoved
from profiles.profile import Profile
from profiles.requests import Abort, Arm, Confirm, Request, RunStep, TellSecret

MODULE = (sys.executable, "-m", "tests.live.fake_night")
ENGINE = (*MODULE, "engine")
KEEPER = (*MODULE, "keeper")
ARMED = Armed(attempt=1, direction="forward", roles=(), may_still_write=(), deadline_s=10.0)


class FakeDesk:
    """Arms and aborts without a server; says whether a password is held, never which."""

    def __init__(
        self, live: LiveNight, profile: Profile, folder: Path, passwords: Passwords
    ) -> None:
        self.live = live
        self.passwords = passwords
        if "broken" in profile.name:
            raise OSError("no desk for this night")

    async def start(self) -> None:
        doubt = ", ".join(self.live.state.in_doubt()) or "nothing"
        self.live.publish(Said(text=f"in doubt: {doubt}"))
        await self._say_whether_held()

    async def handle(self, request: Request) -> None:
        match request:
            case TellSecret():
                self.passwords.tell(request.server, request.value)
                await self._say_whether_held()
            case RunStep():
                self.live.publish(StepBegan(step=request.step, request=request.id))
            case Arm():
                self.live.publish(ARMED)
            case Abort():
                if not self.live.state.armed:
                    raise RefusedError("orders", "abort", "nothing is armed")
                self.live.publish(StretchMoved(attempt=1, state="aborted", paused_ms=412.0))
            case Confirm():
                os.abort()

    async def close(self, reason: str) -> None:
        self.live.publish(Said(text=f"closing: {reason}"))

    async def _say_whether_held(self) -> None:
        try:
            held = bool(await self.passwords("db-old"))
        except SecretError:
            self.live.publish(SecretAsked(server="db-old", prompt="password of postgres"))
            return
        self.live.publish(Said(text=f"password held: {held}"))


if __name__ == "__main__":
    role, *words = sys.argv[1:]
    if role == "engine":
        raise SystemExit(engine.main(words, FakeDesk))
    raise SystemExit(keeper.main(words, ENGINE))
