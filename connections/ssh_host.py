"""Another machine as a `connections.host.Host`, over SSH.

Knows how a line, a file and a process left behind go over a connection that may die at any moment;
must not know what they are for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from shlex import quote

from connections import ssh_shell
from connections.host import Ran
from connections.passwords import of_host
from connections.prepared import CHANGED
from connections.ssh_exchange import Answer, Become, Exchange, exchange
from connections.ssh_link import Link
from profiles.errors import (
    ConnectError,
    DeadlineError,
    HostError,
    HostLostError,
    NightferryError,
    SecretError,
)
from profiles.secrets import masked

SESSIONS = 6
"""Lines at the same time; sshd admits ten sessions a connection (sshd_config(5), MaxSessions)."""

FILE_S = 30.0
"""How long a file may take to be read or written."""

DETACH_S = 10.0


class RemoteMachine:
    """The machine at the other end of a link."""

    def __init__(self, link: Link) -> None:
        self.name = f"host of {link.name}"
        self._link = link
        self._sessions = asyncio.Semaphore(SESSIONS)

    async def run(
        self,
        line: str,
        *,
        deadline_s: float,
        env: Mapping[str, str] = {},
        files: Mapping[str, str] = {},
        on_line: Callable[[str], None] | None = None,
        as_user: str | None = None,
    ) -> Ran:
        """As `connections.host.Host.run`, as the host's ``sudo_user`` or ``as_user``.

        A line that a signal ended has 128 and the signal's number as its code. It is ended there
        when the connection dies too. With ``on_line`` only the end of a long output is returned.
        Raises ConnectError and SecretError as well, and HostLostError when the connection died.
        """
        tried = f"run {masked(line)}"

        async def send(opened: Exchange) -> Answer:
            script = ssh_shell.line_script(opened.marks, line, env, deadline_s, files)
            return await opened.run(script, None, tried)

        code, out, err = await self._exchange(send, tried, deadline_s, as_user, on_line)
        return Ran(code, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))

    async def read(self, path: str, *, as_user: str | None = None, creates: bool = False) -> str:
        """As `connections.host.Host.read`; bytes that are no UTF-8 survive a later `write`."""
        line = f"LC_ALL=C exec cat -- {quote(path)}"
        if creates:
            line = f"[ ! -e {quote(path)} ] || {line}"
        answer = await self._line(line, f"read {path}", FILE_S, as_user)
        return answer.out.decode("utf-8", "surrogateescape")

    async def write(
        self, path: str, text: str, *, as_user: str | None = None, creates: bool = False
    ) -> str:
        """As `connections.host.Host.write`; where the connection dies, it is looked at anew.

        The new file is whole and on disk beside the old one before it takes its place. Raises
        HostLostError when nobody can say any more whether it did.
        """
        stamp = _stamp()
        tried = f"write {path}"
        try:
            real = await self._stage(path, text, stamp, as_user, creates=creates)
        except (HostLostError, DeadlineError):
            await self._unstage(path, stamp, as_user, backup=True)
            raise
        try:
            await self._line(ssh_shell.swap_line(real, stamp), tried, FILE_S, as_user)
        except (HostLostError, DeadlineError) as error:
            await self._settle(path, text, stamp, as_user, error)
        return ssh_shell.backup_of(real, stamp)

    async def prepare(self, path: str, before: str, text: str) -> PreparedThere:
        """As `connections.host.Host.prepare`; a shell there waits for the moment, too."""
        stamp = _stamp()
        try:
            real = await self._stage(path, text, stamp, None, creates=False)
        except (HostLostError, DeadlineError):
            await self._unstage(path, stamp, None, backup=True)
            raise
        prepared = PreparedThere(self, path, real, stamp, text)
        try:
            await prepared.wait_there()
            if await self.read(ssh_shell.backup_of(real, stamp)) != before:
                raise HostError(self.name, f"write {path}", CHANGED)
        except BaseException:
            await prepared.drop()
            raise
        return prepared

    async def detach(self, argv: Sequence[str], *, user: str | int | None, log: str) -> int:
        """As `connections.host.Host.detach`; the log is opened as that user."""
        tried = f"start {argv[0]}" + (f" as {user}" if user is not None else "")
        who = await self._user_name(user, tried) if isinstance(user, int) else user
        line = ssh_shell.detached_line(argv, log)
        return int((await self._line(line, tried, DETACH_S, who)).out)

    async def _stage(
        self, path: str, text: str, stamp: str, as_user: str | None, *, creates: bool
    ) -> str:
        content = text.encode("utf-8", "surrogateescape")
        tried = f"write {path}"

        async def send(opened: Exchange) -> Answer:
            script = ssh_shell.staging_script(
                opened.marks, path, stamp, len(content), creates=creates
            )
            return await opened.run(script, content, tried)

        answer = await self._exchange(send, tried, FILE_S, as_user)
        return self._succeeded(answer, tried).out.decode("utf-8", "surrogateescape")[:-1]

    async def _unstage(self, path: str, stamp: str, as_user: str | None, *, backup: bool) -> bool:
        """Whether the staged file is surely away; the file itself was not touched so far."""
        line = ssh_shell.unstage_line(path, stamp, backup=backup)
        try:
            await self._line(line, f"tidy up beside {path}", FILE_S, as_user)
        except (HostError, ConnectError, DeadlineError, SecretError):
            return False
        return True

    async def _settle(
        self, path: str, text: str, stamp: str, as_user: str | None, error: NightferryError
    ) -> None:
        """The connection died while the new file took its place: says which of the two it is."""
        if await self._unstage(path, stamp, as_user, backup=False):
            if await self.read(path, as_user=as_user, creates=True) == text:
                return
            said = f"{error.answered}; the file is as it was"
            raise HostLostError(self.name, error.tried, said, "Try again.") from error
        said = f"{error.answered}; whether the file was replaced is not known"
        remedy = f"Look at it there; as it was: {path}.nightferry-{stamp}"
        raise HostLostError(self.name, error.tried, said, remedy) from error

    async def _user_name(self, uid: int, tried: str) -> str:
        line = f"getent passwd {uid} || awk -F: '$3 == {uid}' /etc/passwd"
        answer = await self._line(line, tried, DETACH_S, None)
        name = answer.out.decode().partition(":")[0]
        if not name:
            raise HostError(self.name, tried, f"there is no user {uid} there")
        return name

    async def _line(self, line: str, tried: str, deadline_s: float, as_user: str | None) -> Answer:
        """A line of ours, which must succeed."""

        async def send(opened: Exchange) -> Answer:
            script = ssh_shell.line_script(opened.marks, line, {}, deadline_s)
            return await opened.run(script, None, tried)

        return self._succeeded(await self._exchange(send, tried, deadline_s, as_user), tried)

    def _succeeded(self, answer: Answer, tried: str) -> Answer:
        if answer.code == 0:
            return answer
        lines = answer.err.decode("utf-8", "replace").strip().splitlines()
        said = masked(lines[-1]) if lines else f"exit code {answer.code}"
        denied = "ermission denied" in said or "not permitted" in said
        remedy = "Do it by hand, or name a sudo_user for the host who may." if denied else ""
        if "Read-only file system" in said:
            remedy = "Do it by hand, the way that system is configured."
        raise HostError(self.name, tried, said, remedy)

    async def _exchange(
        self,
        send: Callable[[Exchange], Awaitable[Answer]],
        tried: str,
        deadline_s: float,
        as_user: str | None,
        on_line: Callable[[str], None] | None = None,
    ) -> Answer:
        """One script; on a connection that died since it was last used, on a new one."""
        opened: Exchange | None = None
        try:
            async with asyncio.timeout(deadline_s), self._sessions:
                become = await self._become(as_user)
                async with exchange(self._link, become, on_line) as opened:
                    return await send(opened)
        except TimeoutError:
            raise DeadlineError(self.name, tried, _late(opened, deadline_s)) from None

    async def _become(self, as_user: str | None) -> Become:
        user = as_user if as_user is not None else self._link.host.sudo_user
        name = of_host(self._link.name, "sudo_password")
        asks = user is not None and self._link.host.sudo_password is not None
        return Become(user, await self._link.passwords(name) if asks else None, name)


class PreparedThere:
    """`connections.prepared.Prepared`, of a file of another machine."""

    def __init__(self, host: RemoteMachine, path: str, real: str, stamp: str, text: str) -> None:
        self._host = host
        self._path = path
        self._real = real
        self._stamp = stamp
        self._text = text
        self._waiting: Exchange | None = None
        self._open = AsyncExitStack()
        self._taken = False

    async def wait_there(self) -> None:
        """A shell there that has logged in already.

        Raises HostError, ConnectError, SecretError and DeadlineError.
        """
        try:
            async with asyncio.timeout(FILE_S):
                become = await self._host._become(None)
                waiting = exchange(self._host._link, become)
                self._waiting = await self._open.enter_async_context(waiting)
        except TimeoutError:
            tried = f"make ready to write {self._path}"
            raise DeadlineError(self._host.name, tried, _late(None, FILE_S)) from None

    async def take(self) -> str:
        """As `Prepared.take`. Raises HostLostError when nobody can say whether it was taken."""
        waiting, self._waiting = self._waiting, None
        assert waiting is not None
        tried = f"write {self._path}"
        try:
            async with asyncio.timeout(FILE_S):
                script = ssh_shell.take_script(waiting.marks, self._real, self._stamp)
                answer = await waiting.run(script, None, tried)
        except (HostLostError, TimeoutError) as error:
            lost = error if isinstance(error, HostLostError) else self._late(tried)
            await self._host._settle(self._path, self._text, self._stamp, None, lost)
        else:
            if answer.code:
                raise HostError(self._host.name, tried, CHANGED)
        self._taken = True
        return ssh_shell.backup_of(self._real, self._stamp)

    async def drop(self) -> None:
        """As `Prepared.drop`."""
        await self._open.aclose()
        if not self._taken:
            await self._host._unstage(self._path, self._stamp, None, backup=True)

    def _late(self, tried: str) -> HostLostError:
        return HostLostError(self._host.name, tried, f"no answer within {FILE_S:g} s")


def _stamp() -> str:
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")


def _late(opened: Exchange | None, deadline_s: float) -> str:
    if opened is None:
        return f"there was no shell for it within {deadline_s:g} s"
    said = f"it had not ended after {deadline_s:g} s, and"
    return f"{said} was stopped" if opened.ended else f"{said} nobody saw it stop"
