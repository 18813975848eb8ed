"""Each fault of a rehearsal, made and taken back on one night, and seen where its card says."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from engine.client import new_id
from engine.keeper import ROOT
from profiles.errors import HostError
from profiles.findings import Finding
from profiles.fold import Night
from profiles.requests import Confirm, RunStep
from rehearsal.faults import BY_NAME
from rehearsal.folders import BOX, Settings
from rehearsal.processes import until
from tests.fix_rehearsed import PATIENCE_S, Rehearsed, a_night, a_state_folder
from tui import rehearse
from tui.unattended import Walk

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def shared() -> Iterator[Rehearsed]:
    """A night that has just begun; the tests take it on, in their order, and leave no fault."""
    with a_state_folder() as folder, asyncio.Runner() as runner:
        night = a_night(folder, Settings(rows=1000), long_transaction_s=0.5)
        rehearsed = runner.run(night.__aenter__())
        try:
            (rehearsed.folder / BOX).write_text(str(rehearsed.box.folder))
            yield rehearsed
        finally:
            runner.run(night.__aexit__(None, None, None))


@pytest.fixture
async def walk(shared: Rehearsed) -> AsyncIterator[Walk]:
    async with shared.walk() as attached:
        yield attached


def at_work(night: Rehearsed) -> tuple[str, ...]:
    return night.box.state().faults


async def found(walk: Walk, phase: str, check: str, verdict: str) -> Finding:
    """What a check says once it has come to that verdict."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await walk.look(phase, stopped_by=())
            (finding,) = [one for one in walk.night.findings_of(phase) if one.check == check]
            if finding.verdict == verdict:
                return finding


def trouble_with(*words: str) -> Callable[[Night], bool]:
    """The newest reading of the lag meter says these words."""
    return lambda night: (
        bool(night.samples) and all(word in night.samples[-1].trouble for word in words)
    )


def well(night: Night) -> bool:
    """The newest reading has no trouble, and the new server keeps up."""
    newest = night.samples[-1] if night.samples else None
    return newest is not None and not newest.trouble and (newest.behind_s or 9.0) < 1.0


async def made_and_ended_on_the_server(night: Rehearsed, name: str, application: str) -> None:
    """What the card tells to do ends the fault too."""
    server = "old" if name == "long-transaction" else "new"
    await night.run(
        server,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE application_name = '{application}'",
    )
    assert await until(lambda: at_work(night) == (), PATIENCE_S)


@pytest.mark.parametrize("name", ["stalled-subscription", "lost-slot"])
async def test_before_the_copy_there_is_nothing_to_break(shared: Rehearsed, name: str) -> None:
    with pytest.raises(HostError, match="yet") as refused:
        await shared.box.fault(name)
    assert "Replication setup" in refused.value.remedy
    assert at_work(shared) == ()


async def test_without_a_road_none_is_spoilt(shared: Rehearsed) -> None:
    with pytest.raises(HostError, match="stands on none"):
        await shared.box.fault("bad-road")
    assert at_work(shared) == ()


async def test_a_long_transaction_is_seen_by_preflight(shared: Rehearsed, walk: Walk) -> None:
    said = await shared.box.fault("long-transaction")
    assert at_work(shared) == ("long-transaction",)
    assert "at work already" in await shared.box.fault("long-transaction")
    finding = await found(walk, "preflight", "pg.long_transactions", "warn")
    pid = said.partition("pid ")[2].split()[0]
    assert f"pid {pid} (app" in finding.figure
    assert "slot waits" in finding.says and "pg_terminate_backend" in finding.todo
    await shared.box.fault("long-transaction", undo=True)
    assert at_work(shared) == ()
    await found(walk, "preflight", "pg.long_transactions", "pass")
    assert "not at work" in await shared.box.fault("long-transaction", undo=True)


async def test_a_long_transaction_ends_where_its_session_is_ended(shared: Rehearsed) -> None:
    await shared.box.fault("long-transaction")
    await made_and_ended_on_the_server(shared, "long-transaction", "month-end report")


async def test_ddl_before_the_copy_is_taken_back(shared: Rehearsed) -> None:
    """As the window has it done: by another process."""
    columns = "SELECT count(*) FROM pg_attribute WHERE attname LIKE 'gift%' AND NOT attisdropped"
    said = await asyncio.to_thread(rehearse.fault, shared.folder, "ddl-in-mid-copy", undo=False)
    assert "ADD COLUMN" in said
    assert rehearse.faults_of(shared.folder) == ("ddl-in-mid-copy",)
    assert await shared.value("old", columns) == 1
    await asyncio.to_thread(rehearse.fault, shared.folder, "ddl-in-mid-copy", undo=True)
    assert rehearse.faults_of(shared.folder) == ()
    assert await shared.value("old", columns) == 0


