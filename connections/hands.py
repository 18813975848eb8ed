"""The hands of the night: run one command of a step, or ask one piece of evidence.

Knows how each kind of command reaches its server, pooler or host. Must not know what a step is
for, nor what comes next; only what was shown is run.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import NamedTuple

from connections import passfile
from connections.answers import (
    SECRET_NAMES,
    complaint_of,
    hidden,
    hush,
    line_of,
    secrets_in,
    tail_of,
    text_of,
)
from connections.host import Host, Ran
from connections.hosts import Hosts
from connections.passwords import AskPassword
from connections.pgbouncer import pause
from connections.postgres import Row, Session, patiently
from connections.prepared import CHANGED, Prepared
from connections.reach import Reach
from connections.refusals import in_short
from profiles.errors import (
    AnswerError,
    DeadlineError,
    HostError,
    LockTimeoutError,
    NightferryError,
    PoolerError,
    ServerLostError,
    UnreachableError,
)
from profiles.profile import Profile
from profiles.steps import (
    Command,
    Evidence,
    FileEdit,
    Pooler,
    Shell,
    Sql,
    ThroughEndpoint,
    Words,
    edited,
    fill,
    shown,
    unified,
)

Values = MutableMapping[str, str]
"""What fills the placeholders of a step's commands; captures are added to it."""

FIRST_LOOK_S = 0.002
LAST_LOOK_S = 1.0
LOG_SAYS = "The server's log says why: mend that, then run the step again."
"""How long `Sql.until` waits between two questions: from the first to the last, growing."""

LOOK_DEADLINE_S = 10.0
"""How long one of these questions may take."""

CONNECT_TIMEOUT_S = 10

_PAUSE = re.compile(r'PAUSE\s+(?:"(?P<quoted>(?:[^"]|"")+)"|(?P<plain>\w+))\s*;?\s*', re.I)


class Answer(NamedTuple):
    """What a command came to; secrets masked in both texts."""

    text: str
    """The command as it ran, its placeholders filled."""
    answer: str
    """The first row's values joined by blanks, or the last line of the output."""
    rows: int = 0


class Hands:
    """What a step needs while it runs, for one profile."""

    def __init__(
        self,
        profile: Profile,
        passwords: AskPassword,
        hosts: Hosts | None = None,
    ) -> None:
        """``hosts`` are shared with who closes them."""
        self._hosts = hosts or Hosts(profile, passwords)
        self._profile = profile
        self._passwords = passwords

    async def close(self) -> None:
        """Ends the connections with the hosts; a later command opens them anew."""
        await self._hosts.close()

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[Work]:
        """A scope whose sessions are shared per server and database, and closed at its end."""
        reach = Reach(self._profile, self._passwords, self._hosts)
        work = Work(reach, self._hosts)
        try:
            yield work
        finally:
            await work.close()
            await reach.close()


