"""Which host keys are trusted: those of the operator's known_hosts files, and no other.

A key that was never seen is shown and waits for the operator's word; one that changed stops. Must
not know how a connection is made.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, cast

import asyncssh

from profiles.errors import ChangedHostKeyError, HostKeyError, UnknownHostKeyError

ALGORITHMS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
"""In the order of OpenSSH, so that the fingerprint is the one that its users compare."""

SSH_PORT = 22
EVERYBODYS = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")


class Known(NamedTuple):
    """What the operator's files say of one host."""

    entries: asyncssh.SSHKnownHosts
    name: str
    """As the files have it: ``host``, or ``[host]:port`` where the port is not SSH's own."""
    trusted: tuple[asyncssh.SSHKey, ...]
    revoked: tuple[asyncssh.SSHKey, ...]
    certified: bool
    """Whether an authority is trusted to vouch for it (``@cert-authority``)."""
    file: Path
    """Where an accepted key is added."""


def known(options: asyncssh.SSHClientConnectionOptions) -> Known:
    """What is known of the host that the options lead to."""
    config = options.config
    own = _paths(config.get("UserKnownHostsFile"), ("~/.ssh/known_hosts",))
    all_of = _paths(config.get("GlobalKnownHostsFile"), EVERYBODYS)
    entries = _entries([*own, *all_of])
    host = options.host_key_alias or options.host
    plain = options.host_key_alias is not None or options.port == SSH_PORT
    name = host if plain else f"[{host}]:{options.port}"
    keys, authorities, revoked, *_ = entries.match(name, "", None)
    file = own[0] if own else Path("~/.ssh/known_hosts").expanduser()
    return Known(entries, name, tuple(keys), tuple(revoked), bool(authorities), file)


def algorithms(known: Known) -> Sequence[str]:
    """In which order to ask for the host's key; the one of the known kind comes first."""
    if known.certified:
        return ()
    kinds = [kind.decode() for key in known.trusted for kind in key.sig_algorithms]
    of_trusted = [kind for kind in ALGORITHMS if kind in kinds]
    return [*of_trusted, *[kind for kind in ALGORITHMS if kind not in of_trusted]]


def refusal(where: str, tried: str, known: Known, key: asyncssh.SSHKey | None) -> HostKeyError:
    """Why the key that a host showed is not trusted; None where it showed one that is revoked."""
    at = known.name
    if key is None or key in known.revoked:
        said = f"{at} shows a key that known_hosts marks as @revoked"
        return ChangedHostKeyError(where, tried, said, "Ask who runs the host about it.")
    if known.trusted or known.certified:
        return ChangedHostKeyError(
            where,
            tried,
            f"{at} shows another key, {_described(key)}; {_expected(known)}",
            "It may be an impostor: nothing was sent to it. Ask who runs the host whether its key"
            f" was replaced, and only then: ssh-keygen -R '{at}'.",
        )
    return UnknownHostKeyError(
        where,
        tried,
        f"{at} is not in {known.file}; it shows {_described(key)}",
        "Compare this with what ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub says on the host"
        " itself, and accept the key only if it is the same.",
        fingerprint=key.get_fingerprint("sha256"),
        line=f"{at} {public(key)}",
        known_hosts=str(known.file),
    )


def public(key: asyncssh.SSHKey) -> str:
    """Its kind and the key itself, as a line of known_hosts has them."""
    kind, data = key.export_public_key("openssh").decode().split()[:2]
    return f"{kind} {data}"


def accept(unknown: UnknownHostKeyError) -> None:
    """Adds the key to known_hosts: the operator compared it. Raises HostKeyError."""
    file = Path(unknown.known_hosts)
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "r+b") as opened:
            size = opened.seek(0, os.SEEK_END)
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            opened.write(b"\n" * torn + unknown.line.encode() + b"\n")
    except OSError as error:
        remedy = "Add the line yourself, or make the file writable."
        tried, said = f"add its key to {file}", error.strerror or str(error)
        raise HostKeyError(unknown.where, tried, said, remedy) from error


def _paths(configured: object, usual: Iterable[str]) -> list[Path]:
    names = cast("list[str] | None", configured)
    paths = [Path(name).expanduser() for name in (usual if names is None else names)]
    return [path for path in paths if path != Path("/dev/null")]


def _entries(files: Iterable[Path]) -> asyncssh.SSHKnownHosts:
    """The lines of the files; as OpenSSH does it, one that makes no sense is passed over."""
    entries = asyncssh.SSHKnownHosts()
    for file in files:
        try:
            lines = file.read_text(errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:
            try:
                entries.load(line)
            except ValueError:
                continue
    return entries


def _described(key: asyncssh.SSHKey) -> str:
    return f"{key.algorithm.decode()} {key.get_fingerprint('sha256')}"


def _expected(known: Known) -> str:
    if not known.trusted:
        return "the authorities in known_hosts vouch for none such"
    return f"known_hosts has {' and '.join(map(_described, known.trusted))}"
