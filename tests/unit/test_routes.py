"""The runbook: which steps there are in which order, what is kept of a loan, what a gate says."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actions.traffic import lower_login_retry
from checks.facts import (
    Facts,
    IdentityIndex,
    Locale,
    MaterializedView,
    Role,
    ServerFacts,
    Table,
    TableSequence,
)
from profiles import events as ev
from profiles.errors import HostError
from profiles.events import Sampled
from profiles.findings import Finding
from profiles.fold import Night, fold
from profiles.phases import PHASES
from profiles.profile import (
    Address,
    ByHand,
    ConnectionFile,
    Endpoint,
    LocalHost,
    Login,
    PgBouncer,
    Profile,
    ReplicationTunnel,
    Server,
    SshHost,
)
from profiles.steps import FileEdit, LooseEnd, Sql, Step, Words, shown
from routes import postgres_logical
from routes.gates import Behind
from routes.given import Given, TunnelGiven
from routes.route import ROUTES, route_of

CLIENT = Login(user="app")
POOL = PgBouncer(
    name="pool", address="h", database="shop", config="/ini", client=CLIENT, host=LocalHost()
)
READERS = msgspec.structs.replace(POOL, name="readers", access="read")
ENV = ConnectionFile(name="env", path="/srv/.env", replace={"P=1": "P=2"}, client=CLIENT)
CRON = ByHand(name="cron", address="cron01", how="Edit its file.")
START = datetime(2026, 3, 1, tzinfo=UTC)


def a_server(name: str, version: int) -> ServerFacts:
    return ServerFacts(
        name=name,
        version=f"{version}.1",
        version_num=version * 10000 + 1,
        system_identifier=name,
        wizard="postgres",
        superuser=True,
        data_directory="/d",
        config_file="/d/postgresql.conf",
        hba_file="/d/pg_hba.conf",
        wal_level="logical",
        listen_addresses="*",
        port=5432,
        tls=False,
    )


def a_role(name: str, part: Any, **more: bool) -> Role:
    flags = {"login": True, "superuser": False, "replication": False} | more
    return Role(name=name, quoted=f'"{name}"', part=part, **flags)


def a_table(name: str, kind: str = "r") -> Table:
    return Table(
        schema="public",
        name=name,
        quoted=f"public.{name}",
        kind=kind,
        partition=False,
        replica_identity="d",
        size_bytes=1,
        estimated_rows=1,
    )


FACTS = Facts(
    source=a_server("old", 16),
    destination=a_server("new", 18),
    database="shop",
    owner="shop owner",
    size_bytes=1,
    locale=Locale(
        encoding="UTF8", collate="de'DE", ctype="C", provider="i", provider_locale="de-CH"
    ),
    tables=(a_table("orders"), a_table("payments", "p")),
    sequences=(
        TableSequence(
            schema="public",
            name="s",
            quoted="public.s",
            identity=False,
            owner_table=None,
            owner_column=None,
        ),
    ),
    identity_indexes=(
        IdentityIndex(
            schema="public",
            table="orders",
            name="by ref",
            owner="o",
            primary=False,
            chosen=True,
            constraint=None,
        ),
        IdentityIndex(
            schema="public",
            table="orders",
            name="orders_pkey",
            owner="o",
            primary=True,
            chosen=False,
            constraint="orders_pkey",
        ),
    ),
    materialized_views=(
        MaterializedView(schema="public", name="v", quoted="public.v", populated=True),
        MaterializedView(schema="public", name="w", quoted="public.w", populated=False),
    ),
    roles=(
        a_role("app", "application"),
        a_role("batch", "may still write"),
        a_role("postgres", "wizard", superuser=True),
        a_role("nightferry_repl", "replication", replication=True),
        a_role("people", "no login", login=False),
    ),
    destination_roles=("postgres",),
    extensions=(),
    publication=False,
    slot=False,
    subscription=False,
    destination_database=False,
)


def given(*endpoints: Endpoint, night: Night | None = None, **more: Any) -> Given:
    old = Server(
        name="old",
        address="10.0.0.1",
        country="NO",
        operated_by="us",
        may_still_write=["batch"],
        host=LocalHost(),
        seen_from_destination=Address(address="192.0.2.7", port=6543),
    )
    new = Server(name="new", address="10.0.0.2", country="NO", operated_by="us")
    profile = Profile(
        name="shop", databases=["shop"], source=old, destination=new, endpoints=[*endpoints]
    )
    fields: dict[str, Any] = {
        "profile": profile,
        "facts": FACTS,
        "findings": (),
        "night": night or Night(),
        "tools": "/usr/lib/postgresql/18/bin",
        "login_retry": {"pool": None},
        "configured": {"old": {"max_wal_senders": "5"}, "new": {}},
        "folder": Path("/state/night"),
    }
    return Given(**(fields | more))


def kinds(steps: list[Step]) -> list[str]:
    return [step.id.partition("@")[0] for step in steps]


ALL = given(POOL, READERS, ENV, CRON)


def test_every_phase_has_its_steps_or_none() -> None:
    for phase in PHASES:
        steps = postgres_logical.steps(phase.id, ALL)
        assert all(step.phase == phase.id for step in steps)
        assert bool(steps) == (phase.id in ("replication", "cutover"))


def test_ids_name_a_step_and_where_it_runs_once() -> None:
    steps = [*postgres_logical.replicate(ALL), *postgres_logical.cut_over(ALL)]
    ids = [step.id for step in steps]
    assert len(set(ids)) == len(ids)
    places = {"old", "new", "old/shop", "new/shop", "pool", "readers", "env", "cron"}
    for step in steps:
        name, _, place = step.id.partition("@")
        assert re.fullmatch(r"[a-z-]+", name)
        assert place in places
        assert step.leaves is None or step.leaves.id == step.id
        assert step.leaves is None or step.leaves.settled_by == f"undo-{step.id}"
        assert step.leaves is None or (step.undo and step.undone)
        assert not step.danger or step.servers


def test_the_runbook_of_the_replication() -> None:
    steps = postgres_logical.replicate(ALL)
    assert kinds(steps) == [
        *("hba", "role", "roles", "database", "settings", "helpers", "helpers", "schema"),
        *("publication", "slot", "subscription", "copied", "indexes", "matviews", "analyze"),
    ]
    by_kind = dict(zip(kinds(steps), steps, strict=True))
    said = {kind: " ".join(shown(it) for it in step.commands) for kind, step in by_kind.items()}
    assert "nightferry_repl" not in said["roles"]
    assert "public.orders" in said["publication"]
    assert "public.payments" not in said["publication"]
    assert "host=192.0.2.7 port=6543" in said["subscription"]
    assert "public.v" in said["matviews"]
    assert "public.w" not in said["matviews"]
    assert "' INDEX public by ref '" in said["schema"]
    assert "orders_pkey" not in said["schema"]
    assert "LC_COLLATE 'de''DE'" in said["database"]
    assert "LOCALE_PROVIDER icu ICU_LOCALE 'de-CH'" in said["database"]


def through_a_tunnel(*findings: Finding, server_address: str | None = "10.0.0.1") -> Given:
    profile = msgspec.structs.replace(
        ALL.profile,
        source=msgspec.structs.replace(
            ALL.profile.source,
            tls="verify-full",
            seen_from_destination=None,
            replication_tunnel=ReplicationTunnel(
                login="ferry@db1", login_port=2222, comes_from="192.0.2.9", local_port=7000
            ),
        ),
        destination=msgspec.structs.replace(ALL.profile.destination, host=SshHost(ssh="db2")),
    )
    server = msgspec.structs.replace(FACTS.source, address=server_address)
    return given(
        profile=profile,
        facts=msgspec.structs.replace(FACTS, source=server),
        findings=findings,
        folder=Path("/state/shop-20260301-0500-abcd"),
        tunnel=TunnelGiven("process", "ssh-ed25519 AAAA"),
    )


def test_replication_through_a_tunnel() -> None:
    steps = postgres_logical.replicate(through_a_tunnel())
    assert kinds(steps)[:3] == ["hba", "tunnel", "role"]
    by_kind = dict(zip(kinds(steps), steps, strict=True))
    said = {kind: "\n".join(shown(it) for it in step.commands) for kind, step in by_kind.items()}
    assert "-L 127.0.0.1:7000:10.0.0.1:5432 ferry@db1" in said["tunnel"]
    assert "[db1]:2222 ssh-ed25519 AAAA" in said["tunnel"]
    assert 'permitopen="10.0.0.1:5432",from="192.0.2.9"' in said["tunnel"]
    assert "Compression" not in said["tunnel"]
    assert "hostssl shop nightferry_repl 10.0.0.1/32" in said["hba"]
    assert "hostssl shop postgres 10.0.0.1/32" in said["hba"]
    for kind in ("subscription", "schema"):
        assert "host=10.0.0.1 port=7000 hostaddr=127.0.0.1" in said[kind]
        assert "sslmode=verify-full" in said[kind]
    assert by_kind["tunnel"].holds[-1].answer == FACTS.source.system_identifier
    assert by_kind["schema"].leaves is not None


def test_a_source_that_is_reached_by_its_socket_is_still_tunnelled_to() -> None:
    steps = postgres_logical.replicate(through_a_tunnel(server_address=None))
    said = "\n".join(shown(it) for step in steps[:2] for it in step.commands)
    assert "127.0.0.1:7000:127.0.0.1:5432" in said
    assert "nightferry_repl 127.0.0.1/32" in said


def test_a_tunnel_is_compressed_where_the_road_wants_it() -> None:
    wanted = wants("tunnel", "Compression yes", "new")
    slow = through_a_tunnel(wanted)
    step = postgres_logical.replicate(slow)[1]
    assert "-o Compression=yes" in shown(step.commands[0])
    assert postgres_logical.preflight(slow) == []


def test_without_a_way_to_the_source_nothing_is_dumped() -> None:
    source = msgspec.structs.replace(ALL.profile.source, by_tunnel=True, host=SshHost(ssh="db1"))
    profile = msgspec.structs.replace(ALL.profile, source=source)
    with pytest.raises(HostError, match="Name the host of new"):
        postgres_logical.replicate(given(profile=profile))


def test_without_materialised_views_nothing_fills_them() -> None:
    facts = msgspec.structs.replace(FACTS, materialized_views=())
    assert "matviews" not in kinds(postgres_logical.replicate(given(facts=facts)))


def test_the_checklist_has_what_can_be_done_before_the_pause_before_it() -> None:
    steps = postgres_logical.cut_over(ALL)
    assert [step.id for step in steps] == [
        *("login-retry@pool", "proof@pool", "proof@env", "commit@new/shop"),
        *("checkpoint@old", "checkpoint@new", "blockers@old"),
        *("arm@old/shop", "timer@pool", "pause@pool", "fence@old", "drain@new/shop"),
        *("sequences@new/shop", "turn@old/shop", "open@new"),
        *("point@pool", "point@env", "resume@pool", "written@pool", "written@env"),
        *("point@readers", "point@cron"),
    ]
    paused = [step.paused for step in steps]
    assert paused == [False] * 7 + [True] * 13 + [False] * 2
    turn = [step.id for step in steps].index("turn@old/shop")
    assert [step.after_turn for step in steps] == [at > turn for at in range(len(steps))]
    assert isinstance(steps[-1].commands[0], Words)


def test_the_fence_closes_the_application_and_spares_who_is_named() -> None:
    fence = next(it for it in postgres_logical.cut_over(ALL) if it.id == "fence@old")
    close = fence.commands[0]
    assert isinstance(close, Sql)
    assert re.findall(r'ALTER ROLE "(\w+)" NOLOGIN', close.text) == ["app"]


def wants(name: str, value: str, server: str = "old") -> Finding:
    return Finding(
        check=f"pg.{name}",
        phase="preflight",
        verdict="stop",
        figure="",
        remedy=f"{name}@{server}",
        wants=value,
    )


def test_one_restart_comes_after_all_the_settings_that_need_it() -> None:
    findings = [
        wants("wal_level", "logical"),
        wants("max_wal_senders", "10"),
        wants("max_sync_workers_per_subscription", "2", "new"),
        wants("max_replication_slots", "9", "new"),
        Finding(check="x", phase="preflight", verdict="stop", figure="", remedy="role@old"),
    ]
    steps = postgres_logical.steps("preflight", given(findings=findings))
    assert [step.id for step in steps] == [
        *("wal_level@old", "max_wal_senders@old"),
        *("max_sync_workers_per_subscription@new", "max_replication_slots@new"),
        *("restart@old", "restart@new"),
    ]
    assert ["restart" in step.why for step in steps[:4]] == [True, True, False, True]
    restart = steps[4]
    assert restart.by_hand
    assert [evidence.answer for evidence in restart.holds] == ["logical", "10"]
    assert "wal_level = logical, max_wal_senders = 10" in str(restart.commands[0])
    undone = {step.id: step.undone[0].answer for step in steps[:2]}
    assert undone == {"wal_level@old": "", "max_wal_senders@old": "5"}


def lent(*steps: Step, settled: bool = False) -> Night:
    events: list[ev.Event] = [ev.Planned(phase="cutover", steps=steps)]
    for step in steps:
        assert step.leaves is not None
        events.append(ev.LooseEndOpened(loose_end=step.leaves))
        events += [ev.LooseEndSettled(id=step.leaves.id)] if settled else []
    return fold(msgspec.structs.replace(it, seq=at, at=START) for at, it in enumerate(events, 1))


def test_a_loan_keeps_the_undo_it_was_made_with() -> None:
    """Looked at again, the ini and postgresql.auto.conf say what we have set ourselves."""
    night = lent(lower_login_retry(POOL, "server_login_retry = 9"))
    now = given(POOL, night=night, login_retry={"pool": "server_login_retry = 1"})
    step = postgres_logical.steps("cutover", now)[0]
    assert step.id == "login-retry@pool"
    edit = step.undo[0]
    assert isinstance(edit, FileEdit)
    assert edit.replace[0].new == "server_login_retry = 9"
    assert step.undone[0].answer == "9"


def test_a_loan_that_was_given_back_is_made_anew() -> None:
    night = lent(lower_login_retry(POOL, "server_login_retry = 9"), settled=True)
    now = given(POOL, night=night, login_retry={"pool": "server_login_retry = 7"})
    assert postgres_logical.steps("cutover", now)[0].undone[0].answer == "7"


def lasts_longest(step: Step) -> bool:
    return step.id in ("tunnel@new", "schema@new/shop")


def test_what_is_left_is_settled_in_the_order_that_works() -> None:
    loans = [
        step
        for step in (*postgres_logical.replicate(ALL), *postgres_logical.cut_over(ALL))
        if step.leaves is not None
    ]
    loans += [
        step for step in postgres_logical.replicate(through_a_tunnel()) if lasts_longest(step)
    ]
    loans.append(postgres_logical.preflight(given(findings=[wants("wal_level", "logical")]))[0])
    steps = postgres_logical.steps("aftercare", given(POOL, night=lent(*reversed(loans))))
    order = kinds(steps)
    assert order[0] == "undo-subscription"
    assert order[-5:] == [
        *("undo-tunnel", "undo-slot", "undo-publication", "undo-role", "undo-hba")
    ]
    assert sorted(order) == sorted(f"undo-{kind}" for kind in kinds(loans))
    assert postgres_logical.settle(given(night=lent(*loans, settled=True))) == []


def test_what_is_for_the_copy_alone_is_settled_in_the_checklist_before_the_pause() -> None:
    loose = LooseEnd(
        id="x@new", server="new", what="x = off", settled_by="undo-x@new", before_traffic=True
    )
    night = lent(Step(id="x@new", phase="tuning", title="Set x", leaves=loose))
    steps = postgres_logical.steps("cutover", given(POOL, night=night))
    (settling,) = [step for step in steps if step.settles == "x@new"]
    assert (settling.id, settling.phase, settling.paused) == ("undo-x@new", "cutover", False)
    assert steps.index(settling) < next(at for at, step in enumerate(steps) if step.paused)
    assert [step.id for step in postgres_logical.settle(given(night=night))] == ["undo-x@new"]


def test_the_route_of_a_profile() -> None:
    assert route_of(ALL.profile) is ROUTES["postgres-logical"]
    gates = route_of(ALL.profile).gates(ALL.profile)
    assert [(gate.less_than_s, gate.for_s) for gate in gates] == [(1.0, 60.0)]


@pytest.mark.parametrize(
    ("sample", "holds", "figure"),
    [
        (Sampled(behind_s=0.4), True, "behind < 1 s for 60 s: 0.40 s, held 3 s"),
        (Sampled(behind_s=1.0), False, "behind < 1 s for 60 s: 1.00 s, held 3 s"),
        (Sampled(), False, "behind < 1 s for 60 s: no heartbeat has arrived yet"),
        (Sampled(behind_s=0.1, trouble="no slot"), False, "behind < 1 s for 60 s: no slot"),
    ],
)
def test_a_gate_counts_only_what_was_measured(sample: Sampled, holds: bool, figure: str) -> None:
    gate = Behind(1.0, 60.0)
    assert gate.holds(sample) is holds
    assert gate.figure(sample, 3.0) == figure
