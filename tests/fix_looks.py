"""What tests of checks look with: made-up sessions and consoles, and small profiles."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from checks.catalogue import BY_ID
from checks.check import Asks, Look
from checks.queries import Answer, Query
from checks.runner import run_checks
from connections.host import Ran
from connections.tcp_info import TcpInfo
from profiles.errors import HostError, NightferryError
from profiles.findings import Finding
from profiles.profile import Endpoint, Login, Profile, SecretRef, Server, Thresholds

NO_WAITING = Thresholds(write_rate_window_s=0.05)


def a_server(name: str, port: int, **more: Any) -> Server:
    """A server on this machine, with our login."""
    return Server(
        name=name,
        address=more.pop("address", "127.0.0.1"),
        port=port,
        password=SecretRef(ask=True),
        country="NO",
        operated_by="us",
        **more,
    )


def a_profile(
    old: Server, new: Server, *endpoints: Endpoint, database: str = "app", **more: Any
) -> Profile:
    """A move of one database between two servers."""
    return Profile(
        name="shop",
        databases=[database],
        source=old,
        destination=new,
        endpoints=[*endpoints],
        thresholds=more.pop("thresholds", NO_WAITING),
        **more,
    )


A_PROFILE = a_profile(a_server("old", 5416), a_server("new", 5418))
A_CLIENT = Login(user="app", password=SecretRef(ask=True))


def answered(rows: Sequence[Mapping[str, Any]], name: str = "made_up") -> Answer:
    """An answer with these rows."""
    return Answer(Query(name, "made up", "SELECT"), rows)


class MadeUpSession:
    """Answers by the first words that fit a statement; raises what is an error."""

    def __init__(
        self,
        answers: Mapping[str, Sequence[Mapping[str, Any]] | Exception],
        *,
        server: str = "old",
        version_num: int = 160014,
        encrypted: bool = False,
        database: str = "app",
        roads: Sequence[TcpInfo] = (),
    ) -> None:
        self.answers = answers
        self.roads = [*roads]
        self.server = server
        self.database = database
        self.version_num = version_num
        self.encrypted = encrypted
        self.asked: list[str] = []

    def road(self) -> TcpInfo | None:
        return self.roads.pop(0) if self.roads else None

    async def rows(
        self, sql: str, *args: object, deadline_s: float = 10.0
    ) -> Sequence[Mapping[str, Any]]:
        self.asked.append(sql)
        for words, answer in self.answers.items():
            if words in sql:
                if isinstance(answer, Exception):
                    raise answer
                return answer
        raise AssertionError(f"not expected: {sql}")

    async def value(self, sql: str, *args: object, deadline_s: float = 10.0) -> Any:
        rows = await self.rows(sql, *args, deadline_s=deadline_s)
        return next(iter(rows[0].values())) if rows else None


class MadeUpConsole:
    """A pooler's console that answers SHOW from a table."""

    def __init__(self, shows: Mapping[str, Sequence[Mapping[str, str]]]) -> None:
        self.shows = shows

    async def show(self, text: str, *, deadline_s: float = 5.0) -> Sequence[Mapping[str, str]]:
        return self.shows[text]


class MadeUpMachine:
    """A machine with these files, on which every line prints the same."""

    name = "a machine"

    def __init__(self, files: Mapping[str, str], ran: Ran = Ran(0, "", "")) -> None:  # noqa: B008
        self.files = files
        self.ran = ran

    async def run(
        self,
        line: str,
        *,
        deadline_s: float,
        env: Mapping[str, str] = {},
        on_line: Callable[[str], None] | None = None,
    ) -> Ran:
        if on_line is not None:
            for said in self.ran.out.splitlines():
                on_line(said)
        return self.ran

    async def read(self, path: str) -> str:
        if path not in self.files:
            raise HostError("this machine", f"read {path}", "No such file or directory")
        return self.files[path]


def opener_to(session: Asks | NightferryError) -> Any:
    """An opener that always leads to this session, or to this error."""

    @asynccontextmanager
    async def opened(name: str, database: str | None) -> AsyncIterator[Asks]:
        if isinstance(session, NightferryError):
            raise session
        yield session

    return opened


async def findings(look: Look, *ids: str) -> list[Finding]:
    """The findings of these checks."""
    return [finding async for finding in run_checks([BY_ID[one] for one in ids], look)]


async def finding(look: Look, id_: str, server: str | None = None) -> Finding:
    """The one finding of a check (for one server)."""
    found = await findings(look, id_)
    if server is not None:
        found = [one for one in found if one.server == server]
    assert len(found) == 1, found
    return found[0]
