"""A tunnel that replication uses: ``ssh -N -L`` on the destination's host, in a unit of its own.

Renders the lines that make it, let it in on the source's host, start, end and remove it, as data
that is shown before it is run. It outlives the engine and the connection that started it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from shlex import quote
from typing import Literal, cast, get_args

from connections.host import Host
from connections.hosts import Hosts
from connections.ssh import CIPHERS
from profiles.errors import HostError
from profiles.steps import Evidence, Shell

Keeper = Literal["system", "user", "process"]
"""What keeps it running: systemd, the user's own systemd, or a process in a session of its own."""

PUBLIC_KEY = "public_key"
"""The placeholder that `public_key` captures and `permit` is filled with."""

LOOK_S = 10.0
FIRST_PAUSE_S = 1
LAST_PAUSE_S = 30
"""Between two attempts; those that fail at once follow each other more and more slowly."""

SLOWER_THAN_ZLIB_BYTES_S = 60e6
"""On a road slower than that, compression in the tunnel carries more than it costs."""

OWN_KEY = "/etc/ssh/ssh_host_ed25519_key.pub"
"""Of the machine itself, where we do not reach it by SSH."""

COMPRESSED = "Compression yes"
"""What the network test wants of the step on a road that is slower than the compressor."""

LOGIN_S = 30.0
"""How long the tunnel may take until the database answers through it."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True)
class TunnelUnit:
    """From a port of the destination's host to the database, through the source's host."""

    name: str
    """Small letters, digits and dashes: the unit's, its folder's, and the key's comment."""
    runs_on: str
    """The server on whose host it runs: the destination."""
    through: str
    """The server through whose host it leads: the source."""
    login: str
    """``user@address`` of the source's host, as seen from there."""
    login_port: int
    host_key: str
    """The source's line of known_hosts, as ``connections.ssh_known`` would add it."""
    seen_from: str
    """The address from which the source's host sees it come."""
    database: tuple[str, int]
    """Where the database is, as seen from the source's host."""
    local_port: int
    """Where it listens, on the loopback address of the destination's host."""
    compressed: bool = False

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"no name for a unit: {self.name!r}")

    @property
    def folder(self) -> str:
        """As the shell there expands it."""
        return f'"$HOME"/.nightferry/{self.name}'

    @property
    def user(self) -> str:
        """Whom the key lets in on the source's host."""
        return self.login.rpartition("@")[0]


def name_of(night: str) -> str:
    """A unit's name, of a night's."""
    words = re.sub(r"[^a-z0-9]+", "-", night.lower()).strip("-")
    return f"nightferry-{words[-60:].strip('-')}"


def known_as(login: str, port: int, key: str) -> str:
    """The line of known_hosts by which ssh knows that login's host (sshd(8), known_hosts)."""
    address = login.rpartition("@")[2]
    return f"{address if port == 22 else f'[{address}]:{port}'} {key}"


async def keeper_of(host: Host) -> Keeper:
    """What can keep a unit running there without us. Raises HostError, ConnectError."""
    user = "XDG_RUNTIME_DIR=/run/user/$(id -u) systemctl --user show-environment"
    line = (
        "if [ ! -d /run/systemd/system ]; then echo process"
        '; elif [ "$(id -u)" = 0 ]; then echo system'
        '; elif [ -e "/var/lib/systemd/linger/$(id -un)" ]'
        f" && {user} >/dev/null 2>&1; then echo user; else echo process; fi"
    )
    ran = await host.run(line, deadline_s=LOOK_S)
    said = ran.out.strip()
    if said not in get_args(Keeper):
        raise HostError(host.name, "see what keeps a service running there", said or ran.err)
    return cast(Keeper, said)


async def host_key_of(hosts: Hosts, name: str) -> str:
    """The key of the host under a server, as we know it: its kind and the key.

    Raises HostError, ConnectError, SecretError.
    """
    if hosts.is_far(name):
        return (await hosts.link(name).open()).host_key()
    return " ".join((await hosts.of(name).read(OWN_KEY)).split()[:2])


