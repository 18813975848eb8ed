"""The pooler's checks against a real PgBouncer: as it should be, and after an edit of its ini."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from checks.catalogue import PREFLIGHT
from checks.check import HERE, Look
from checks.runner import run_checks
from connections.host import ThisMachine
from connections.pgbouncer import Console, open_console
from connections.postgres import connect_as
from profiles.profile import LocalHost
from tests.fix_connections import ADMIN_PASSWORD, CLIENT_PASSWORD, Lab, PooledLab
from tests.fix_looks import a_profile, a_server, finding

pytestmark = pytest.mark.live

POOLER_CHECKS = [one for one in PREFLIGHT if one.sides in (("pooler",), ("endpoint",))]


@asynccontextmanager
async def looking(lab: Lab, pooled: PooledLab) -> AsyncIterator[tuple[Look, Console]]:
    endpoint = msgspec.structs.replace(pooled.endpoint, host=LocalHost())
    profile = a_profile(lab.choice, a_server("new", 1), endpoint, database=endpoint.database)

    @asynccontextmanager
    async def client(name: str, database: str | None) -> AsyncIterator[Any]:
        session = await connect_as(pooled.login, CLIENT_PASSWORD)
        try:
            yield session
        finally:
            await session.close()

    console = await open_console(endpoint, ADMIN_PASSWORD)
    try:
        machines = {HERE: ThisMachine(), "pool": ThisMachine()}
        yield Look(profile, {}, {"pool": console}, machines, client), console
    finally:
        await console.close()


async def test_a_pooler_that_is_set_up_well_is_not_unknown(lab: Lab, pooled: PooledLab) -> None:
    async with looking(lab, pooled) as (look, _):
        found = {one.check: one async for one in run_checks(POOLER_CHECKS, look)}
    verdicts = {id_: one.verdict for id_, one in found.items()}
    assert verdicts.pop("pooler.query_wait_timeout") in ("note", "pass")
    assert verdicts.pop("pooler.server_login_retry") in ("note", "pass")
    assert verdicts.pop("pooler.other_pools") == "warn"
    assert "shop_admin" in found["pooler.other_pools"].figure
    assert set(verdicts.values()) == {"pass"}, found
    assert ADMIN_PASSWORD not in repr(found)


async def test_what_an_edit_of_the_ini_can_spoil(lab: Lab, pooled: PooledLab) -> None:
    config = pooled.running.config
    good = config.read_text()
    source = f"host=127.0.0.1 port={lab.running.port} dbname=shop"
    bad = {
        "pooler.other_pools": good.replace("[databases]\n", f"[databases]\nsecond = {source}\n", 1),
        "pooler.pool_mode": good.replace("pool_mode = transaction", "pool_mode = session"),
        "pooler.target": good.replace(f"port={lab.running.port}", "port=1"),
    }
    async with looking(lab, pooled) as (look, console):
        for id_, text in bad.items():
            assert text != good
            config.write_text(text)
            await console.run("RELOAD")
            assert (await finding(look, id_)).verdict == "stop"
        config.write_text(good)
        assert (await finding(look, "pooler.config")).verdict == "stop"
        await console.run("RELOAD")
        assert (await finding(look, "pooler.config")).verdict == "pass"
