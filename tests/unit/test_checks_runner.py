"""The runner: what becomes of a check that cannot look, and that nothing else is hidden."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from checks.catalogue import AGAIN_BEFORE_ARMING, BY_ID, CHECKS, before_arming, for_phase
from checks.check import Check, Look, Said, Side
from checks.queries import ask, names, query
from checks.runner import run_checks, turns
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
from profiles.phases import BY_ID as PHASES
from profiles.profile import ByHand, ConnectionFile, PgBouncer
from tests.fix_looks import A_CLIENT, A_PROFILE, MadeUpSession, a_profile, a_server, findings

WHERE = ("old", "SELECT 1", "the server's words")


def a_check(run: Callable[[Look, str], Awaitable[Said]], *sides: Side, **more: float) -> Check:
    return Check(id="made.up", phase="servers", sides=sides or ("source",), run=run, **more)  # type: ignore[arg-type]


def raising(error: Exception) -> Callable[[Look, str], Awaitable[Said]]:
    async def run(look: Look, name: str) -> Said:
        raise error

    return run


@pytest.mark.parametrize(
    "error",
    [
        AnswerError(*WHERE, code="42501"),
        AnswerError(*WHERE, code="42883"),
        LockTimeoutError(*WHERE, code="55P03"),
        DeadlineError(*WHERE),
        ServerLostError(*WHERE),
        UnreachableError(*WHERE),
        HostError(*WHERE),
        PoolerError(*WHERE),
        NightferryError(*WHERE),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_could_not_be_looked_at_is_unknown_and_says_why(error: Exception) -> None:
    found = [one async for one in run_checks([a_check(raising(error))], Look(A_PROFILE))]
    assert [one.verdict for one in found] == ["unknown"]
    assert "the server's words" in found[0].says
    assert (found[0].server, found[0].database) == ("old", "app")


async def test_a_missing_right_says_whose_login_would_do() -> None:
    check = a_check(raising(AnswerError(*WHERE, code="42501")))
    (found,) = [one async for one in run_checks([check], Look(A_PROFILE))]
    assert "may not look" in found.figure
    assert "superuser" in found.todo


async def test_a_check_that_takes_too_long_is_unknown() -> None:
    async def run(look: Look, name: str) -> Said:
        await asyncio.Event().wait()
        raise AssertionError

    found = [one async for one in run_checks([a_check(run, deadline_s=0.01)], Look(A_PROFILE))]
    assert found[0].verdict == "unknown"
    assert "0.01 s" in found[0].figure


async def test_a_mistake_of_ours_is_not_hidden() -> None:
    with pytest.raises(BaseExceptionGroup) as raised:
        async for _ in run_checks([a_check(raising(ZeroDivisionError()))], Look(A_PROFILE)):
            pass
    assert isinstance(raised.value.exceptions[0], ZeroDivisionError)


@pytest.mark.parametrize("check", [one for one in CHECKS if one.needs], ids=lambda one: one.id)
async def test_without_anything_to_look_with_no_check_passes(check: Check) -> None:
    profile = a_profile(
        a_server("old", 1),
        a_server("new", 2),
        PgBouncer(
            name="pool", address="127.0.0.1", database="app", config="/nowhere", client=A_CLIENT
        ),
        ConnectionFile(name="env", path="/nowhere", replace={"a": "b"}, client=A_CLIENT),
    )
    found = await findings(Look(profile), check.id)
    expected = "stop" if check.id == "pooler.timer" else "unknown"
    if check.id == "pg.way_back":
        expected = "note"
    assert found
    assert {one.verdict for one in found} == {expected}


async def test_a_side_without_a_session_says_what_prevented_it() -> None:
    error = UnreachableError("old", "connect to 127.0.0.1:1", "connection refused")
    look = Look(A_PROFILE, {"source": error, "destination": MadeUpSession({}, server="new")})
    found = await findings(look, "pg.reachable", "pg.wal_level")
    by_key = {(one.check, one.server): one for one in found}
    assert by_key["pg.reachable", "old"].verdict == "stop"
    assert by_key["pg.reachable", "new"].verdict == "pass"
    assert by_key["pg.wal_level", "old"].verdict == "unknown"
    assert "connection refused" in by_key["pg.wal_level", "old"].says


async def test_findings_come_as_they_are_made_and_sides_do_not_wait_for_each_other() -> None:
    release = asyncio.Event()

    async def run(look: Look, name: str) -> Said:
        if name == "source":
            await release.wait()
        return Said(verdict="pass", figure=name)

    stream = run_checks([a_check(run, "source", "destination")], Look(A_PROFILE))
    assert (await anext(stream)).figure == "destination"
    release.set()
    assert (await anext(stream)).figure == "source"
    assert [one async for one in stream] == []


async def test_checks_of_one_side_run_one_after_the_other_and_watchers_beside_them() -> None:
    running, most = 0, 0

    async def run(look: Look, name: str) -> Said:
        nonlocal running, most
        running, most = running + 1, max(most, running + 1)
        await asyncio.sleep(0.01)
        running -= 1
        return Said(verdict="pass", figure=name)

    ordinary = [a_check(run), a_check(run), a_check(run)]
    async for _ in run_checks(ordinary, Look(A_PROFILE)):
        pass
    assert most == 1
    watcher = Check(
        id="made.watcher", phase="route", sides=("source",), run=run, window_s=lambda _: 1.0
    )
    async for _ in run_checks([*ordinary, watcher], Look(A_PROFILE)):
        pass
    assert most == 2


async def test_leaving_early_ends_what_runs() -> None:
    ended = asyncio.Event()

    async def run(look: Look, name: str) -> Said:
        if name == "destination":
            return Said(verdict="pass", figure=name)
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    stream = run_checks([a_check(run, "source", "destination")], Look(A_PROFILE))
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]
    assert ended.is_set()


def test_checks_of_endpoints_run_once_for_each_of_their_kind() -> None:
    profile = a_profile(
        a_server("old", 1),
        a_server("new", 2),
        PgBouncer(name="pool", address="x", database="app", config="/x", client=A_CLIENT),
        ConnectionFile(name="env", path="/x", replace={}, client=A_CLIENT),
        ByHand(name="dns", address="x", how="change it"),
    )
    names_ = {
        id_: [turn.name for turn in turns([BY_ID[id_]], Look(profile))]
        for id_ in ("pooler.target", "file.connection", "endpoint.client", "endpoints.write")
    }
    assert names_ == {
        "pooler.target": ["pool"],
        "file.connection": ["env"],
        "endpoint.client": ["pool", "env"],
        "endpoints.write": ["night"],
    }


KINDS = {"pg", "net", "host", "pooler", "file", "endpoint", "endpoints"}


def test_the_catalogue_has_stable_unique_ids_in_phases_that_exist() -> None:
    assert len(BY_ID) == len(CHECKS)
    for check in CHECKS:
        assert check.phase in PHASES
        assert check.id.partition(".")[0] in KINDS
    assert [check.id for check in before_arming()] == list(AGAIN_BEFORE_ARMING)
    assert for_phase("servers")[0].id == "pg.reachable"


@pytest.mark.parametrize("name", names())
def test_every_question_only_reads_and_says_what_it_is_for(name: str) -> None:
    for major in (16, 17, 18):
        asked = query(name, major)
        assert asked.purpose.endswith((".", "?", ")"))
        assert asked.condensed.split()[0] in ("SELECT", "WITH")
        assert "--" not in asked.condensed
        assert not asked.text.endswith(";")


async def test_the_newest_form_that_a_server_understands_is_asked() -> None:
    for version, word in ((160000, "daticulocale"), (170000, "datlocale"), (190000, "datlocale")):
        session = MadeUpSession({"": []}, version_num=version)
        await ask(session, "locale")
        assert word in session.asked[0]
    with pytest.raises(KeyError):
        query("no_such_question", 16)
