"""What the network test runs on a host, and what it found there.

Knows how a script comes to a host without being put there: as the standard input of its python3.
Must not know how the host is reached, nor what the figures mean.
"""

from __future__ import annotations

import asyncio
import secrets
import shlex
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

import msgspec

from checks.network.found import Clock, Mtu, Names, Resolver, Throughput, Timed, Trip
from checks.network.hops import Path, told
from checks.network.scripts import one_file
from connections.host import Ran
from profiles.errors import DeadlineError, HostError

PYTHONS = ("python3", "/usr/libexec/platform-python")
"""On PATH; and where RHEL 8 keeps the one it needs itself."""
NO_PYTHON = 127
END = "END_OF_THE_SCRIPT"
START_S = 60.0
"""For logging in, the look-up of the name and the discovery of the hops, at their slowest."""
TIMINGS_S = 60.0
MTU_S = 180.0
"""A black hole is measured by what does not come back."""
CLOCK_S = 10.0
CLOCK_READINGS = 4
CLOCK_LINE = "date +%s.%N"
BUFFERS = ("net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem")
NO_PORT = (
    "A port is opened there for the test alone, and a firewall keeps it shut. Let this host in to "
    "any port of that one for a while, or measure the road by hand (iperf3)."
)
EVENT = '{"event"'


class Machine(Protocol):
    """A host, as far as these scripts need it."""

    @property
    def name(self) -> str:
        """What errors call it."""
        ...

    async def run(
        self,
        line: str,
        *,
        deadline_s: float,
        env: Mapping[str, str] = {},
        on_line: Callable[[str], None] | None = None,
    ) -> Ran:
        """One line for the shell, as `connections.host.Host.run`."""
        ...


async def probe(
    host: Machine,
    target: str,
    port: int,
    *,
    cycles: int,
    without_target: bool = False,
    changed: Callable[[Path], None] = lambda path: None,
) -> Path:
    """Probe the road from a host to a port; `changed` is called whenever more is known of it.

    With ``without_target`` the port is left alone once the road is found. Raises HostError,
    DeadlineError.
    """
    path = Path(host=target, port=port)

    def heard(line: str) -> None:
        nonlocal path
        path = told(path, line)
        changed(path)

    arguments = [target, str(port), "--cycles", str(cycles)]
    arguments += ["--no-target"] if without_target else []
    await run(host, "probe", arguments, deadline_s=START_S + cycles, heard=heard)
    return path


async def path_mtu(host: Machine, target: str) -> Mtu:
    """How large a packet may be from a host to a target. Raises HostError, DeadlineError."""
    return found_mtu(host, await run(host, "mtu", [target], deadline_s=MTU_S))


def found_mtu(host: Machine, events: Sequence[dict[str, Any]]) -> Mtu:
    """What the events of the mtu script say. Raises HostError."""
    return msgspec.convert(_one(host, events, "mtu"), Mtu)


async def names(host: Machine, target: str) -> Names:
    """How long a host takes to look a name up. Raises HostError, DeadlineError."""
    events = await run(host, "names", [target], deadline_s=TIMINGS_S)
    return Names(
        resolvers=msgspec.convert(_all(events, "resolver"), tuple[Resolver, ...]),
        resolved_ms=_one(host, events, "resolved")["took_ms"],
    )


async def timings(host: Machine, target: str, port: int, *, tls: bool = True) -> tuple[Timed, ...]:
    """What a connection from a host to each address of a name takes.

    Without ``tls`` nothing is said on it. Raises HostError, DeadlineError.
    """
    arguments = [target, str(port)] + ([] if tls else ["--no-tls"])
    events = await run(host, "timings", arguments, deadline_s=TIMINGS_S)
    _one(host, events, "timed")
    return msgspec.convert(_all(events, "timed"), tuple[Timed, ...])


async def trips(host: Machine, places: Sequence[tuple[str, int]]) -> tuple[Trip, ...]:
    """How long the way from a host to each place takes. Raises HostError, DeadlineError."""
    arguments = [str(word) for place in places for word in place]
    events = await run(host, "trips", arguments, deadline_s=TIMINGS_S)
    return msgspec.convert(_all(events, "trip"), tuple[Trip, ...])


async def clock(host: Machine) -> Clock:
    """How far a host's clock is ahead of ours, by the quickest of a few questions.

    It was read between question and answer: so the middle is off by half of that at most.
    Raises HostError, DeadlineError.
    """
    return min([await _clock_read(host) for _ in range(CLOCK_READINGS)], key=_how_sure)


def _how_sure(clock: Clock) -> float:
    return clock.within_s


async def _clock_read(host: Machine) -> Clock:
    ours_s, began_s = time.time(), time.monotonic()
    ran = await host.run(CLOCK_LINE, deadline_s=CLOCK_S)
    took_s = time.monotonic() - began_s
    seconds, _, fraction = ran.out.strip().partition(".")
    if not seconds.isdigit():
        raise HostError(host.name, f"read its clock ({CLOCK_LINE})", ran.err or ran.out)
    whole = not fraction.isdigit()  # busybox knows no %N
    theirs_s = int(seconds) + (0.5 if whole else float(f"0.{fraction}"))
    return Clock(theirs_s - (ours_s + took_s / 2), took_s / 2 + whole * 0.5)