class Work:
    """Runs the commands of one step and asks its evidence."""

    def __init__(self, reach: Reach, hosts: Hosts) -> None:
        self._hosts = hosts
        self._reach = reach
        self._ready: dict[FileEdit, tuple[str, Prepared]] = {}
        self._prepared: list[Prepared] = []

    async def prepare(self, command: FileEdit) -> None:
        """Does all of an edit but its one act, so that `do` only has that left. Raises HostError.

        Where the file has changed by then, `do` makes the edit anew.
        """
        host = self._hosts.of(command.host)
        before = await host.read(command.path)
        after = _after(host, command, before)
        if after != before:
            prepared = await host.prepare(command.path, before, after)
            self._prepared.append(prepared)
            self._ready[command] = (unified(before, after, command.path), prepared)

    async def close(self) -> None:
        """Takes away what was prepared and not used; never raises."""
        for prepared in self._prepared:
            await prepared.drop()

    async def do(self, command: Command, values: Values) -> Answer:
        """Runs a command and says what it answered; what it captures is added to ``values``.

        Raises the errors of `profiles.errors`, without the step's secrets.
        """
        secrets = secrets_in(values)
        try:
            done = await self._do(command, values)
        except NightferryError as error:
            hush(error, secrets)
            raise
        return Answer(hidden(done.text, secrets), hidden(done.answer, secrets), done.rows)

    async def ask(self, evidence: Evidence, values: Values) -> tuple[bool, str]:
        """Whether it holds, and what was answered; a server that says no is an answer too.

        Raises ConnectError, ServerLostError, DeadlineError, HostError, PoolerError, SecretError:
        then it is not known whether it holds.
        """
        secrets = secrets_in(values)
        try:
            holds, said = await self._ask(evidence, values)
        except LockTimeoutError as error:
            hush(error, secrets)
            raise
        except AnswerError as error:
            holds, said = False, error.answered
        except NightferryError as error:
            hush(error, secrets)
            raise
        return holds, hidden(said, secrets)

    async def session(self, server: str, database: str) -> Session:
        """The session of this scope with a database. Raises ConnectError, SecretError."""
        return await self._reach.session(server, database)

    async def _do(self, command: Command, values: Values) -> Answer:
        match command:
            case Sql():
                return await self._sql(command, values)
            case Shell():
                return await self._shell(command, values)
            case FileEdit():
                return await self._edit(command)
            case Pooler():
                return await self._pooler(command)
            case ThroughEndpoint():
                text = fill(command.text, command.fills, values)
                rows = await self._through(command, text)
                return Answer(text, line_of(rows), len(rows))
            case Words():
                said = "only a person can do it"
                raise HostError("by hand", command.text, said, "Do it, then say so.")

    async def _ask(self, evidence: Evidence, values: Values) -> tuple[bool, str]:
        match evidence.ask:
            case Sql() as ask:
                said = line_of(await self._rows(ask, fill(ask.text, ask.fills, values)))
            case Shell() as ask:
                ran = await self._ran(ask, fill(ask.line, ask.fills, values))
                if ran.code:
                    return False, f"exit code {ran.code}: {complaint_of(ran.err or ran.out)}"
                said = ran.out.strip()
            case Pooler() as ask:
                said = (await self._pooler(ask)).answer
            case ThroughEndpoint() as ask:
                said = line_of(await self._through(ask, fill(ask.text, ask.fills, values)))
        return said == await self._expected(evidence), said

    async def _expected(self, evidence: Evidence) -> str:
        """What it must answer: as the step says, or as the other server says now."""
        if evidence.same_as is None:
            return evidence.answer
        return line_of(await self._rows(evidence.same_as, evidence.same_as.text))

    async def _sql(self, command: Sql, values: Values) -> Answer:
        text = fill(command.text, command.fills, values)
        asking = self._rows if command.until is None else self._rows_until
        rows = await asking(command, text)
        if command.captures is not None:
            if not rows:
                raise AnswerError(command.server, in_short(text), "it answered no row")
            values[command.captures] = text_of(rows[0][0])
        return Answer(text, line_of(rows), len(rows))

    async def _rows(self, command: Sql, text: str) -> list[Row]:
        within_s = min(command.deadline_s, LOOK_DEADLINE_S)
        session = await self._reach.session(command.server, command.database, within_s)
        return await patiently(session, text, deadline_s=command.deadline_s)

    async def _rows_until(self, command: Sql, text: str) -> list[Row]:
        """Asks again until it reads so; a server that is away, or restarts, may come back."""
        loop = asyncio.get_running_loop()
        end = loop.time() + command.deadline_s
        pause_s, said = FIRST_LOOK_S, ""
        while True:
            try:
                left_s = min(max(end - loop.time(), FIRST_LOOK_S), LOOK_DEADLINE_S)
                session = await self._reach.session(command.server, command.database, left_s)
                rows = await session.rows(text, deadline_s=left_s)
                said = f"it reads “{line_of(rows)}”"
                if line_of(rows) == command.until:
                    return rows
                if command.unless is not None and line_of(rows) == command.unless:
                    raise AnswerError(command.server, in_short(text), said, LOG_SAYS)
            except (UnreachableError, ServerLostError, LockTimeoutError, DeadlineError) as error:
                said = error.answered
            if loop.time() + pause_s >= end:
                said = f"after {command.deadline_s:g} s {said}, not “{command.until}”"
                raise DeadlineError(command.server, in_short(text), said)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, LAST_LOOK_S)

    async def _shell(self, command: Shell, values: Values) -> Answer:
        line = fill(command.line, command.fills, values)
        ran = await self._ran(command, line)
        if ran.code:
            where, complaint = self._hosts.of(command.host).name, complaint_of(ran.err or ran.out)
            said = f"exit code {ran.code}: {complaint}"
            remedy = _where_it_logs_in(command, where, complaint)
            raise HostError(where, f"run {in_short(line)}", said, remedy)
        if command.captures is not None:
            values[command.captures] = ran.out.strip()
        return Answer(line, tail_of(ran.out))

    async def _ran(self, command: Shell, line: str) -> Ran:
        host = self._hosts.of(command.host)
        if secret := set(command.fills) & set(SECRET_NAMES):
            said = f"it would show {', '.join(secret)} in the list of processes"
            raise HostError(host.name, f"run {in_short(command.line)}", said)
        env: dict[str, str] = {}
        files: dict[str, str] = {}
        if command.passwords_for:
            logins = await self._reach.logins(command.passwords_for)
            env["PGCONNECT_TIMEOUT"] = str(CONNECT_TIMEOUT_S)
            files[passfile.VARIABLE] = passfile.content(logins)
        return await host.run(
            line, deadline_s=command.deadline_s, env=env, files=files, as_user=command.as_user
        )

    async def _edit(self, command: FileEdit) -> Answer:
        if command in self._ready:
            text, prepared = self._ready.pop(command)
            try:
                return Answer(text, f"changed; as it was: {await prepared.take()}")
            except HostError as error:
                if error.answered != CHANGED:
                    raise
        host = self._hosts.of(command.host)
        who, creates = command.as_user, command.creates
        before = await host.read(command.path, as_user=who, creates=creates)
        after = _after(host, command, before)
        if after == before:
            return Answer(shown(command), "it stands already")
        backup = await host.write(command.path, after, as_user=who, creates=creates)
        said = f"changed; as it was: {backup}" if before else "it was empty, or not there"
        return Answer(unified(before, after, command.path), said)

    async def _pooler(self, command: Pooler) -> Answer:
        console = await self._reach.console(command.endpoint)
        text = command.text
        if text.upper().startswith("SHOW"):
            rows = await console.show(text, deadline_s=command.deadline_s)
            return _shown_rows(command, rows)
        if text.upper().startswith("PAUSE"):
            second = await self._reach.console(command.endpoint, 1)
            pool = _pool_of(command)
            await pause(console, second, pool, deadline_s=command.deadline_s)
        else:
            await console.run(text, deadline_s=command.deadline_s)
        return Answer(text, "")

    async def _through(self, command: ThroughEndpoint, text: str) -> list[Row]:
        session = await self._reach.client(command.endpoint, command.deadline_s)
        try:
            return await session.rows_at_once(text, deadline_s=command.deadline_s)
        finally:
            await session.close()