def make(unit: TunnelUnit) -> Shell:
    """Makes the key, the trust in the source's host, and the script; each only once."""
    f = unit.folder
    key = f"ssh-keygen -q -t ed25519 -N '' -C {unit.name} -f {f}/key"
    line = (
        f"umask 077 && mkdir -p {f}"
        f" && {{ [ -e {f}/key ] || {key}; }}"
        f" && printf '%s\\n' {quote(unit.host_key.strip())} > {f}/known_hosts"
        f" && printf '%s\\n' {quote(_script(unit))} > {f}/run"
    )
    return Shell(host=unit.runs_on, line=line)


def public_key(unit: TunnelUnit) -> Shell:
    """Captures the public half, for `permit`."""
    return Shell(host=unit.runs_on, line=f"cat {unit.folder}/key.pub", captures=PUBLIC_KEY)


def authorized(unit: TunnelUnit, key: str) -> str:
    """The line of authorized_keys: it may forward to the database, from there, and nothing else.

    Without ``port-forwarding`` a restricted key forwards nothing (sshd(8), authorized_keys).
    """
    address, port = unit.database
    place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    return f'restrict,port-forwarding,permitopen="{place}",from="{unit.seen_from}" {key}'


def permit(unit: TunnelUnit) -> Shell:
    """Lets the key in on the source's host, as the user of the login; only once."""
    line = quote(authorized(unit, "{" + PUBLIC_KEY + "}"))
    f = '"$HOME"/.ssh/authorized_keys'
    whole = (
        f'umask 077 && mkdir -p "$HOME"/.ssh && touch {f}'
        f' && {{ [ -z "$(tail -c 1 {f})" ] || echo >> {f}; }}'
        f" && {{ grep -qxF -- {line} {f} || printf '%s\\n' {line} >> {f}; }}"
    )
    return Shell(host=unit.through, line=whole, fills=(PUBLIC_KEY,), as_user=unit.user)


def forbid(unit: TunnelUnit) -> Shell:
    """Takes the key out again, and what would then be an empty file; nothing where it is out."""
    f = '"$HOME"/.ssh/authorized_keys'
    line = (
        f"[ ! -e {f} ] || sed -i '/^restrict,.* {unit.name}$/d' {f}"
        f'; [ -s {f} ] || {{ rm -f {f}; rmdir "$HOME"/.ssh 2>/dev/null; }}; :'
    )
    return Shell(host=unit.through, line=line, as_user=unit.user)


def start(unit: TunnelUnit, keeper: Keeper) -> Shell:
    """Starts it; nothing where it runs already."""
    f = unit.folder
    match keeper:
        case "process":
            go = f"{{ setsid /bin/sh {f}/run </dev/null >/dev/null 2>&1 & echo $! > {f}/pid; }}"
        case _:
            go = (
                f"{_systemd(keeper, 'systemd-run')} --quiet --collect --unit={unit.name}"
                f" --property=Restart=always --property=RestartSec=1 /bin/sh {f}/run"
            )
    return Shell(host=unit.runs_on, line=f'[ "$({_state(unit, keeper)})" = active ] || {go}')


def stop(unit: TunnelUnit, keeper: Keeper) -> Shell:
    """Ends it, what goes through it too; nothing where it does not run."""
    match keeper:
        case "process":
            go = f'kill -s TERM -- "-$(cat {unit.folder}/pid)"'
        case _:
            go = f"{_systemd(keeper, 'systemctl')} stop {unit.name}"
    return Shell(host=unit.runs_on, line=f'[ "$({_state(unit, keeper)})" != active ] || {go}')


def remove(unit: TunnelUnit) -> Shell:
    """Takes its key and files away, once it is stopped."""
    line = f'rm -rf {unit.folder}; rmdir "$HOME"/.nightferry 2>/dev/null || :'
    return Shell(host=unit.runs_on, line=line)


def arrives(unit: TunnelUnit, tools: str) -> Shell:
    """Waits until a server answers through it; says what ssh says where none does.

    ``tools``: the folder of pg_isready there, which needs no login.
    """
    ask = f"{quote(tools + '/pg_isready')} -q -t 3 -h 127.0.0.1 -p {unit.local_port}"
    end = f"{{ tail -n 2 {unit.folder}/log >&2; echo 'no server answers through it' >&2; exit 1; }}"
    line = f"n=0; until {ask}; do n=$((n+1)); [ $n -lt {LOGIN_S * 2:g} ] || {end}; sleep 0.5; done"
    return Shell(host=unit.runs_on, line=line, deadline_s=LOGIN_S * 3)


