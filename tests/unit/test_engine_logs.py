"""Logs beside a step: whose a line is, how many there may be, and that nothing waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from connections.host import Ran, ThisMachine
from connections.hosts import Hosts
from connections.sessions import Sessions
from engine import followed, logs
from engine.launch import begin
from engine.logs import Logs, touched
from engine.night import LiveNight
from profiles import events as ev
from profiles.errors import HostError, HostLostError, NightferryError, UnreachableError
from profiles.fold import Night, fold
from profiles.journal import Journal, read_events
from profiles.profile import LocalHost, PgBouncer
from profiles.steps import (
    Evidence,
    FileEdit,
    Pooler,
    Shell,
    Sql,
    Step,
    ThroughEndpoint,
    Words,
)
from tests.fix_engine import until
from tests.fix_looks import A_CLIENT, A_PROFILE

POOL = PgBouncer(
    name="pool",
    address="127.0.0.1",
    database="app",
    config="/etc/pgbouncer.ini",
    client=A_CLIENT,
    host=LocalHost(),
)
PROFILE = msgspec.structs.replace(A_PROFILE, endpoints=[POOL])


@dataclass
class Away:
    """A host that says nothing for as long as the test likes, and then runs lines here."""

    name: str = "host of old"
    there: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, line: str, **more: Any) -> Ran:
        await self.there.wait()
        return await ThisMachine().run(line, **more)


@dataclass
class Around:
    """Hosts, sessions and consoles of a profile whose logs are files here."""

    folder: Path
    language: str = "C"
    machine: Any = field(default_factory=ThisMachine)
    error: NightferryError | None = None
    asked: list[str] = field(default_factory=list)
    profile: Any = PROFILE
    collected: bool = True

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def write(self, name: str, *lines: str) -> None:
        with self.log(name).open("a") as log:
            log.writelines(f"{line}\n" for line in lines)

    def of(self, name: str) -> Any:
        return self.machine

    async def server(self, name: str, database: str) -> Any:
        self.asked.append(name)
        if self.error is not None:
            raise self.error
        return Asked(self, name)

    async def console(self, pooler: PgBouncer) -> Any:
        self.asked.append(pooler.name)
        return Asked(self, pooler.name)


@dataclass
class Asked:
    """A session or a console that knows where the log is."""

    around: Around
    server: str

    async def rows(self, sql: str) -> Sequence[Mapping[str, Any]]:
        return [
            {
                "data": str(self.around.folder),
                "collected": f"{self.server}.log" if self.around.collected else None,
                "destination": "syslog",
                "language": self.around.language,
                "postmaster": "1",
            }
        ]

    async def show(self, text: str) -> Sequence[Mapping[str, str]]:
        return [
            {"key": "log_stats", "value": "1"},
            {"key": "logfile", "value": str(self.around.log(self.server))},
        ]

    async def close(self) -> None:
        pass


@dataclass
class Beside:
    """The logs of a night that has just begun."""

    live: LiveNight
    logs: Logs
    around: Around

    @property
    def night(self) -> Night:
        return self.live.state

    def said(self, step: str = "one") -> list[tuple[str | None, str, str]]:
        return [(one.server, one.severity, one.text) for one in self.night.state_of(step).log]


@pytest.fixture
def around(tmp_path: Path) -> Around:
    made = Around(tmp_path / "logs")
    made.folder.mkdir()
    for name in ("old", "new", "pool"):
        made.write(name, "ERROR:  long ago")
    return made


@pytest.fixture
async def beside(
    around: Around, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Beside]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = begin(PROFILE)
    with Journal.open(folder) as journal:
        live = LiveNight(folder, journal, fold(journal.events))
        made = Logs(live, cast(Sessions, around), cast(Hosts, around))
        yield Beside(live, made, around)
        await made.close()


def a_step(id_: str = "one", *servers: str) -> Step:
    asked = tuple(Sql(server=name, database="app", text="SELECT") for name in servers or ("old",))
    return Step(id=id_, phase="preflight", title="Do it", commands=asked)


@asynccontextmanager
async def running(beside: Beside, step: Step, *secrets: str) -> AsyncIterator[None]:
    """A step as the runner runs it."""
    beside.live.publish(ev.StepBegan(step=step.id))
    async with beside.logs.beside(step, secrets):
        yield
    beside.live.publish(ev.StepEnded(step=step.id, outcome="done"))


async def test_what_is_written_meanwhile_stands_beside_the_step(beside: Beside) -> None:
    async with running(beside, a_step("one", "old", "new")):
        beside.around.write("old", "LOG:  nothing", "1 [2] WARNING:  a", "1 [2] HINT:  b")
        beside.around.write("new", "FATAL:  c")
        await until(lambda: len(beside.said()) == 2)
    assert sorted(beside.said()) == [("new", "FATAL", "c"), ("old", "WARNING", "a · b")]
    journalled = read_events(beside.live.folder).events
    assert sum(isinstance(event, ev.LogSaid) for event in journalled) == 2


async def test_a_pooler_has_a_log_too(beside: Beside) -> None:
    step = Step(
        id="one", phase="cutover", title="", commands=(Pooler(endpoint="pool", text="SHOW POOLS"),)
    )
    async with running(beside, step):
        beside.around.write("pool", "2026-03-01 02:14:07 UTC [9] WARNING sql error")
        await until(lambda: beside.said() == [("pool", "WARNING", "sql error")])


async def test_what_comes_late_belongs_to_the_step_in_which_it_was_written(beside: Beside) -> None:
    async with running(beside, a_step("one")):
        beside.around.write("old", "WARNING:  first")
    async with running(beside, a_step("two")):
        beside.around.write("old", "WARNING:  second")
        await until(lambda: len(beside.said("two")) == 1)
    await until(lambda: len(beside.said("one")) == 1)
    assert beside.said("one") == [("old", "WARNING", "first")]
    assert beside.said("two") == [("old", "WARNING", "second")]
    assert beside.around.asked == ["old"]


async def test_soon_after_the_last_step_nothing_is_followed(beside: Beside) -> None:
    async with running(beside, a_step()):
        beside.around.write("old", "WARNING:  in time")
    await until(lambda: not beside.logs._followed)
    beside.around.write("old", "WARNING:  afterwards")
    async with running(beside, a_step("two")):
        beside.around.write("old", "WARNING:  again")
        await until(lambda: bool(beside.said("two")))
    assert beside.said("one") == [("old", "WARNING", "in time")]
    assert beside.said("two") == [("old", "WARNING", "again")]


async def test_a_flood_is_counted_and_then_left_alone(
    beside: Beside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed, "COUNTED", 50)
    async with running(beside, a_step("one")):
        beside.around.write("old", *[f"WARNING:  {number}" for number in range(29)], "FATAL:  x")
        await until(lambda: len(beside.said()) == 20)
    await until(lambda: len(beside.said()) == 21)
    assert beside.said()[-1] == ("old", "FATAL", "and 10 more")
    async with running(beside, a_step("two")):
        beside.around.write("old", *[f"WARNING:  {number}" for number in range(90)])
        await until(lambda: not beside.logs._followed)
    await until(lambda: len(beside.said("two")) == 21)
    assert beside.said("two")[-1][2].startswith("and over ")


async def test_no_secret_of_the_step_is_shown(beside: Beside) -> None:
    async with running(beside, a_step(), "open sesame"):
        beside.around.write("old", "ERROR:  no open sesame", "HINT:  PASSWORD 'hunter2'")
        await until(lambda: bool(beside.said()))
    assert beside.said() == [("old", "ERROR", "no •••• · PASSWORD '••••'")]


async def test_a_new_file_of_the_collector_is_read_from_its_beginning(
    beside: Beside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed, "ROTATED_S", 0.02)
    async with running(beside, a_step()):
        beside.around.write("midnight", "WARNING:  the first of the day")
        (beside.around.folder / "current_logfiles").write_text("stderr midnight.log\n")
        await until(lambda: bool(beside.said()))
        beside.around.write("old", "WARNING:  the last of the day before")
        await until(lambda: len(beside.said()) == 2)
    async with running(beside, a_step("two")):
        beside.around.write("midnight", "WARNING:  the second")
        await until(lambda: bool(beside.said("two")))
    assert beside.said("two") == [("old", "WARNING", "the second")]


async def test_a_log_begun_anew_in_its_place_belongs_to_who_is_there(beside: Beside) -> None:
    async with running(beside, a_step()):
        beside.around.log("old").write_text("")
        beside.around.write("old", "WARNING:  x")
        await until(lambda: bool(beside.said()))


# Nothing waits


async def test_a_host_that_is_slow_is_waited_for_once_and_then_followed(
    beside: Beside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "LOOK_S", 0.05)
    away = beside.around.machine = Away()
    async with running(beside, a_step()):
        pass
    monkeypatch.setattr(logs, "LOOK_S", 60.0)
    async with asyncio.timeout(10), running(beside, a_step("two")):
        away.there.set()
        while not beside.said("two"):  # from some moment on, it is followed
            beside.around.write("old", "WARNING:  late, and yet")
            await asyncio.sleep(0.01)
    assert beside.night.said == []


async def test_cancelled_while_it_looks_it_leaves_nothing(beside: Beside) -> None:
    beside.around.machine = Away()
    entering = asyncio.create_task(running(beside, a_step()).__aenter__())
    await until(lambda: bool(beside.around.asked))
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering
    await beside.logs.close()
    assert not beside.logs._followed


async def test_the_engine_ends_in_the_middle(beside: Beside) -> None:
    entered = running(beside, a_step())
    await entered.__aenter__()
    beside.around.write("old", "WARNING:  the last")
    await until(lambda: bool(beside.said()))
    await beside.logs.close()
    assert not beside.logs._followed
    await entered.__aexit__(None, None, None)


# What cannot be followed


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"error": HostError("old", "reach", "the profile says no way to it")}, "no way to it"),
        ({"language": "de_DE.UTF-8"}, "in de_DE.UTF-8 (lc_messages)"),
        ({"language": "cs_CZ.UTF-8"}, "in cs_CZ.UTF-8 (lc_messages)"),
        ({"collected": False}, "go to syslog (log_destination)"),
    ],
)
async def test_it_is_said_once_a_night_and_left_alone(
    beside: Beside, change: dict[str, Any], says: str
) -> None:
    for name, value in change.items():
        setattr(beside.around, name, value)
    for number in range(3):
        async with running(beside, a_step(str(number))):
            pass
    [said] = beside.night.said
    assert said.text.startswith("The log of old is not followed. ")
    assert says in said.text and not said.trouble
    assert beside.around.asked == ["old"]


@pytest.mark.parametrize("language", ["", "C", "C.UTF-8", "POSIX", "en_US.UTF-8", "en_GB"])
async def test_languages_that_are_read(beside: Beside, language: str) -> None:
    beside.around.language = language
    async with running(beside, a_step()):
        pass
    assert beside.night.said == []


@pytest.mark.parametrize("error", [UnreachableError, HostLostError])
async def test_what_may_pass_is_tried_again_with_the_next_step(
    beside: Beside, error: type[NightferryError]
) -> None:
    beside.around.error = error("old", "connect", "nothing answers")
    async with running(beside, a_step()):
        pass
    beside.around.error = None
    async with running(beside, a_step("two")):
        await until(lambda: bool(beside.logs._followed))
    assert len(beside.night.said) == 1


async def test_a_log_that_goes_away_is_looked_for_anew(beside: Beside) -> None:
    async with running(beside, a_step()):
        pass
    await until(lambda: not beside.logs._followed)
    beside.around.log("old").unlink()
    async with running(beside, a_step("two")):
        pass
    beside.around.write("old", "LOG:  here again")
    async with running(beside, a_step("three")):
        beside.around.write("old", "WARNING:  x")
        await until(lambda: bool(beside.said("three")))
    assert len(beside.night.said) == 1


# The armed stretch


async def test_of_a_stretch_what_comes_after_the_first_key(beside: Beside) -> None:
    armed = ev.Armed(attempt=3, direction="forward", roles=(), may_still_write=(), deadline_s=1.0)
    beside.live.publish(armed)
    async with beside.logs.beside_stretch(3, [a_step()]) as listener:
        beside.around.write("old", "WARNING:  while it is armed")
        await asyncio.sleep(0.5)
        listener.muted = False
        beside.around.write("old", "FATAL:  terminating connection")
    stretch = beside.night.stretch
    assert stretch is not None
    await until(lambda: bool(stretch.log))
    assert [(one.attempt, one.step, one.text) for one in stretch.log] == [
        (3, None, "terminating connection")
    ]


async def test_nothing_is_opened_for_a_stretch_that_is_armed_already(
    beside: Beside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "LOOK_S", 0.02)
    beside.around.machine = Away()
    async with beside.logs.beside_stretch(1, [a_step()]):
        assert [task for task in asyncio.all_tasks() if "_look" in str(task.get_coro())] == []


# What a step touches


def test_everything_that_a_step_goes_to() -> None:
    steps = [
        Step(
            id="dump",
            phase="replication",
            title="",
            commands=(
                Shell(host=None, line="pg_dump", passwords_for=("old", "new")),
                Words(text="see"),
            ),
        ),
        Step(
            id="edit",
            phase="cutover",
            title="",
            commands=(FileEdit(host="pool", path="/p"), ThroughEndpoint(endpoint="x", text="")),
            holds=(
                Evidence(
                    ask=Sql(server="new", database="d", text=""),
                    same_as=Sql(server="old", database="d", text=""),
                    says="",
                ),
            ),
        ),
    ]
    assert touched(steps, PROFILE) == ["old", "new", "pool"]
    assert touched(steps[1:], PROFILE) == ["pool", "new", "old"]
