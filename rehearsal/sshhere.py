"""An SSH server in this process, for a machine where no road can be made.

Runs lines with ``/bin/sh`` as whoever started the rehearsal, and forwards; admits the keys of one
authorized_keys file. Knows nothing of what the lines are for.
"""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import PIPE
from contextlib import suppress
from pathlib import Path

import asyncssh

CHUNK_BYTES = 65536
Process = asyncssh.SSHServerProcess[bytes]


class SshHere:
    """The server, from its making to its end; what it runs ends with it."""

    def __init__(self, home: Path) -> None:
        """``home`` is that of whoever logs in."""
        self._home = home
        self._running: set[asyncio.subprocess.Process] = set()
        self._acceptor: asyncssh.SSHAcceptor | None = None

    @property
    def port(self) -> int:
        """Where it listens, on the loopback address."""
        assert self._acceptor is not None
        return self._acceptor.get_port()

    async def open(self, client_key: Path) -> str:
        """Make a key for the client and let it in; the server's own public key. Raises OSError."""
        own = asyncssh.generate_private_key("ssh-ed25519")
        admitted = _let_in(client_key, self._home)
        self._acceptor = await asyncssh.create_server(
            lambda: _Admits(admitted),
            "127.0.0.1",
            0,
            server_host_keys=[own],
            process_factory=self._run,
            encoding=None,
            line_editor=False,
        )
        return own.export_public_key().decode().strip()

    async def close(self) -> None:
        """Hang up on everybody, and end what runs for them."""
        if self._acceptor is not None:
            self._acceptor.close()
            await self._acceptor.wait_closed()
        for process in [*self._running]:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _run(self, session: Process) -> None:
        line = ["-c", session.command] if session.command else []
        process = await asyncio.create_subprocess_exec(
            "/bin/sh",
            *line,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            cwd=self._home,
            env={**os.environ, "HOME": str(self._home)},
            start_new_session=True,
        )
        self._running.add(process)
        try:
            session.exit(await _carried(session, process))
        finally:
            self._running.discard(process)


class _Admits(asyncssh.SSHServer):
    """Looks at the file at every login: a key may have been added. Forwards to anywhere."""

    def __init__(self, admitted: Path) -> None:
        self._admitted = admitted
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Kept for its keys."""
        self._connection = conn

    def begin_auth(self, username: str) -> bool:
        """Whoever it says it is: a key is needed."""
        assert self._connection is not None
        self._connection.set_authorized_keys(str(self._admitted))
        return True

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> bool:
        """What the key itself does not forbid."""
        return True


def _let_in(client_key: Path, home: Path) -> Path:
    """A new key for the client, in the authorized_keys of that home."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(client_key)
    client_key.chmod(0o600)
    admitted = home / ".ssh" / "authorized_keys"
    admitted.parent.mkdir(mode=0o700, parents=True)
    admitted.write_bytes(key.export_public_key())
    return admitted


async def _carried(session: Process, process: asyncio.subprocess.Process) -> int:
    """Carry input and both outputs until the outputs end; the exit code, as a shell says it."""
    assert process.stdin and process.stdout and process.stderr
    taking = asyncio.create_task(_take(session.stdin, process.stdin))
    await asyncio.gather(
        _give(process.stdout, session.stdout), _give(process.stderr, session.stderr)
    )
    code = await process.wait()
    taking.cancel()
    return code if code >= 0 else 128 - code


async def _take(source: asyncssh.SSHReader[bytes], to: asyncio.StreamWriter) -> None:
    with suppress(OSError, asyncssh.Error):
        while chunk := await source.read(CHUNK_BYTES):
            to.write(chunk)
            await to.drain()
    to.close()


async def _give(source: asyncio.StreamReader, to: asyncssh.SSHWriter[bytes]) -> None:
    """Read to the end even when nobody takes it any more: whoever writes must not be stuck."""
    while chunk := await source.read(CHUNK_BYTES):
        with suppress(OSError, asyncssh.Error):
            to.write(chunk)
            await to.drain()