def _where_it_logs_in(command: Shell, where: str, complaint: str) -> str:
    """What to do when a program of PostgreSQL's was not let in: it is not here that it ran."""
    if command.host is None or not command.passwords_for or "connection to" not in complaint:
        return ""
    names = " and ".join(command.passwords_for)
    return (
        f"It logged in from the {where}: see that {names} is reached from there, and that its"
        " pg_hba.conf lets the wizard's own login in from that address, with that password."
    )


def _after(host: Host, command: FileEdit, before: str) -> str:
    """The text with the edit in it. Raises HostError where it does not fit."""
    try:
        return edited(command, before)
    except ValueError as error:
        remedy = "It is as it was: make the edit by hand."
        raise HostError(host.name, f"edit {command.path}", str(error), remedy) from None


def _shown_rows(command: Pooler, rows: list[dict[str, str]]) -> Answer:
    """The columns asked for, of the row asked for; the first row when none was named."""
    if command.row is not None:
        column, value = command.row
        rows = [row for row in rows if row.get(column) == value]
    first = rows[0] if rows else {}
    said = [first.get(column, "") for column in command.columns] or [*first.values()]
    return Answer(command.text, " ".join(said) if rows else "", len(rows))


def _pool_of(command: Pooler) -> str:
    found = _PAUSE.fullmatch(command.text)
    if found is None:
        said = "it names no pool, and would stop every one of them"
        raise PoolerError(command.endpoint, command.text, said, "Name the pool.")
    quoted = found["quoted"]
    return quoted.replace('""', '"') if quoted else found["plain"]
