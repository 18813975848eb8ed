"""The private keys a login may use: files of the profile or of ~/.ssh/config, and the agent's.

An encrypted file is opened only with a passphrase that the profile has a reference for. Must not
know the host that they are for.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, cast

import asyncssh

from profiles.errors import SecretError

USUAL = ("id_ed25519", "id_ecdsa", "id_rsa", "id_ed25519_sk", "id_ecdsa_sk")
"""The files that ssh(1) tries, in ~/.ssh."""

AGENT_DEADLINE_S = 5.0

AskPassphrase = Callable[[], Awaitable[str | None]]
"""None where the profile has no reference."""


class Keys(NamedTuple):
    """What a login offers, and what it cannot."""

    pairs: tuple[asyncssh.SSHKeyPair, ...]
    files: tuple[str, ...]
    """Where the pairs are from."""
    locked: tuple[str, ...]
    """Files that are encrypted, and for which there is no passphrase."""


async def load(files: Sequence[Path], ask: AskPassphrase, where: str) -> Keys:
    """The keys of these files, as far as they are there.

    ``where`` is the name of the passphrase. Raises SecretError when it opens none of the files
    that it is for, or is not to be had.
    """
    opened: dict[str, list[asyncssh.SSHKeyPair]] = {}
    locked: list[Path] = []
    for file in files:
        try:
            opened[str(file)] = await asyncio.to_thread(_pairs, file, None)
        except asyncssh.KeyImportError:
            if await asyncio.to_thread(_is_encrypted, file):
                locked.append(file)
        except OSError:
            continue
    if locked and (passphrase := await ask()) is not None:
        unlocked = await _unlocked(locked, passphrase)
        if not unlocked:
            raise _wrong(where, locked)
        opened.update(unlocked)
    pairs = tuple(pair for those in opened.values() for pair in those)
    still = tuple(str(file) for file in locked if str(file) not in opened)
    return Keys(pairs, tuple(opened), still)


def files_for(options: asyncssh.SSHClientConnectionOptions, key: str | None) -> list[Path]:
    """The file that is named; else those of ~/.ssh/config; else the usual ones."""
    configured = cast("list[str] | None", options.config.get("IdentityFile"))
    names = [key] if key is not None else configured or [f"~/.ssh/{name}" for name in USUAL]
    return [Path(name).expanduser() for name in names]


async def agents_keys(options: asyncssh.SSHClientConnectionOptions) -> int | None:
    """How many keys the operator's agent holds; None without an agent that answers."""
    named = cast("str | None", options.config.get("IdentityAgent"))
    path = named or os.environ.get("SSH_AUTH_SOCK")
    if not path:
        return None
    try:
        async with asyncio.timeout(AGENT_DEADLINE_S), asyncssh.connect_agent(path) as agent:
            return len(await agent.get_keys())
    except (OSError, ValueError, TimeoutError):
        return None


async def _unlocked(files: Sequence[Path], passphrase: str) -> dict[str, list[asyncssh.SSHKeyPair]]:
    opened = {}
    for file in files:
        with suppress(asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
            opened[str(file)] = await asyncio.to_thread(_pairs, file, passphrase)
    return opened


def _pairs(file: Path, passphrase: str | None) -> list[asyncssh.SSHKeyPair]:
    """The key of the file, with its certificate where one lies beside it."""
    return [*asyncssh.load_keypairs([str(file)], passphrase)]


def _is_encrypted(file: Path) -> bool:
    """Whether only the passphrase is missing; else it is no private key that we can use."""
    try:
        asyncssh.read_private_key(file)
    except asyncssh.KeyImportError as error:
        return "passphrase" in str(error).lower()
    except (asyncssh.KeyEncryptionError, OSError):
        return False
    return False


def _wrong(where: str, files: Sequence[Path]) -> SecretError:
    tried = f"open {' and '.join(map(str, files))} with the passphrase"
    remedy = "Try the passphrase with ssh-keygen -y -f and the file, and give it again."
    return SecretError(where, tried, "it is not the right one", remedy)