async def test_a_subscription_that_stands_still_names_who_holds_it(
    shared: Rehearsed, walk: Walk
) -> None:
    await walk.copy()
    await walk.until(well, PATIENCE_S)
    said = await shared.box.fault("stalled-subscription")
    pid = said.partition("pid ")[2].split(";")[0]
    blocked = trouble_with("nothing is applied", f"pg_terminate_backend({pid})", "psql")
    night = await walk.until(blocked, PATIENCE_S)
    assert not any(gate.holds for gate in night.gates.values())
    await shared.box.fault("stalled-subscription", undo=True)
    await walk.until(well, PATIENCE_S)
    await shared.box.fault("stalled-subscription")
    await walk.until(trouble_with("nothing is applied"), PATIENCE_S)
    await made_and_ended_on_the_server(shared, "stalled-subscription", "psql")
    await walk.until(well, PATIENCE_S)


async def test_ddl_stops_the_subscription_and_the_meter_says_where_to_look(
    shared: Rehearsed, walk: Walk
) -> None:
    await walk.until(well, PATIENCE_S)
    await shared.box.fault("ddl-in-mid-copy")
    stopped = trouble_with("nobody reads", "apply errors", "a column or table that only the source")
    await walk.until(stopped, PATIENCE_S)
    drift = await found(walk, "lag", "pg.schema_drift", "stop")
    assert "column public.orders.gift_1" in drift.figure and "same DDL" in drift.todo
    await shared.box.fault("ddl-in-mid-copy", undo=True)
    await walk.until(well, PATIENCE_S)
    await found(walk, "lag", "pg.schema_drift", "pass")


async def test_a_killed_engine_comes_back(shared: Rehearsed, walk: Walk) -> None:
    before = walk.night.engine_pid
    command = [sys.executable, "-m", "rehearsal", "fault", str(shared.box.folder), "killed-engine"]
    ended = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, cwd=ROOT, check=False, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    assert f"pid {before}" in json.loads(ended.stdout)["says"]
    assert await until(lambda: shared.night().engine_pid not in (None, before), PATIENCE_S)
    assert at_work(shared) == ()
    assert "nothing to take back" in await shared.box.fault("killed-engine", undo=True)


async def test_a_lost_slot_is_called_lost(shared: Rehearsed, walk: Walk) -> None:
    await walk.until(well, PATIENCE_S)
    before = await shared.value("old", "SHOW max_slot_wal_keep_size")
    await shared.box.fault("lost-slot")
    await walk.until(trouble_with("is lost", "begin again"), PATIENCE_S)
    kept = await found(walk, "preflight", "pg.slot_retention", "warn")
    assert "max_slot_wal_keep_size = 1MB" in kept.figure and kept.remedy
    await shared.box.fault("lost-slot", undo=True)
    assert await shared.value("old", "SHOW max_slot_wal_keep_size") == before
    assert at_work(shared) == ()


async def test_after_a_lost_slot_the_steps_copy_again(shared: Rehearsed, walk: Walk) -> None:
    """As the card and the meter say."""
    for phase in ("aftercare", "replication"):
        await walk.look(phase, stopped_by=())
    await again(walk, "undo-subscription@new/shop")
    await again(walk, "undo-slot@old/shop")
    session = await shared.server("new").connect()
    try:
        await session.execute("DROP DATABASE shop WITH (FORCE)")
    finally:
        await session.close()
    steps = [step.id for step in walk.night.plan("replication")]
    for step in steps[steps.index("database@new") :]:
        await again(walk, step)
    await walk.until(well, PATIENCE_S)


async def again(walk: Walk, step_id: str) -> None:
    """Run a step, settled or not."""
    before = walk.night.state_of(step_id)
    step = walk.night.steps[step_id]
    for server in step.servers if step.danger else ():
        await walk._send(Confirm(id=new_id(), phase=step.phase, server=server))
    await walk._send(RunStep(id=new_id(), step=step_id))

    def over(night: Night) -> bool:
        state = night.state_of(step_id)
        return state is not before and not state.running and state.outcome is not None

    night = await walk.until(over, PATIENCE_S)
    assert night.state_of(step_id).settled, night.state_of(step_id).error


def test_every_fault_was_tried_here() -> None:
    tried = {
        "long-transaction",
        "stalled-subscription",
        "lost-slot",
        "ddl-in-mid-copy",
        "killed-engine",
        "bad-road",
    }
    assert set(BY_NAME) == tried
