"""One script on another machine over one SSH channel: sent, its output read, and really ended.

Closing a channel stops nothing on the far side, so the scripts of `connections.ssh_shell` watch
their standard input, and end what they run when it ends. Must not know what a script is for.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

import asyncssh

from connections import ssh_shell
from connections.ssh_link import Link
from connections.ssh_shell import Marks
from profiles.errors import HostError, HostLostError, SecretError

CLOSE_S = 1.0
CHUNK_BYTES = 65536
KEPT_BYTES = 1 << 20
"""How much of the output is kept, at its end, when whoever asks is told every line anyway."""

Process = asyncssh.SSHClientProcess[bytes]
OnLine = Callable[[str], None]


class Answer(NamedTuple):
    """What became of a script: its exit code (128 and the signal's number) and what it printed."""

    code: int
    out: bytes
    err: bytes


class Become(NamedTuple):
    """Whom the script is for, and what sudo asks for, if it does."""

    user: str | None
    password: str | None
    password_name: str
    """As errors, and the question to the operator, call it."""


class _Output:
    """One of the two outputs: what stands between its ready mark and its end mark."""

    def __init__(self, reader: asyncssh.SSHReader[bytes], on_line: OnLine | None) -> None:
        self._reader = reader
        self._on_line = on_line
        self._buffer = b""
        self._parts: list[bytes] = []
        self._size = 0

    async def after(self, *marks: str) -> tuple[str | None, str]:
        """Which mark came first, and what came before it; None at the end of the output."""
        wanted = re.compile(b"|".join(mark.encode() for mark in marks))
        while not (found := wanted.search(self._buffer)):
            if not await self._more():
                return None, self._buffer.decode("utf-8", "replace")
        before, self._buffer = self._buffer[: found.start()], self._buffer[found.end() :]
        if found[0].decode() == marks[0]:
            await self._line_end()
        return found[0].decode(), before.decode("utf-8", "replace")

    async def until(self, end: str) -> int | None:
        """Reads to the end mark and says the exit code behind it; None when there is no end."""
        wanted = re.compile(end.encode() + rb" (\d+)\n")
        while not (found := wanted.search(self._buffer)):
            # What may be the beginning of the mark is not handed on: it ends with its line.
            whole, line_end, self._buffer = self._buffer.rpartition(b"\n")
            self._keep(whole + line_end)
            if not await self._more():
                self._keep(self._buffer)
                return None
        self._keep(self._buffer[: found.start()], last=True)
        return int(found[1])

    @property
    def kept(self) -> bytes:
        """What was read, or the end of it."""
        return b"".join(self._parts)

    def _keep(self, text: bytes, *, last: bool = False) -> None:
        if text:
            self._parts.append(text)
        if self._on_line is None:
            return
        lines = text.decode("utf-8", "replace").split("\n")
        unfinished = lines.pop()
        for line in [*lines, *[unfinished] * (last and bool(unfinished))]:
            self._on_line(line)
        self._size += len(text)
        while self._size > KEPT_BYTES and len(self._parts) > 1:
            self._size -= len(self._parts.pop(0))

    async def _line_end(self) -> None:
        while b"\n" not in self._buffer and await self._more():
            pass
        self._buffer = self._buffer.partition(b"\n")[2]

    async def _more(self) -> bool:
        try:
            chunk = await self._reader.read(CHUNK_BYTES)
        except (OSError, asyncssh.Error):
            chunk = b""  # the connection died: then there is no end mark
        self._buffer += chunk
        return bool(chunk)


class Exchange:
    """A shell that is ready for its script."""

    def __init__(
        self, process: Process, marks: Marks, outputs: tuple[_Output, _Output], where: str
    ) -> None:
        self.marks = marks
        self.begun = False
        self.ended = False
        """Whether the script has been sent, and whether it has said that it ended."""
        self._process = process
        self._outputs = outputs
        self._where = where

    async def run(self, script: str, payload: bytes | None, tried: str) -> Answer:
        """Sends the script, and the payload if there is one; reads it to its end.

        Without a payload its input stays open until then. Raises HostLostError.
        """
        self.begun = True
        with suppress(OSError, asyncssh.Error):  # the outputs then end without their mark
            self._process.stdin.write(ssh_shell.in_one_line(script))
            if payload is not None:
                self._process.stdin.write(payload)
                await self._process.stdin.drain()
                self._process.stdin.write_eof()
        codes = await asyncio.gather(*(output.until(self.marks.end) for output in self._outputs))
        if codes[0] is None or codes[1] is None:
            remedy = "Look there at what became of it before trying again."
            said = "the connection, or the shell there, ended in the middle of it"
            raise HostLostError(self._where, tried, said, remedy)
        self.ended = True
        out, err = (output.kept for output in self._outputs)
        return Answer(codes[0], out, err)

    async def finish(self) -> None:
        """Has what still runs ended there, and waits until it is; never raises."""
        with suppress(TimeoutError, OSError, asyncssh.Error):
            async with asyncio.timeout(ssh_shell.GRACE_S + 1):
                self._process.stdin.write_eof()
                codes = [output.until(self.marks.end) for output in self._outputs]
                self.ended = None not in await asyncio.gather(*codes)


@asynccontextmanager
async def exchange(
    link: Link, become: Become, on_line: OnLine | None = None
) -> AsyncIterator[Exchange]:
    """A shell as that user; what it runs is ended with the scope.

    Raises HostError when there is no shell, ConnectError and SecretError: when sudo does not take
    the password, too.
    """
    where = f"host of {link.name}"
    marks = Marks.of(secrets.token_hex(8))
    command = ssh_shell.opening(marks, become.user, asks=become.password is not None)
    process = await _channel(link, command, where)
    out, err = _Output(process.stdout, on_line), _Output(process.stderr, on_line)
    opened = Exchange(process, marks, (out, err), where)
    try:
        await _ready(process, marks, out, err, become, where)
        yield opened
    finally:
        if opened.begun and not opened.ended:
            await opened.finish()
        process.close()
        with suppress(TimeoutError):
            # Until it is closed there too it counts among the sessions that sshd admits.
            async with asyncio.timeout(CLOSE_S):
                await process.wait_closed()


async def _channel(link: Link, command: str, where: str) -> Process:
    """A channel; on a new connection where the last one turns out to have died meanwhile."""
    while True:
        ssh = await link.open()
        try:
            return await ssh.connection.create_process(command, encoding=None, request_pty=False)
        except asyncssh.Error as error:
            if not ssh.lost:
                remedy = "See MaxSessions and ForceCommand in its sshd_config."
                raise HostError(where, "open a session", error.reason, remedy) from error


async def _ready(
    process: Process, marks: Marks, out: _Output, err: _Output, become: Become, where: str
) -> None:
    """Waits for the shell, and gives sudo its password once when it asks."""
    mark, said = await err.after(marks.ready, marks.password)
    if mark == marks.password:
        process.stdin.write(f"{become.password}\n".encode())
        mark, said = await err.after(marks.ready, marks.password)
        if mark == marks.password:
            raise SecretError(
                become.password_name,
                f"become {become.user} by sudo on the {where}",
                "sudo did not take the password",
                "Give it again; it is the password of the user who logs in.",
            )
    if mark is None:
        raise _no_shell(where, become, said)
    await out.after(marks.ready)


def _no_shell(where: str, become: Become, said: str) -> HostError:
    said = said.strip()
    if become.user is None:
        answered = said.splitlines()[-1] if said else "it ended the session at once"
        remedy = "See whether that user has a shell there: log in by ssh and look."
        return HostError(where, "open a shell", answered, remedy)
    tried = f"become {become.user}"
    for words, answered, remedy in _SUDO_SAYS:
        if words in said:
            return HostError(where, tried, answered, remedy)
    answered = said.splitlines()[-1] if said else "it ended without a word"
    return HostError(where, tried, answered, "Try it there by hand.")


_SUDO_SAYS = (
    (
        "a terminal is required",
        "sudo asks for a password",
        "Give sudo_password for the host in the profile, or a NOPASSWD line in sudoers.",
    ),
    (
        "you must have a tty",
        "sudo wants a terminal (requiretty)",
        "Put “Defaults:<user> !requiretty” into sudoers with visudo.",
    ),
    (
        "a password is required",
        "sudo asks for a password",
        "Give sudo_password for the host in the profile, or a NOPASSWD line in sudoers.",
    ),
    (
        "not in the sudoers file",
        "sudo allows this user nothing",
        "Give it a line in sudoers with visudo, or log in as another user.",
    ),
    (
        "is not allowed to",
        "sudo does not allow this user a shell as that one",
        "Allow it /bin/sh as that user in sudoers with visudo.",
    ),
    (
        "unknown user",
        "there is no such user",
        "Correct sudo_user for the host in the profile.",
    ),
    ("sudo: not found", "there is no sudo", "Install it, or log in as that user."),
    ("sudo': No such file", "there is no sudo", "Install it, or log in as that user."),
)
"""What sudo says in the C locale, in short, and what to do."""
