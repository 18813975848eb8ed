"""A firewall on a real kernel: it keeps the destination out, is seen, and lets one address in."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

import pytest

from actions.firewall import open_port
from checks import machine as hosts
from checks.check import Look
from checks.host.gather import gather
from checks.network import measure
from connections.hands import Hands
from connections.host import Ran, ThisMachine
from connections.hosts import Hosts
from connections.passwords import Passwords
from engine.runner import Runner
from profiles.errors import AnswerError
from profiles.machine import HostSeen
from profiles.steps import Step
from rehearsal.road import Place, Road
from tests.fix_actions import ANight, a_night
from tests.fix_looks import MadeUpSession, a_profile, a_server, finding
from tests.fix_road import OnPlace, listening
from tests.fix_ssh import SBIN

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("nights_here")]

PORT = 5432
PATH = f"/usr/bin:/bin:{SBIN}"
RULES = """
table inet filter {
  chain input {
    type filter hook input priority 0; policy drop;
    ct state established,related accept
    meta l4proto ipv6-icmp accept
    tcp dport { 22, 80 } accept
  }
}
table ip guard {
  chain before {
    type filter hook input priority -5; policy accept;
    tcp dport 5432 counter drop
  }
}
table inet other {
  chain out { type filter hook output priority 0; policy accept; }
  chain open { type filter hook input priority 5; policy accept; }
}
"""


class Far:
    """A host of the road as its root: what may ask nft there, and change its rules."""

    def __init__(self, place: Place) -> None:
        self.name = "the host of old"
        self._place = place

    async def run(
        self,
        line: str,
        *,
        deadline_s: float,
        env: Mapping[str, str] = {},
        files: Mapping[str, str] = {},
        on_line: Callable[[str], None] | None = None,
        as_user: str | None = None,
    ) -> Ran:
        assert as_user in (None, "root") and not files
        there = shlex.join(self._place.as_root(["/bin/sh", "-c", line]))
        return await ThisMachine(self.name).run(
            f"exec {there}", deadline_s=deadline_s, env={**env, "PATH": PATH}, on_line=on_line
        )

    async def read(self, path: str) -> str:
        raise AssertionError(f"not expected: {path}")

    def nft(self, *words: str, rules: str = "") -> str:
        argv = self._place.as_root([NFT or "nft", *words])
        ran = subprocess.run(argv, input=rules, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout


NFT = shutil.which("nft", path=PATH)


@pytest.fixture
def far(road: Road) -> Far:
    """With nothing let in at the port."""
    if NFT is None:
        pytest.skip("there is no nft: apt-get install nftables")
    made = Far(road.far)
    asked = subprocess.run(
        road.far.as_root([NFT, "list", "ruleset"]), capture_output=True, text=True, check=False
    )
    if asked.returncode != 0:
        pytest.skip(f"this kernel has no nf_tables: {asked.stderr.strip()}")
    made.nft("-f", "-", rules=RULES)
    return made


@pytest.fixture
def near(road: Road, monkeypatch: pytest.MonkeyPatch) -> OnPlace:
    """It, like us, does not watch or wait for long."""
    monkeypatch.setattr(hosts, "WATCHED_S", 0.05)
    return OnPlace(road.near)


@pytest.fixture
def night(far: Far) -> Iterator[ANight]:
    """Whose hands reach the far host only."""

    class TheHosts:
        def of(self, name: str | None) -> Far:
            assert name == "old"
            return far

    profile = a_profile(a_server("old", PORT), a_server("new", PORT))
    with a_night(profile) as begun:
        hosts = cast(Hosts, TheHosts())
        hands = Hands(profile, Passwords(profile), hosts)
        yield replace(begun, hands=hands, runner=Runner(begun.live, hands))


async def seen(far: Far) -> HostSeen:
    return await gather(far, "old", [], 0.01, None)


async def reached(near: OnPlace, address: str = Road.far_address) -> bool:
    (trip,) = await measure.trips(near, [(address, PORT)])
    return trip.took_ms is not None


def the_step(host: HostSeen, address: str = Road.near_address) -> Step:
    step = open_port("old", host, address, PORT)
    assert step is not None
    return step


async def test_the_chains_that_refuse_something_are_seen(far: Far, road: Road) -> None:
    found = await seen(far)
    assert found.firewall == "nftables"
    assert set(found.input_chains) == {"inet filter input", "ip guard before"}
    far.nft("flush", "ruleset")
    nothing = await seen(far)
    assert (nothing.firewall, nothing.input_chains) == (None, ())
    other: Any = OnPlace(road.far)
    assert "firewall: only root may ask" in (await gather(other, "old", [], 0.01, None)).unread


async def test_one_address_is_let_in_and_shut_out_again(
    far: Far, near: OnPlace, night: ANight, road: Road
) -> None:
    before = far.nft("list", "ruleset")
    with listening(road.far, PORT):
        shut = await finding(looking(far, near), "host.firewall")
        assert (shut.verdict, shut.remedy) == ("stop", "firewall@old")
        assert "there is a step for nftables" in shut.todo
        step = the_step(await seen(far))
        assert await night.runs(step, step) == ["done", "already"], night.ended(step).error
        assert await reached(near)
        open_now = await finding(looking(far, near), "host.firewall")
        assert open_now.verdict == "pass", open_now
        pool: Any = OnPlace(road.pool)
        assert not await reached(pool), "exactly one address"
        assert await night.runner.undo(step) == "undone", night.ended(step).error
        assert not await reached(near)
    assert counted(far.nft("list", "ruleset")) == counted(before)
    assert not night.live.state.open_loose_ends()


async def test_over_ipv6_too(far: Far, near: OnPlace, night: ANight, road: Road) -> None:
    with listening(road.far, PORT):
        assert not await reached(near, Road.far_address_v6)
        step = the_step(await seen(far), Road.near_address_v6)
        assert await night.runs(step) == ["done"], night.ended(step).error
        assert await reached(near, Road.far_address_v6)
        assert await night.runner.undo(step) == "undone", night.ended(step).error
        assert not await reached(near, Road.far_address_v6)


async def test_a_chain_that_is_gone_leaves_no_half_of_a_rule(far: Far, night: ANight) -> None:
    step = the_step(await seen(far))
    far.nft("delete", "table", "ip", "guard")
    assert await night.runs(step) == ["failed"]
    assert "No such file or directory" in night.ended(step).error
    assert "nightferry" not in far.nft("list", "ruleset")


async def test_rules_loaded_anew_are_undone_without_a_complaint(far: Far, night: ANight) -> None:
    step = the_step(await seen(far))
    assert await night.runs(step) == ["done"]
    far.nft("flush", "ruleset")
    far.nft("-f", "-", rules=RULES)
    assert not await night.holds(step)
    assert await night.runner.undo(step) == "undone"


def looking(far: Far, near: OnPlace) -> Look:
    refused = AnswerError("old", "look where it keeps its things", "permission denied")
    answers: dict[str, Any] = {
        "every_address": [{"every_address": False}],
        "data_directory": refused,
        "postmaster.pid": refused,
    }
    machines: dict[str, Any] = {"old": far, "new": near}
    profile = a_profile(a_server("old", PORT, address=Road.far_address), a_server("new", PORT))
    return Look(profile, sessions={"source": MadeUpSession(answers)}, machines=machines)


def counted(ruleset: str) -> str:
    """Without what its counters say."""
    return re.sub(r"packets \d+ bytes \d+", "", ruleset)
