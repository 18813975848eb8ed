"""The machine under a server: run a line, read and write a file, leave a process behind.

Knows this machine only, as whoever the engine runs as; another way of reaching a machine is another
class with the same methods. Must not know what the lines and files are for.
"""

from __future__ import annotations

import asyncio
import errno
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple, Protocol

from connections.prepared import Prepared, PreparedHere, replaced, staged
from profiles.errors import DeadlineError, HostError
from profiles.secrets import masked

GRACE_S = 2.0
"""How long a process group may take to end by SIGTERM: pg_dump cancels its query on the server."""

TAIL_S = 0.2
"""How often the output of a running line is looked at."""

LOOK_S = 0.02
DETACH_S = 5.0


class Ran(NamedTuple):
    """What became of a line: its exit code (negative: the signal) and what it printed."""

    code: int
    out: str
    err: str


class Host(Protocol):
    """A machine, by the operator's name for the server or endpoint that stands on it."""

    @property
    def name(self) -> str:
        """What errors call it."""

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
        """One line by ``/bin/sh -c``; its process group is ended on deadline or cancellation.

        ``files`` are for secrets: the variable of that name holds the path of a file there, 0600,
        with that content. No folder ever has it, so it is gone with the line, however that ends.
        ``on_line`` gets each line of output and errors as they come. ``as_user`` is whom the line
        runs as, in the place of whom all of them are for. Processes that the line left in the
        background stay. Raises HostError, DeadlineError.
        """

    async def read(self, path: str, *, as_user: str | None = None, creates: bool = False) -> str:
        """The text of a file; with ``creates`` that of a missing one is empty. Raises HostError."""

    async def write(
        self, path: str, text: str, *, as_user: str | None = None, creates: bool = False
    ) -> str:
        """Replaces an existing file in one act; owner and mode stay. Returns its backup's path.

        With ``creates`` a missing one is made, whole or not at all, with mode 0644 and without a
        backup. Raises HostError, and then the file is as it was.
        """

    async def prepare(self, path: str, before: str, text: str) -> Prepared:
        """Makes everything ready for `write`, up to the one act; only for a file that reads so.

        Raises HostError, and then nothing is left beside the file.
        """

    async def detach(self, argv: Sequence[str], *, user: str | int | None, log: str) -> int:
        """Starts a process that outlives us, its output appended to ``log``; returns its pid.

        ``user`` is whom it runs as (None: as we do). Raises HostError.
        """


class ThisMachine:
    """The machine Nightferry runs on."""

    def __init__(self, name: str = "this machine") -> None:
        self.name = name

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
        """As `Host.run`."""
        tried = f"run {masked(line)}" + (f" as {as_user}" if as_user is not None else "")
        # Files, not pipes: a daemon started by the line would hold a pipe open, and die of its end.
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = await self._started(
                line, {**os.environ, **env}, files, as_user, tried, out, err
            )
            tails = [_Tail(out, on_line), _Tail(err, on_line)] if on_line else []
            try:
                code = await _ended(process, tails, deadline_s)
            except TimeoutError:
                said = f"it had not ended after {deadline_s:g} s, and was stopped"
                raise DeadlineError(self.name, tried, said) from None
            return Ran(code, _all_of(out), _all_of(err))

    async def read(self, path: str, *, as_user: str | None = None, creates: bool = False) -> str:
        """As `Host.read`; bytes that are no UTF-8 survive a later `write`."""
        self._as_us(f"read {path}", as_user)
        try:
            content = await asyncio.to_thread(Path(path).read_bytes)
        except FileNotFoundError as error:
            if creates:
                return ""
            raise self._failed(f"read {path}", error) from error
        except OSError as error:
            raise self._failed(f"read {path}", error) from error
        return content.decode("utf-8", "surrogateescape")

    async def write(
        self, path: str, text: str, *, as_user: str | None = None, creates: bool = False
    ) -> str:
        """As `Host.write`; where the path is a link, the file it leads to is replaced."""
        self._as_us(f"write {path}", as_user)
        content = text.encode("utf-8", "surrogateescape")
        try:
            return await asyncio.to_thread(replaced, path, content, creates)
        except OSError as error:
            raise self._failed(f"write {path}", error) from error

    async def prepare(self, path: str, before: str, text: str) -> PreparedHere:
        """As `Host.prepare`."""
        was, content = (each.encode("utf-8", "surrogateescape") for each in (before, text))
        try:
            prepared = PreparedHere(self.name, *await asyncio.to_thread(staged, path, content), was)
        except OSError as error:
            raise self._failed(f"write {path}", error) from error
        return prepared

    async def detach(self, argv: Sequence[str], *, user: str | int | None, log: str) -> int:
        """As `Host.detach`."""
        tried = f"start {argv[0]}" + (f" as {user}" if user is not None else "")
        try:
            return await asyncio.to_thread(_detach, argv, user, log)
        except KeyError:
            raise HostError(self.name, tried, f"there is no user {user} here") from None
        except subprocess.TimeoutExpired:
            raise DeadlineError(self.name, tried, f"no pid within {DETACH_S:g} s") from None
        except OSError as error:
            raise self._failed(tried, error) from error

    async def _started(
        self,
        line: str,
        env: Mapping[str, str],
        files: Mapping[str, str],
        user: str | None,
        tried: str,
        out: IO[bytes],
        err: IO[bytes],
    ) -> asyncio.subprocess.Process:
        try:
            uid, gid, groups = _identity(user)
            home = {} if uid is None else {"HOME": pwd.getpwuid(uid).pw_dir}
            with _in_memory(files, uid) as held:
                return await asyncio.create_subprocess_exec(
                    *("/bin/sh", "-c", line),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    env={
                        **env,
                        **home,
                        **{name: f"/proc/self/fd/{fd}" for name, fd in held.items()},
                    },
                    start_new_session=True,
                    pass_fds=(*held.values(),),
                    user=uid,
                    group=gid,
                    extra_groups=groups,
                )
        except KeyError:
            raise HostError(self.name, tried, f"there is no user {user} here") from None
        except OSError as error:
            raise self._failed(tried, error) from error

    def _as_us(self, tried: str, user: str | None) -> None:
        """Refuses to touch another user's files: here it is done as who we are, or not at all."""
        if user is None or os.geteuid() == 0:
            return
        try:
            uid = pwd.getpwnam(user).pw_uid
        except KeyError:
            raise HostError(self.name, tried, f"there is no user {user} here") from None
        if uid != os.geteuid():
            raise self._failed(tried, PermissionError(errno.EPERM, f"only {user} may"))

    def _failed(self, tried: str, error: OSError) -> HostError:
        remedy = "Do it by hand, or give the engine the right to."
        said = error.strerror or str(error)
        return HostError(
            self.name, tried, said, remedy if isinstance(error, PermissionError) else ""
        )


