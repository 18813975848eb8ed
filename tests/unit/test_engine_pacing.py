"""What an engine says of a copy that falls short, and the checks of hosts over made-up machines."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from checks.catalogue import TUNING
from checks.check import Look
from checks.progress import CopyProgress, TableProgress
from checks.runner import run_checks
from connections.host import Ran
from engine.launch import begin
from engine.night import LiveNight
from engine.pacing import Pacer
from profiles.errors import HostError
from profiles.events import Event, Found, HostLooked, HostSampled, Said, Sampled, StepBegan
from profiles.findings import Finding
from profiles.fold import fold
from profiles.journal import Journal
from profiles.profile import LocalHost
from tests.fix_engine import a_profile as a_quiet_profile
from tests.fix_hosts import ALPINE, DEBIAN, Printed, printed
from tests.fix_looks import MadeUpSession, a_profile, a_server
from tui.words import lag
from tui.words.text import plain

AGO = timedelta(minutes=10)
"""At 20 MB/s 12 GB would be there."""
FORECAST = Finding(
    check="net.copy",
    phase="network",
    verdict="pass",
    figure="60 GB at 20 MB/s",
    figures={"to_copy_bytes": 60e9, "throughput_bytes_s": 20e6},
)


@pytest.fixture
def live(nights_here: object) -> Iterator[LiveNight]:
    began = datetime.now(UTC) - AGO
    with Journal.open(begin(a_quiet_profile())) as journal:
        yield LiveNight(journal.path.parent, journal, fold(journal.events), lambda: began)


def at(share: float) -> CopyProgress:
    rows = round(1000 * share)
    table = TableProgress(
        name="t", state="copying", rows_copied=rows, rows_estimated=1000, bytes_estimated=int(60e9)
    )
    return CopyProgress(tables=(table,))


def said(live: LiveNight) -> list[tuple[bool, str]]:
    return [(one.trouble, one.text.partition(":")[0]) for one in live.state.said]


def test_it_is_said_once_a_change(live: LiveNight) -> None:
    pacer = Pacer(live)
    live.publish(Found(finding=FORECAST))
    live.publish(StepBegan(step="subscription@db-new/orders"))
    for share in (0.19, 0.1, 0.1, 0.17, 0.2, 0.2):
        pacer.read(at(share))
    assert [trouble for trouble, _ in said(live)] == [True, False]
    assert said(live)[0][1].startswith("The copy is slower than foreseen since")
    assert isinstance(live.state.said[0], Said)


@pytest.mark.parametrize(
    "before",
    [
        [Found(finding=FORECAST)],
        [StepBegan(step="subscription@db-new/orders")],
    ],
)
def test_without_a_forecast_or_a_beginning_nothing_is_said(
    live: LiveNight, before: list[Event]
) -> None:
    for event in before:
        live.publish(event)
    Pacer(live).read(at(0.01))
    assert said(live) == []


def test_the_lag_meter_names_the_host_that_is_the_cause(live: LiveNight) -> None:
    live.publish(Sampled(behind_s=9.0, behind_bytes=1))
    live.publish(HostSampled(server="db-new", await_ms=40.0))
    shown = [plain(each) for each in lag.meter(live.state, "bytes", 80, 5)]
    assert any("! slowed by db-new: its disk needs 40 ms for a write" in each for each in shown)


# The checks of both hosts


class Counted:
    """A machine that prints this, and counts how often it was asked."""

    def __init__(self, system: Printed | None) -> None:
        self.name = "made up"
        self.asked = 0
        self._system = system

    async def run(
        self,
        line: str,
        *,
        deadline_s: float,
        env: Mapping[str, str] = {},
        on_line: Callable[[str], None] | None = None,
    ) -> Ran:
        self.asked += 1
        if self._system is None:
            raise HostError(self.name, f"run {line}", "it does not run")
        return Ran(0, printed(self._system), "")

    async def read(self, path: str) -> str:
        raise HostError(self.name, path, os.strerror(2))


PLACES: list[dict[str, Any]] = [
    {"data": "/var/lib/postgresql/16/main", "log": None, "temporary": []}
]
SPACE: list[dict[str, Any]] = [
    {"database_bytes": 1000, "max_wal_bytes": 10, "slot_keeps_bytes": None}
]
LIMITS = [{"name": "max_files_per_process", "setting": 1000}]


def a_session(**other: Any) -> MadeUpSession:
    answers: dict[str, Any] = {
        "data_directory": PLACES,
        "postmaster.pid": [{"pid": 77}],
        "pg_database_size": SPACE,
        "max_files_per_process": LIMITS,
        "pg_current_wal": [{"lsn": "0/1000"}],
    }
    return MadeUpSession({**answers, **other})


async def looked(
    old: Counted, new: Counted, told: list[Event], session: MadeUpSession | None = None
) -> dict[tuple[str, str | None], Finding]:
    here = LocalHost()
    profile = a_profile(a_server("old", 1, host=here), a_server("new", 2, host=here))
    sessions = {side: session or a_session() for side in ("source", "destination")}
    look = Look(profile, sessions, machines={"old": old, "new": new}, tell=told.append)
    others = ("pg.commits", "host.firewall")  # which watch, and try the road
    checks = [check for check in TUNING if check.id not in others]
    return {(one.check, one.server): one async for one in run_checks(checks, look)}


async def test_each_host_is_looked_at_once_for_all_its_checks() -> None:
    old, new, told = Counted(DEBIAN), Counted(ALPINE), list[Event]()
    found = await looked(old, new, told)
    assert (old.asked, new.asked) == (1, 1)
    assert {event.server for event in told if isinstance(event, HostLooked)} == {"old", "new"}
    assert found["host.await", "old"].verdict == "warn"
    assert found["host.space_for_copy", "new"].verdict == "pass"
    assert "cores: 8 to 2" in found["host.compared", None].figure


async def test_a_host_that_does_not_answer_is_unknown_everywhere_and_asked_once() -> None:
    old, new = Counted(None), Counted(DEBIAN)
    found = await looked(old, new, [])
    assert old.asked == 1
    at_old = [one for (_, server), one in found.items() if server == "old"]
    assert {one.verdict for one in at_old} == {"unknown"}
    assert all("made up: look at the host: it does not run" in one.says for one in at_old)
    assert found["host.compared", None].verdict == "unknown"
    assert found["host.steal", "new"].verdict == "warn"


async def test_the_servers_own_wish_for_files_is_held_against_the_limit() -> None:
    many = [{"name": "max_files_per_process", "setting": 70000}]
    session = a_session(max_files_per_process=many)
    found = await looked(Counted(DEBIAN), Counted(DEBIAN), [], session)
    assert found["host.open_files", "old"].verdict == "warn"
    assert "70,064" in found["host.open_files", "old"].says


async def test_space_that_could_not_be_seen_is_unknown_with_the_reason() -> None:
    unseen = {**DEBIAN, "place 1": "kind data\npath /nope", "unread": "/nope: no right to see it"}
    found = await looked(Counted(DEBIAN), Counted(unseen), [])
    one = found["host.space_for_copy", "new"]
    assert one.verdict == "unknown" and "/nope: no right to see it" in one.says
