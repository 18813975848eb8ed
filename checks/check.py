"""What a check is: one row of data, and what it is handed to look with.

Knows the shapes only. A check reads and judges; it never changes anything, and never turns a
missing right or a timeout into a verdict: that is the runner's alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

import msgspec

from connections.host import Ran
from connections.tcp_info import TcpInfo
from profiles.errors import NightferryError
from profiles.events import Event
from profiles.findings import Finding, Verdict
from profiles.profile import Endpoint, Profile, Server, Thresholds

Side = Literal["source", "destination", "both", "night", "pooler", "file", "endpoint"]
"""Once for that server, once with both, once for the night, or once per endpoint of that kind."""

Need = Literal["sql", "host", "pooler"]


class Row(Protocol):
    """One row of an answer: values by column name."""

    def __getitem__(self, key: str, /) -> Any: ...
    def keys(self) -> Iterable[str]:
        """The names of the columns."""
        ...

    def values(self) -> Iterable[Any]:
        """The values, in the order of the columns."""
        ...


class Asks(Protocol):
    """A session with a server, as far as a check may use it: it can ask and not command."""

    @property
    def server(self) -> str:
        """The server's name in the profile."""
        ...

    @property
    def database(self) -> str:
        """The database the session is in."""
        ...

    @property
    def version_num(self) -> int:
        """``server_version_num``: 160014."""
        ...

    @property
    def encrypted(self) -> bool:
        """Whether the session is under TLS."""
        ...

    def road(self) -> TcpInfo | None:
        """What the kernel here knows of the road below it; None where nobody knows it."""
        ...

    async def rows(self, sql: str, *args: object, deadline_s: float = 10.0) -> Sequence[Row]:
        """All rows of the answer."""
        ...

    async def value(self, sql: str, *args: object, deadline_s: float = 10.0) -> Any:
        """The first value of the first row."""
        ...


class ShowsPools(Protocol):
    """A pooler's console, as far as a check may use it."""

    async def show(self, text: str, *, deadline_s: float = 5.0) -> Sequence[Mapping[str, str]]:
        """The rows of a SHOW command."""
        ...


class Machine(Protocol):
    """The machine under a server or pooler, as far as a check may use it."""

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

    async def read(self, path: str) -> str:
        """The text of a file. Raises HostError."""
        ...


HERE = ""
"""The key of the machine the engine runs on, where the client tools run for want of a host."""

Opener = Callable[[str, str | None], AbstractAsyncContextManager[Asks]]
"""(``source``, ``destination`` or an endpoint's name, database or the usual one) to a session."""

_Opened = TypeVar("_Opened")


def _nobody_listens(event: Event) -> None:
    return


def _cannot_open(name: str, database: str | None) -> AbstractAsyncContextManager[Asks]:
    raise NightferryError(name, f"open a session with {database}", "nobody here can open one")


@dataclass(frozen=True)
class Look:
    """What a check may look with. In place of a session stands the error that prevented it."""

    profile: Profile
    sessions: Mapping[str, Asks | NightferryError] = field(default_factory=dict)
    """By ``source`` and ``destination``; one in ``postgres`` while the database is not there."""
    consoles: Mapping[str, ShowsPools | NightferryError] = field(default_factory=dict)
    """By the endpoint's name."""
    machines: Mapping[str, Machine | NightferryError] = field(default_factory=dict)
    """By the name of the server or endpoint that stands on it; this machine as `HERE`."""
    opener: Opener = _cannot_open
    tell: Callable[[Event], None] = _nobody_listens
    """Says how far a check has come, while it goes on."""
    measured: dict[str, Any] = field(default_factory=dict)
    """What one check has measured and others judge too: an answer, or the error in its place."""

    def on(self, side: str) -> Asks:
        """The session with one side; raises the error that stands in its place."""
        return _there(self.sessions, side, f"no session with the {side} was opened")

    def console(self, endpoint: str) -> ShowsPools:
        """The console of a pooler; raises the error that stands in its place."""
        return _there(self.consoles, endpoint, "its console was not opened")

    def machine(self, name: str) -> Machine:
        """The machine under a server or endpoint; raises the error that stands in its place."""
        return _there(self.machines, name, "needs a host, and the profile names none")

    def server(self, side: str) -> Server:
        """The profile's server on one side."""
        return self.profile.source if side == "source" else self.profile.destination

    def endpoint(self, name: str) -> Endpoint:
        """The profile's endpoint of that name."""
        return self.profile.endpoint(name)

    def moving(self, side: str) -> bool:
        """Whether the session with one side is in the database that moves."""
        return self.on(side).database == self.profile.database


def _there(held: Mapping[str, _Opened | NightferryError], name: str, absent: str) -> _Opened:
    found = held.get(name)
    if found is None:
        raise NightferryError(name, "look", absent)
    if isinstance(found, NightferryError):
        raise found
    return found


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What a check says; the runner adds whose words they are and makes a finding of it."""

    verdict: Verdict
    figure: str
    says: str = ""
    evidence: str = ""
    todo: str = ""
    remedy: str | None = None
    wants: str = ""
    """The value that the remedy would set, where it sets one."""
    figures: dict[str, float] = {}
    """As a finding's."""

    def of(
        self, check: str, phase: str, *, server: str | None = None, database: str | None = None
    ) -> Finding:
        """The finding of whoever said it."""
        said = msgspec.structs.asdict(self)
        return Finding(check=check, phase=phase, server=server, database=database, **said)


Run = Callable[[Look, str], Awaitable[Said]]
"""(look, side or endpoint's name) to what it says."""


def no_window(thresholds: Thresholds) -> float:
    """The window of a check that only looks once."""
    return 0.0


def write_rate_window(thresholds: Thresholds) -> float:
    """The window of a check that watches something grow, in seconds."""
    return thresholds.write_rate_window_s


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check, as data. The id is stable: reports, remedies and habits hang on it."""

    id: str
    phase: str
    sides: tuple[Side, ...]
    run: Run
    needs: frozenset[Need] = frozenset({"sql"})
    window_s: Callable[[Thresholds], float] = no_window
    """How long it watches; such checks overlap with all others."""
    deadline_s: float = 15.0
    """For everything but the window."""


def remedy_id(template: str, look: Look, name: str = "") -> str:
    """A step's id, of a template with source, destination, server or database in braces."""
    source, destination = look.profile.source.name, look.profile.destination.name
    here = {"source": source, "destination": destination}.get(name, name)
    return template.format(
        source=source, destination=destination, server=here, database=look.profile.database
    )
