"""The desk's door: while a profile is being entered it tries servers, and takes the profile in.

Knows which profile the night has, and the desk that works on it; with another profile there is
another desk. What is done to a server is the desk's alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from connections.hosts import accept_host_key
from connections.passwords import Passwords, of_host
from engine.launch import PROFILE
from engine.night import LiveNight
from engine.server import RequestDesk
from engine.tasks import ended, through
from profiles import events as ev
from profiles import load
from profiles import requests as rq
from profiles.errors import (
    LoginRefusedError,
    NightferryError,
    RefusedError,
    SecretError,
    UnknownHostKeyError,
)
from profiles.fold import Night
from profiles.profile import Profile

if TYPE_CHECKING:
    from engine.trial import Answers


class NightDesk(RequestDesk, Protocol):
    """What the engine's process needs of a desk."""

    async def start(self) -> None:
        """Go on where the journal ends: ask the servers about what is in doubt."""

    async def close(self, reason: str) -> None:
        """Leave everything so that the night can be resumed."""


DeskFactory = Callable[[LiveNight, Profile, Path, Passwords], NightDesk]


def profile_of(folder: Path, state: Night) -> Profile | None:
    """The night's profile; None while it is a draft. Raises ProfileError.

    Once it was changed the journal says what it is: its file may be the one from before.
    """
    if state.draft:
        return None
    if state.changed is not None:
        return msgspec.convert(state.profile, Profile)
    return load.read(folder / PROFILE)


