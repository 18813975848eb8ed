"""The connection with one host, for as long as the night needs it: opened once, and again."""

from __future__ import annotations

import asyncio

from connections.ssh import AskPassword, Ssh, open_ssh
from profiles.profile import SshHost


class Link:
    """Opened when it is first needed, and anew when it has died; many may use it at once."""

    def __init__(self, name: str, host: SshHost, passwords: AskPassword) -> None:
        """``name`` is that of the server or endpoint which stands on the host."""
        self.name = name
        self.host = host
        self.passwords = passwords
        self._ssh: Ssh | None = None
        self._opening = asyncio.Lock()

    async def open(self, deadline_s: float = 10.0) -> Ssh:
        """The connection, a new one if the last has ended. Raises ConnectError, SecretError."""
        async with self._opening:
            if self._ssh is not None and not self._ssh.lost:
                return self._ssh
            if self._ssh is not None:
                await self._ssh.close()
                self._ssh = None
            self._ssh = await open_ssh(self.name, self.host, self.passwords, deadline_s=deadline_s)
            return self._ssh

    async def close(self) -> None:
        """Ends it; never raises. A later `open` opens it anew."""
        async with self._opening:
            if self._ssh is not None:
                await self._ssh.close()
                self._ssh = None
