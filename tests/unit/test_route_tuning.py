"""The phase Host tuning as the route renders it: whose restart it is, and which door is opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from checks.facts import Facts
from profiles import events as ev
from profiles.findings import Finding
from profiles.fold import Night, fold
from profiles.machine import Cpu, HostSeen, Memory, Place, Proposal, ServerProcess
from profiles.profile import Profile, ReplicationTunnel
from profiles.steps import Step, shown
from routes import postgres_logical
from routes.given import Given
from tests.fix_looks import A_PROFILE

BUFFERS = Proposal(
    id="tune-shared_buffers@new",
    server="new",
    area="postgresql",
    name="shared_buffers",
    now="128MB",
    proposed="16GB",
    why="So.",
    arithmetic="1",
    rule="a manual",
    takes_effect="restart",
)
SENDERS = msgspec.structs.replace(BUFFERS, id="tune-max_wal_senders@old", server="old")
SHUT = Finding(
    check="host.firewall", phase="tuning", verdict="stop", figure="", remedy="firewall@old"
)
ARMED = ev.Armed(attempt=1, direction="forward", roles=(), may_still_write=(), deadline_s=10.0)
MOVED = (ARMED, ev.StretchMoved(attempt=1, state="moved"))


def a_host(name: str) -> HostSeen:
    return HostSeen(
        host=name,
        watched_s=0,
        cpu=Cpu(cores=1),
        memory=Memory(total=1),
        places=(Place(what="data", path="/data"),),
        process=ServerProcess(user="postgres", unit="postgresql.service"),
        firewall="nftables",
        input_chains=("inet filter input",),
    )


def a_night(*more: ev.Event) -> Night:
    seen = (ev.HostLooked(server=name, seen=a_host(name)) for name in ("old", "new"))
    told = (*seen, ev.Proposed(proposals=(BUFFERS, SENDERS), skipped=()), *more)
    return fold(msgspec.structs.replace(one, seq=n) for n, one in enumerate(told, start=1))


def tuned(profile: Profile, night: Night) -> dict[str, Step]:
    set_already = {name: {"shared_buffers": "16GB"} for name in ("old", "new")}
    given = Given(
        profile=profile,
        facts=cast(Facts, None),  # this phase needs none
        findings=[SHUT],
        night=night,
        tools="",
        login_retry={},
        configured=set_already,
        folder=Path("/state"),
    )
    return {step.id: step for step in postgres_logical.tune(given)}


def changed(**changes: Any) -> Profile:
    return msgspec.structs.replace(A_PROFILE, **changes)


def test_the_wizard_restarts_the_destination_and_never_the_source() -> None:
    steps = tuned(A_PROFILE, a_night())
    assert not steps["restart-tuned@new"].by_hand
    assert steps["restart-tuned@old"].by_hand


@pytest.mark.parametrize(
    ("profile", "night"),
    [(changed(rehearsal=True), a_night()), (A_PROFILE, a_night(*MOVED))],
    ids=["a rehearsal's supervisor has it", "users are there by now"],
)
def test_neither_is_restarted_by_the_wizard(profile: Profile, night: Night) -> None:
    steps = tuned(profile, night)
    assert steps["restart-tuned@new"].by_hand and steps["restart-tuned@old"].by_hand


def door(profile: Profile) -> str:
    return shown(tuned(profile, a_night())["firewall@old"].commands[0])


def test_the_door_is_the_databases_for_the_destination() -> None:
    new = msgspec.structs.replace(A_PROFILE.destination, address="10.0.0.2")
    assert "ip saddr 10.0.0.2 tcp dport 5416 accept" in door(changed(destination=new))
    elsewhere = msgspec.structs.replace(new, comes_from="10.9.9.9")
    assert "ip saddr 10.9.9.9 tcp dport 5416 accept" in door(changed(destination=elsewhere))


def test_the_door_of_a_tunnel_is_that_of_ssh() -> None:
    tunnel = ReplicationTunnel(login="ferry@db1", login_port=2222, comes_from="192.0.2.9")
    old = msgspec.structs.replace(A_PROFILE.source, replication_tunnel=tunnel)
    assert "ip saddr 192.0.2.9 tcp dport 2222 accept" in door(changed(source=old))