async def buffers(host: Machine) -> dict[str, int]:
    """The most bytes that a connection's buffers there may grow to, by their setting's name.

    The third figure of ``tcp_rmem`` and ``tcp_wmem`` (tcp(7)). Raises HostError, DeadlineError.
    """
    files = [f"/proc/sys/{name.replace('.', '/')}" for name in BUFFERS]
    line = f"cat {shlex.join(files)}"
    ran = await host.run(line, deadline_s=CLOCK_S)
    most = [read.split()[-1] for read in ran.out.splitlines() if read.strip()]
    if ran.code or len(most) != len(BUFFERS):
        raise HostError(host.name, line, ran.err.strip() or f"exit code {ran.code}")
    return dict(zip(BUFFERS, map(int, most), strict=True))


async def throughput(
    source: Machine,
    destination: Machine,
    address: str,
    *,
    port: int = 0,
    listen: str = "::",
    seconds: float = 5.0,
    channels: int = 4,
) -> Throughput:
    """What the road carries from source to destination, over one connection and over several.

    The source listens on `port` (0: any); the destination connects to `address`. A replication's
    tunnel is no way for that: its key opens the database's port alone. Raises HostError,
    DeadlineError.
    """
    env = {"NIGHTFERRY_TOKEN": secrets.token_hex(16)}
    deadline_s = START_S + 4 * seconds
    serving = asyncio.Event()
    its_port = port

    def heard(line: str) -> None:
        nonlocal its_port
        event = msgspec.json.decode(line)
        if event["event"] == "serving":
            its_port = event["port"]
            serving.set()

    async def serve() -> None:
        words = ["serve", "--address", listen, "--port", str(port), "--seconds", str(deadline_s)]
        await run(source, "throughput", words, deadline_s=deadline_s + 10, env=env, heard=heard)

    async with _beside(serve()) as server:
        await _begun(serving, server)
        pull = ["pull", address, str(its_port)]
        pull += ["--seconds", str(seconds), "--channels", str(channels)]
        events = await run(destination, "throughput", pull, deadline_s=deadline_s, env=env)
    return _throughput(destination, events, channels)


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Work that goes on meanwhile, and no longer."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _begun(serving: asyncio.Event, server: asyncio.Task[None]) -> None:
    """Returns when the server serves; raises what ended it before."""
    waiting = asyncio.create_task(serving.wait())
    await asyncio.wait({waiting, server}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not serving.is_set():
        server.result()


def _throughput(host: Machine, events: Sequence[dict[str, Any]], channels: int) -> Throughput:
    clock, carried = _one(host, events, "clock", NO_PORT), _all(events, "carried")
    _one(host, events, "carried", NO_PORT)
    return Throughput(
        one=carried[0]["bytes_a_second"],
        several=carried[-1]["bytes_a_second"],
        channels=channels,
        clock=Clock(clock["ahead_s"], clock["within_s"]),
    )


async def run(
    host: Machine,
    script: str,
    arguments: Sequence[str],
    *,
    deadline_s: float,
    env: Mapping[str, str] = {},
    heard: Callable[[str], None] = lambda line: None,
) -> list[dict[str, Any]]:
    """Run a script there and give its events; `heard` gets each as it comes, as it was printed.

    Raises HostError where there is no python3 or the script broke, DeadlineError.
    """
    tried = f"run the {script} script with its python3"
    events: list[dict[str, Any]] = []

    def said(line: str) -> None:
        if line.startswith(EVENT):
            heard(line)
            events.append(msgspec.json.decode(line))

    try:
        ran = await host.run(
            shell_line(script, arguments), deadline_s=deadline_s, env=env, on_line=said
        )
    except DeadlineError as error:  # it would quote the whole script
        raise DeadlineError(error.where, tried, error.answered) from error
    except HostError as error:
        raise HostError(error.where, tried, error.answered, error.remedy) from error
    if ran.code == NO_PYTHON and not events:
        raise HostError(host.name, tried, "there is no python3", "Install it, or do without.")
    if ran.code not in (0, 1) or not events:
        answered = (ran.err.strip().splitlines() or [f"exit code {ran.code}"])[-1]
        raise HostError(host.name, tried, answered)
    return events


def shell_line(script: str, arguments: Sequence[str]) -> str:
    """The line for /bin/sh that runs a script with whichever python3 there is."""
    looked_for = " || ".join(f"command -v {python}" for python in PYTHONS)
    words = shlex.join(arguments)
    return (
        f"python=$({looked_for}) || exit {NO_PYTHON}\n"
        f"exec \"$python\" -I - {words} <<'{END}'\n{one_file(script)}\n{END}\n"
    )


def _all(events: Sequence[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == kind]


def _one(
    host: Machine, events: Sequence[dict[str, Any]], kind: str, remedy: str = ""
) -> dict[str, Any]:
    found = _all(events, kind)
    if found:
        return found[-1]
    errors = _all(events, "error")
    answered = errors[-1]["what"] if errors else "it ended before it had measured anything"
    raise HostError(host.name, "measure the road", answered, remedy)