class Entry:
    """Stands before the desk of the profile that there is; without one it has none."""

    def __init__(
        self,
        live: LiveNight,
        profile: Profile | None,
        folder: Path,
        passwords: Passwords,
        new_desk: DeskFactory,
    ) -> None:
        self._live = live
        self._folder = folder
        self._passwords = passwords
        self._new_desk = new_desk
        self._desk = self._made(profile) if profile else None
        self._changing = asyncio.Lock()
        self._at_work: set[asyncio.Task[None]] = set()
        self._trials: dict[ev.Side, asyncio.Task[None]] = {}
        self._secrets: dict[str, rq.TryServer] = {}
        """Trials that a secret of that name may help."""
        self._keys: dict[str, tuple[rq.TryServer, UnknownHostKeyError]] = {}
        """The same, by the name of the server whose host showed an unknown key."""

    async def start(self) -> None:
        """The desk goes on where the journal ends."""
        if self._desk is not None:
            await self._desk.start()

    async def close(self, reason: str) -> None:
        """Leave everything so that the night can be resumed."""
        await ended(self._trials.values())
        if self._desk is not None:
            await self._desk.close(reason)

    async def handle(self, request: rq.Request) -> None:
        """Carry out a request. Raises RefusedError, with the reason, when it may not be."""
        match request:
            case rq.TryServer():
                self._may_change()
                await self._try(request)
            case rq.ChangeProfile():
                await self._change(request)
            case rq.TellSecret() if request.server in self._secrets:
                await self._tell(request)
            case rq.AcceptHostKey() if request.server in self._keys:
                await self._accept(request)
            case rq.Stop() if self._desk is None:
                pass
            case _:
                await self._to_desk(request)

    def _made(self, profile: Profile) -> NightDesk:
        return self._new_desk(self._live, profile, self._folder, self._passwords)

    # The profile

    def _may_change(self) -> None:
        """Refuses another profile once this one has been acted upon."""
        if why := self._live.state.why_fixed():
            remedy = "Begin another night for another one."
            raise RefusedError("the profile", "change it", why, remedy)

    async def _change(self, request: rq.ChangeProfile) -> None:
        """Another desk for another profile, one change after the other."""
        if wrong := load.wrong_in(request.profile):
            said = "; ".join(problem.says for problem in wrong)
            raise RefusedError("the profile", "take it", said, "Enter all of it first.")
        profile = msgspec.convert(request.profile, Profile)
        async with self._changing:
            before = await self._left(profile, request)
            if before is not None:
                await before.close("the profile is another one now")
            self._passwords.follow(profile)
            self._secrets.clear()
            self._keys.clear()
            self._desk = self._made(profile)
            await self._desk.start()
        load.write(self._folder / PROFILE, profile)
        await self._to_desk(rq.Probe(id=request.id, phase="servers"))

    async def _left(self, profile: Profile, request: rq.ChangeProfile) -> NightDesk | None:
        """The desk of the profile before, once the journal has the other; it looks at nothing.

        Raises RefusedError, JournalError, and then everything is as it was.
        """
        self._may_change()
        before, self._desk = self._desk, None  # nothing new begins on it
        try:
            await ended([*self._at_work, *self._trials.values()])
            self._may_change()
            told = msgspec.to_builtins(profile)
            self._live.publish(ev.ProfileChanged(profile=told, request=request.id))
        except NightferryError:
            self._desk = before
            raise
        return before

    async def _to_desk(self, request: rq.Request) -> None:
        """Let the desk do it, so that it can be ended when the desk goes."""
        if self._desk is None:
            tried, said = str(request.__struct_config__.tag), "the profile is not whole"
            raise RefusedError("the profile", tried, said, "Enter it first: e in Servers.")
        task = asyncio.create_task(self._desk.handle(request))
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)
        await through(task)

    # Servers, as they are entered

    async def _try(self, request: rq.TryServer) -> None:
        """Try it; a trial of the same side that is not through yet is of no use any more."""
        # The drivers: a desk brings them along, and the night of a draft may never come to one.
        from engine import trial

        profile = trial.alone(request)
        if before := self._trials.pop(request.side, None):
            await ended([before])
        passwords = self._passwords.trying(profile)
        answers = trial.tried(profile, request.side, passwords)
        task = asyncio.create_task(self._tell_what(request, answers, passwords))
        self._trials[request.side] = task
        await through(task)

    async def _tell_what(
        self, request: rq.TryServer, trial: Awaitable[Answers], passwords: Passwords
    ) -> None:
        answers = await trial
        if answers.seen is not None:
            self._live.publish(answers.seen)
        name, refused = str(request.server["name"]), answers.refused
        if isinstance(refused, UnknownHostKeyError):
            self._keys[name] = (request, refused)
            key, said = refused.fingerprint, str(refused)
            self._live.publish(ev.HostKeyAsked(server=name, fingerprint=key, prompt=said))
        elif refused is not None:
            for asked in _may_be_typed(name, refused, passwords):
                self._secrets[asked] = request
                self._live.publish(ev.SecretAsked(server=asked, prompt=str(refused)))
        told = ev.Tried(
            side=request.side,
            entered=request.server,
            moving=request.database,
            findings=answers.findings,
            request=request.id,
        )
        self._live.publish(told, wait=False)

    async def _tell(self, request: rq.TellSecret) -> None:
        """It was typed: the trial goes on."""
        self._passwords.hold(request.server, request.value)
        self._live.publish(ev.Said(text=f"A password for {request.server} was typed."))
        await self._try(self._secrets.pop(request.server))

    async def _accept(self, request: rq.AcceptHostKey) -> None:
        """The operator compared it: the trial goes on. Raises RefusedError for another key."""
        again, unknown = self._keys[request.server]
        if unknown.fingerprint != request.fingerprint:
            said = "its host has not shown this key"
            raise RefusedError(request.server, "accept the host key", said, "Try it again.")
        accept_host_key(unknown)
        del self._keys[request.server]
        accepted = ev.HostKeyAccepted(server=request.server, fingerprint=request.fingerprint)
        self._live.publish(accepted)
        await self._try(again)


def _may_be_typed(name: str, refused: NightferryError, passwords: Passwords) -> list[str]:
    """The secrets that the operator types, and that are missing or not the right ones."""
    if isinstance(refused, SecretError):
        known = [refused.where]
    elif isinstance(refused, LoginRefusedError) and refused.where == name:
        known = [name]
    elif isinstance(refused, LoginRefusedError):
        known = [of_host(name, "passphrase"), of_host(name, "password")]
    else:
        known = []
    return [secret for secret in known if passwords.asks(secret)]
