"""The connection with one host, for as long as the night needs it: opened once, and again."""

from __future__ import annotations

import asyncio

from connections.passwords import AskPassword
from connections.ssh import Ssh, open_ssh
from connections.tcp_info import TcpInfo
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

    def road(self) -> TcpInfo | None:
        """The road to the host, as far as it stands and can be seen from here."""
        return None if self._ssh is None or self._ssh.lost else self._ssh.road()

    async def close(self) -> None:
        """Ends it; never raises. A later `open` opens it anew."""
        async with self._opening:
            if self._ssh is not None:
                await self._ssh.close()
                self._ssh = None