def is_permitted(unit: TunnelUnit) -> Evidence:
    """Whether the source's host lets its key in."""
    return Evidence(ask=_permits(unit), answer="1", says=f"the key {unit.name} is let in")


def is_forbidden(unit: TunnelUnit) -> Evidence:
    """Whether it does not any more."""
    return Evidence(ask=_permits(unit), answer="0", says=f"the key {unit.name} is not let in")


def is_removed(unit: TunnelUnit) -> Evidence:
    """Whether nothing of it is on the destination's host."""
    ask = f"[ -e {unit.folder} ] && echo there || echo gone"
    shell = Shell(host=unit.runs_on, line=ask, deadline_s=LOOK_S)
    return Evidence(ask=shell, answer="gone", says="its key and files are gone")


def runs(unit: TunnelUnit, keeper: Keeper) -> Evidence:
    """Whether it is running; whether it leads to the database, only a session through it shows."""
    ask = Shell(host=unit.runs_on, line=_state(unit, keeper), deadline_s=LOOK_S)
    return Evidence(ask=ask, answer="active", says=f"the tunnel {unit.name} is running")


def is_stopped(unit: TunnelUnit, keeper: Keeper) -> Evidence:
    """Whether it has ended."""
    ask = Shell(host=unit.runs_on, line=_state(unit, keeper), deadline_s=LOOK_S)
    return Evidence(ask=ask, answer="inactive", says=f"the tunnel {unit.name} is stopped")


def _permits(unit: TunnelUnit) -> Shell:
    """Prints how many lines of authorized_keys let it in."""
    keys = 'cat "$HOME"/.ssh/authorized_keys 2>/dev/null'
    line = f"{keys} | grep -c '^restrict,.* {unit.name}$' || :"
    return Shell(host=unit.through, line=line, deadline_s=LOOK_S, as_user=unit.user)


def _state(unit: TunnelUnit, keeper: Keeper) -> str:
    """Prints ``active`` or ``inactive``; another process that has its old pid is not it."""
    if keeper != "process":
        return f"{_systemd(keeper, 'systemctl')} is-active {unit.name} || :"
    mine = f"grep -qs nightferry/{unit.name}/run"
    command_line = f'"/proc/$(cat {unit.folder}/pid 2>/dev/null)/cmdline"'
    return f"if {mine} {command_line}; then echo active; else echo inactive; fi"


def _systemd(keeper: Keeper, program: str) -> str:
    if keeper == "user":
        return f"XDG_RUNTIME_DIR=/run/user/$(id -u) {program} --user"
    return program


def _script(unit: TunnelUnit) -> str:
    """ssh in a loop: it ends with its connection, and with a port it could not have."""
    f = unit.folder
    address, port = unit.database
    forward = f"127.0.0.1:{unit.local_port}:{f'[{address}]' if ':' in address else address}:{port}"
    options = {
        "BatchMode": "yes",
        "ExitOnForwardFailure": "yes",
        "ServerAliveInterval": "2",
        "ServerAliveCountMax": "2",
        "StrictHostKeyChecking": "yes",
        "IdentitiesOnly": "yes",
        "Ciphers": ",".join(CIPHERS),
        **({"Compression": "yes"} if unit.compressed else {}),
    }
    said = " ".join(f"-o {name}={value}" for name, value in options.items())
    return f"""\
#!/bin/sh
pause={FIRST_PAUSE_S}
while :; do
  began=$(date +%s)
  ssh -F none -N -T {said} -o UserKnownHostsFile={f}/known_hosts -i {f}/key \\
    -p {unit.login_port} -L {forward} {quote(unit.login)} 2>>{f}/log
  if [ $(($(date +%s) - began)) -ge 10 ]; then pause={FIRST_PAUSE_S}; fi
  sleep "$pause"
  pause=$((pause * 2 > {LAST_PAUSE_S} ? {LAST_PAUSE_S} : pause * 2))
done"""