@contextmanager
def _in_memory(files: Mapping[str, str], owner: int | None) -> Iterator[dict[str, int]]:
    """A descriptor of each, of a file that no path leads to: it lives while a process holds it."""
    with ExitStack() as stack:
        held: dict[str, int] = {}
        for name, content in files.items():
            held[name] = os.memfd_create("nightferry")
            stack.callback(os.close, held[name])
            os.fchmod(held[name], 0o600)
            with os.fdopen(held[name], "w", encoding="utf-8", closefd=False) as file:
                file.write(content)
            if owner is not None:
                os.fchown(held[name], owner, -1)
        yield held


class _Tail:
    """Follows a growing file, line by line."""

    def __init__(self, file: IO[bytes], on_line: Callable[[str], None]) -> None:
        self._descriptor = file.fileno()
        self._on_line = on_line
        self._read = 0
        self._begun = b""

    def look(self, *, last: bool = False) -> None:
        """Hands on the lines that were completed since; with ``last`` an unfinished one too."""
        while chunk := os.pread(self._descriptor, 65536, self._read):
            self._read += len(chunk)
            *lines, self._begun = (self._begun + chunk).split(b"\n")
            for line in lines:
                self._on_line(line.decode("utf-8", "replace"))
        if last and self._begun:
            self._on_line(self._begun.decode("utf-8", "replace"))


async def _ended(
    process: asyncio.subprocess.Process, tails: Sequence[_Tail], deadline_s: float
) -> int:
    waiting = asyncio.create_task(process.wait())
    try:
        async with asyncio.timeout(deadline_s):
            while not waiting.done():
                await asyncio.wait({waiting}, timeout=TAIL_S if tails else None)
                for tail in tails:
                    tail.look(last=waiting.done())
        return waiting.result()
    finally:
        if not waiting.done():
            await _end_group(process.pid)
            await waiting


async def _end_group(group: int) -> None:
    """SIGTERM, and SIGKILL for who is still there after the grace."""
    try:
        _signal(group, signal.SIGTERM)
        for _ in range(round(GRACE_S / LOOK_S)):
            if not _lives(group):
                return
            await asyncio.sleep(LOOK_S)
    finally:
        _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _lives(group: int) -> bool:
    """Whether a process of the group still runs; an orphan that init has yet to reap does not."""
    for found in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # proc(5): pid (name) state parent group …
            state, _, its_group = found.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state not in "ZX":
                return True
    return False


def _all_of(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def _detach(argv: Sequence[str], user: str | int | None, log: str) -> int:
    if shutil.which(argv[0]) is None:
        raise FileNotFoundError(errno.ENOENT, f"there is no program {argv[0]}")
    uid, gid, groups = _identity(user)
    with Path(log).open("ab") as said:
        shell = subprocess.run(
            # The shell ends at once: then the process is no child of ours, to be waited for.
            ["/bin/sh", "-c", '"$@" </dev/null >&2 & echo $!', "sh", *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            cwd="/",
            timeout=DETACH_S,
            check=True,
            start_new_session=True,
            user=uid,
            group=gid,
            extra_groups=groups,
        )
    return int(shell.stdout)


def _identity(user: str | int | None) -> tuple[int | None, int | None, list[int] | None]:
    """The uid, gid and groups to change to; none of them when that is us. Raises KeyError."""
    if user is None:
        return None, None, None
    account = pwd.getpwnam(user) if isinstance(user, str) else pwd.getpwuid(user)
    if account.pw_uid == os.geteuid():
        return None, None, None
    groups = os.getgrouplist(account.pw_name, account.pw_gid)
    return account.pw_uid, account.pw_gid, groups
