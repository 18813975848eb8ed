"""Nights as lists of events, shared by the stories, the snapshots and the pictures of the README.

The shapes are real ones; some scenes are the worst there is: names of 63 bytes, forty findings,
writes paused, a lost slot.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from profiles import events as ev
from profiles.findings import Finding, Verdict
from profiles.profile import (
    LocalHost,
    Login,
    PgBouncer,
    Profile,
    SecretRef,
    Server,
)
from profiles.steps import (
    Command,
    Evidence,
    FileEdit,
    LooseEnd,
    Pooler,
    Replace,
    Shell,
    Sql,
    Step,
)

MB = 1_000_000
LONG_NAME = "a_database_server_whose_name_is_as_long_as_postgresql_allows_63"
assert len(LONG_NAME.encode()) == 63

OLD, NEW, DATABASE = "db-old", "db-new", "orders"


def a_profile(old: str = OLD, new: str = NEW, *, rehearsal: bool = False) -> Profile:
    """A move of one database behind one pooler."""
    return Profile(
        name="orders-2026",
        databases=[DATABASE],
        rehearsal=rehearsal,
        source=Server(name=old, address="10.20.0.5", country="DE", operated_by="us"),
        destination=Server(name=new, address="10.30.0.5", country="NO", operated_by="us"),
        endpoints=[
            PgBouncer(
                name="db-pool",
                address="10.20.0.9",
                database=DATABASE,
                config="/etc/pgbouncer/pgbouncer.ini",
                client=Login(user="app", password=SecretRef(env="APP_PASSWORD")),
                host=LocalHost(),
            )
        ],
    )


def began(profile: Profile | None = None) -> list[ev.Event]:
    """A night that has just begun."""
    chosen: dict[str, Any] = msgspec.to_builtins(profile or a_profile())
    return [ev.NightBegan(profile=chosen, version="0.1.0"), ev.EngineStarted(pid=4711)]


def seen(old: str = OLD, new: str = NEW) -> list[ev.Event]:
    """Both servers have let us in."""
    return [
        ev.ServerSeen(server=old, version="16.14", version_num=160014, size_bytes=212_000 * MB),
        ev.ServerSeen(server=new, version="18.4", version_num=180004, size_bytes=8 * MB),
    ]


def looked(phase: str, *findings: Finding) -> list[ev.Event]:
    """The checks of a phase, from beginning to end."""
    return [
        ev.ChecksBegan(phase=phase),
        *[ev.Found(finding=finding, server=finding.server) for finding in findings],
        ev.ChecksEnded(phase=phase, duration_ms=412.0),
    ]


def finding(check: str, phase: str, verdict: Verdict, figure: str, **more: Any) -> Finding:
    """One finding, on the old server unless it says otherwise."""
    more.setdefault("server", OLD)
    return Finding(check=check, phase=phase, verdict=verdict, figure=figure, **more)


def servers_findings(old: str = OLD, new: str = NEW) -> list[Finding]:
    """What the Servers phase finds on a quiet evening."""
    return [
        finding("pg.version", "servers", "pass", "PostgreSQL 16.14", server=old),
        finding("pg.version", "servers", "pass", "PostgreSQL 18.4", server=new),
        finding(
            "pg.tls",
            "servers",
            "note",
            "no TLS to 10.20.0.5:5432",
            server=old,
            says="the session is not encrypted; the address is private.",
            todo='Set tls = "require" where the way to it is not yours alone.',
            evidence="SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid() → f",
        ),
        finding("clock", "servers", "pass", "clocks differ by 0.004 s", server=None),
    ]


PREFLIGHT = [
    finding(
        "pg.wal_level",
        "preflight",
        "stop",
        "wal_level = replica",
        says="logical replication needs wal_level = logical; that takes a restart.",
        todo="Run the step, then restart the server when nobody minds.",
        evidence="SELECT setting FROM pg_settings WHERE name = 'wal_level' → replica",
        remedy="wal-level@db-old",
    ),
    finding(
        "pg.long_transactions",
        "preflight",
        "warn",
        "longest transaction 84 s > 60 s",
        says="making the slot waits for every transaction that began before it.",
        todo="End it, or wait: SELECT pid, query FROM pg_stat_activity …",
    ),
    finding("pg.slots", "preflight", "pass", "8 of 10 slots free"),
    finding("pg.senders", "preflight", "pass", "9 of 10 senders free"),
    finding("pg.encoding", "preflight", "pass", "UTF8, C.UTF-8 on both", server=None),
    finding(
        "pg.sizes",
        "preflight",
        "unknown",
        "sizes of 2 schemas not read",
        says="the role may not look into schema audit; never taken for a pass.",
    ),
]

WAL_LEVEL = Step(
    id="wal-level@db-old",
    phase="preflight",
    title="Set wal_level = logical",
    why="Logical decoding reads more from the log than a replica does.",
    commands=(Sql(server=OLD, database=DATABASE, text="ALTER SYSTEM SET wal_level = 'logical'"),),
    holds=(
        Evidence(
            ask=Sql(
                server=OLD,
                database=DATABASE,
                text="SELECT setting FROM pg_file_settings WHERE name = 'wal_level'",
            ),
            answer="logical",
            says="wal_level is logical from the next start",
        ),
    ),
    danger="changes a server's configuration",
    servers=(OLD,),
    leaves=LooseEnd(
        id="wal-level@db-old",
        server=OLD,
        what="wal_level = logical",
        settled_by="settle-wal-level@db-old",
    ),
)


def sql(text: str, server: str = OLD) -> Sql:
    """One statement on the moving database."""
    return Sql(server=server, database=DATABASE, text=text)


def a_step(name: str, phase: str, title: str, *commands: Command, **more: Any) -> Step:
    """A step with one loose end less to write down."""
    return Step(id=name, phase=phase, title=title, commands=commands, **more)


def replication_steps() -> list[Step]:
    """The steps of the logical route, shortened."""
    pg_hba = FileEdit(
        host=OLD,
        path="/etc/postgresql/16/main/pg_hba.conf",
        prepend=("host orders nightferry_repl 10.30.0.5/32 scram-sha-256",),
    )
    return [
        a_step(
            "role@db-old",
            "replication",
            "Make the replication role",
            sql("CREATE ROLE nightferry_repl LOGIN REPLICATION PASSWORD '••••'"),
            danger="changes a server's configuration",
            servers=(OLD,),
        ),
        a_step(
            "hba@db-old",
            "replication",
            "Let the new server in",
            pg_hba,
            sql("SELECT pg_reload_conf()"),
            danger="changes a server's configuration",
            servers=(OLD,),
        ),
        a_step(
            "schema@db-new/orders",
            "replication",
            "Bring the tables over",
            Shell(host=None, line="pg_dump --schema-only --section=pre-data | pg_restore"),
        ),
        a_step(
            "publication@db-old/orders",
            "replication",
            "Publish 63 tables",
            sql("CREATE PUBLICATION nightferry FOR TABLE public.orders, public.order_lines"),
        ),
        a_step(
            "slot@db-old/orders",
            "replication",
            "Make the slot",
            sql("SELECT pg_create_logical_replication_slot('nightferry', 'pgoutput')"),
            deadline_s=600.0,
        ),
        a_step(
            "copy@db-new/orders",
            "replication",
            "Copy every table",
            sql("CREATE SUBSCRIPTION nightferry CONNECTION '…' PUBLICATION nightferry", NEW),
        ),
        a_step(
            "indexes@db-new/orders",
            "replication",
            "Build the secondary indexes",
            Shell(host=None, line="pg_restore --section=post-data --jobs=4"),
        ),
    ]


def done(steps: list[Step], evidence: str = "seen on the server") -> list[ev.Event]:
    """Steps that were run, with their evidence."""
    told: list[ev.Event] = []
    for step in steps:
        told += [
            ev.StepBegan(step=step.id, by="wizard"),
            ev.CommandRan(step=step.id, index=0, text="…", answer="OK", duration_ms=12.0),
            ev.StepEnded(step=step.id, outcome="done", evidence=evidence, duration_ms=14.0),
        ]
    return told


def up_to_network() -> list[ev.Event]:
    """Servers and route looked at, nothing in the way."""
    return [
        *began(),
        *seen(),
        *looked("servers", *servers_findings()),
        *looked("route", *route_findings()),
    ]


def a_hop(ttl: int, host: str | None, times: tuple[float, ...], **more: Any) -> ev.ProbedHop:
    """One hop: last, average, best, worst, deviation and jitter, in milliseconds."""
    names = ("last_ms", "avg_ms", "best_ms", "worst_ms", "stdev_ms", "jitter_ms")
    figures: dict[str, Any] = dict(zip(names, times, strict=False))
    more.setdefault("sent", 142)
    return ev.ProbedHop(ttl=ttl, address=host, **figures, **more)


HOPS = (
    a_hop(1, "10.30.0.1", (0.4, 0.4, 0.3, 0.9, 0.1, 0.1)),
    a_hop(2, "192.0.2.17", (1.9, 2.0, 1.8, 3.1, 0.2, 0.2), name="nix.example.net"),
    a_hop(3, None, (), loss_percent=100.0, standing="silent"),
    a_hop(
        4,
        "198.51.100.9",
        (18.2, 19.0, 17.9, 41.3, 3.3, 2.6),
        name="core-1.transit.example.net",
        loss_percent=38.03,
        standing="limited",
    ),
    a_hop(
        5, "198.51.100.77", (24.1, 24.3, 24.0, 29.8, 0.6, 0.5), loss_percent=0.7, standing="lossy"
    ),
    a_hop(
        6,
        "10.20.0.5",
        (24.8, 24.9, 24.6, 31.0, 0.8, 0.6),
        name="db-old.frankfurt.example.net",
        loss_percent=0.7,
        standing="lossy",
        target=True,
    ),
)


def probed(*, final: bool = True, hops: tuple[ev.ProbedHop, ...] = HOPS) -> ev.Probed:
    """A road with a hop that loses, one that is silent and one that is rate-limited."""
    return ev.Probed(
        phase="network",
        origin=NEW,
        target="10.20.0.5:5432",
        leads_to=f"database port of {OLD}",
        mode="tcp",
        cycle=142,
        cycles=142 if final else 200,
        hops=hops,
        final=final,
    )


GATE_HOPS = (
    a_hop(1, "10.40.0.1", (0.5, 0.6, 0.4, 1.2, 0.1, 0.1), sent=20),
    a_hop(2, "203.0.113.6", (8.1, 8.3, 7.9, 11.0, 0.7, 0.5), mode="udp", sent=20),
    a_hop(
        3,
        "203.0.113.40",
        (9.0, 9.1, 8.8, 10.4, 0.4, 0.3),
        name="gate.example.net",
        mode="icmp",
        sent=20,
        target=True,
    ),
)


def probed_from_here() -> ev.Probed:
    """The road of the wizard's own sessions, through a jump host whose sshd is left alone."""
    return ev.Probed(
        phase="network",
        origin=ev.THIS_MACHINE,
        target="203.0.113.40:22",
        leads_to=f"SSH port of {NEW}'s jump host gate.example.net",
        mode="tcp",
        cycle=20,
        cycles=20,
        hops=GATE_HOPS,
        final=True,
    )


def network_findings() -> list[Finding]:
    """What the network test finds on that road."""
    return [
        finding("net.reached", "network", "pass", "10.20.0.5:5432 (10.20.0.5)", server=None),
        finding(
            "net.loss",
            "network",
            "warn",
            "0.7 % lost (1 of 142 probes)",
            server=None,
            says="Lost packets are sent again, and all behind them waits. It begins at hop 5 "
            "(198.51.100.77). core-1.transit.example.net: answers only some probes, passes on "
            "what goes further; nothing is lost there.",
        ),
        finding("net.jitter", "network", "pass", "0.6 ms jitter", server=None),
        finding("net.mtu", "network", "note", "path MTU 1420 B", server=None),
        finding(
            "net.throughput", "network", "pass", "94 MB/s over one, 96 MB/s over 4", server=None
        ),
        finding(
            "net.copy",
            "network",
            "pass",
            "212 GB at 96 MB/s",
            server=None,
            says="The copy of 212 GB takes 37 min at 96 MB/s and has caught up at "
            "2026-11-20 03:38 UTC, after 38 min.",
        ),
        finding(
            "net.from_here",
            "network",
            "pass",
            f"SSH port of {NEW}'s jump host gate.example.net: 0.0 % lost, 9.1 ms",
            server=None,
        ),
    ]


def up_to_preflight() -> list[ev.Event]:
    """The road was probed to its end, and can be used."""
    return [
        *up_to_network(),
        ev.ChecksBegan(phase="network"),
        probed(),
        probed_from_here(),
        *looked("network", *network_findings())[1:],
    ]


def network_probing() -> list[ev.Event]:
    """The probe is under way."""
    return [*up_to_network(), ev.ChecksBegan(phase="network"), probed(final=False)]


def route_findings() -> list[Finding]:
    """What the route says of this database."""
    return [
        finding(
            "route.postgres_logical",
            "route",
            "pass",
            "logical replication: copy 38 min, write pause below 1 s",
            says="possible for all 63 tables; the way back is the same route in reverse.",
        ),
        finding(
            "route.disk",
            "route",
            "note",
            "log retained while copying about 7.1 GB",
            says="3.1 MB/s for 38 min; 180 GB are free.",
        ),
    ]


def up_to_replication() -> list[ev.Event]:
    """Preflight is clean, the steps are planned."""
    passed = [each for each in PREFLIGHT if each.verdict == "pass"]
    steps = tuple(replication_steps())
    return [
        *up_to_preflight(),
        *looked("preflight", *passed),
        ev.Planned(phase="replication", steps=steps),
        *looked("replication"),
    ]


def copying() -> list[ev.Event]:
    """The first copy is under way."""
    steps = replication_steps()
    end = LooseEnd(
        id="slot", server=OLD, what="replication slot nightferry", settled_by="settle-slot@db-old"
    )
    return [
        *up_to_replication(),
        ev.Confirmed(phase="replication", server=OLD),
        *done(steps[:5]),
        ev.LooseEndOpened(loose_end=end),
        ev.StepBegan(step="copy@db-new/orders", by="wizard"),
        *[ev.Said(text=f"table {number} of 63 copied") for number in range(12)],
        ev.Progressed(step="copy@db-new/orders", what="tables", done=41, total=63, unit="tables"),
        ev.Progressed(
            what="public.order_lines",
            done=41_204_511,
            total=100_000_000,
            detail="copying",
        ),
        ev.Progressed(what='"Weird Schema"."Büro"', done=0, detail="waiting"),
    ]


def logged() -> list[ev.Event]:
    """Both servers' logs have said something since the copy began."""
    step = "copy@db-new/orders"
    return [
        *copying(),
        ev.LogSaid(
            step=step,
            server=OLD,
            severity="WARNING",
            text="there is no transaction in progress",
        ),
        ev.LogSaid(
            step=step,
            server=NEW,
            severity="ERROR",
            text='duplicate key value violates unique constraint "order_lines_pkey" · '
            "Key (id)=(411) already exists.",
        ),
    ]


def samples(count: int = 170) -> list[ev.Event]:
    """Readings that fall from a bulge to nearly nothing."""
    told: list[ev.Event] = []
    for at in range(count):
        behind = int(38 * MB * math.exp(-at / 30) + 6 * MB * max(math.sin(at / 9), 0) + MB)
        told.append(
            ev.Sampled(
                behind_bytes=behind,
                behind_s=round(behind / (9 * MB), 2),
                write_rate=3.1 * MB,
                apply_rate=9.4 * MB,
                retained_bytes=48 * MB,
                wal_status="reserved",
                caught_up_in_s=0.4,
            )
        )
    return told


def streaming() -> list[ev.Event]:
    """Everything is set up, and the meter runs."""
    return [
        *up_to_replication(),
        *done(replication_steps()),
        *samples(),
        ev.GateRead(
            gate="behind",
            holds=True,
            figure="behind < 1 s for 60 s: 0.40 s, held 94 s",
            held_s=94.0,
        ),
        *looked(
            "lag",
            finding("pg.schema_drift", "lag", "pass", "1 204 objects, all alike", server=None),
            finding("lag.writers", "lag", "pass", "0 foreign writers", server=NEW),
        ),
    ]


def lost_slot() -> list[ev.Event]:
    """The slot was invalidated while nobody looked: nothing will ever catch up."""
    trouble = "slot nightferry: wal_status = lost: it was invalidated (wal_removed)"
    return [
        *up_to_replication(),
        *done(replication_steps()),
        *samples(40),
        ev.Sampled(write_rate=3.1 * MB, wal_status="lost", trouble=trouble),
        *looked(
            "lag",
            finding(
                "lag.slot",
                "lag",
                "stop",
                "wal_status = lost",
                says="the log that the new server needs is gone; it never catches up.",
                todo="Settle the slot, make it again, and copy again.",
                evidence="SELECT wal_status FROM pg_replication_slots → lost",
            ),
        ),
        ev.Said(text=trouble, trouble=True),
    ]


def cutover_steps() -> list[Step]:
    """The checklist, in the plan's order."""
    edit = FileEdit(
        host="db-pool",
        path="/etc/pgbouncer/pgbouncer.ini",
        replace=(Replace(line_starts="orders =", old="host=10.20.0.5", new="host=10.30.0.5"),),
    )
    late: dict[str, Any] = {"paused": True, "after_turn": True}
    return [
        a_step("checkpoint@db-old", "cutover", "Checkpoint the old server", sql("CHECKPOINT")),
        a_step(
            "warm@db-new", "cutover", "Warm the new server", sql("SELECT pg_prewarm('orders')", NEW)
        ),
        a_step(
            "ttl",
            "cutover",
            "Lower the DNS TTL to 300 s",
            by_hand=True,
        ),
        a_step(
            "pause@db-pool",
            "cutover",
            "Pause the pool",
            Pooler(endpoint="db-pool", text="PAUSE orders"),
            paused=True,
        ),
        a_step(
            "fence@db-old",
            "cutover",
            "Fence the old server",
            sql("ALTER ROLE app NOLOGIN"),
            sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"),
            paused=True,
            danger="stops writes",
            servers=(OLD,),
        ),
        a_step(
            "drain@db-new",
            "cutover",
            "Wait for the last write",
            sql("SELECT seen FROM nightferry.marker", NEW),
            paused=True,
        ),
        a_step(
            "sequences@db-new",
            "cutover",
            "Carry the sequences over",
            sql("SELECT setval('public.orders_id_seq', {value}, true)", NEW),
            paused=True,
        ),
        a_step(
            "turn@db-old",
            "cutover",
            "Turn",
            sql("UPDATE nightferry.arbiter SET state = 'moved'"),
            paused=True,
        ),
        a_step(
            "open@db-new",
            "cutover",
            "Open the new server",
            sql("ALTER ROLE app LOGIN", NEW),
            **late,
        ),
        a_step(
            "switch@db-pool",
            "cutover",
            "Point the pool at it",
            edit,
            Pooler(endpoint="db-pool", text="RELOAD"),
            **late,
        ),
        a_step(
            "resume@db-pool",
            "cutover",
            "Resume",
            Pooler(endpoint="db-pool", text="RESUME orders"),
            **late,
        ),
        a_step(
            "prove@db-pool",
            "cutover",
            "A write through the pool lands on the new server",
            sql("INSERT INTO nightferry.proof DEFAULT VALUES", NEW),
            after_turn=True,
        ),
    ]


def ready() -> list[ev.Event]:
    """Verified; the checklist is planned, its first step done."""
    steps = cutover_steps()
    return [
        *streaming(),
        *looked(
            "verify",
            finding("verify.counts", "verify", "pass", "63 of 63 counts agree", server=None),
        ),
        ev.Planned(phase="cutover", steps=tuple(steps)),
        *looked("cutover"),
        *done(steps[:1], "checkpoint 2 s ago"),
    ]


def prepared() -> list[ev.Event]:
    """Everything before the pause is settled."""
    steps = cutover_steps()
    return [
        *ready(),
        *done(steps[1:2], "1.1 GB read"),
        ev.StepEnded(step="ttl", outcome="by-hand", by="hand", evidence="ttl 300 from 3 resolvers"),
    ]


def armed(*, by_hand: bool = False) -> list[ev.Event]:
    """The source's name was typed; nothing is paused."""
    deadline = 300.0 if by_hand else 10.0
    return [
        *prepared(),
        ev.Armed(
            attempt=1,
            direction="forward",
            roles=("app", "report"),
            may_still_write=(),
            deadline_s=deadline,
            by_hand=by_hand,
        ),
        ev.StretchMoved(attempt=1, state="armed", aborting_means="disarm; nothing is paused"),
    ]


def paused() -> list[ev.Event]:
    """Writes are paused, the old server is fenced."""
    steps = {step.id: step for step in cutover_steps()}
    resume = "resume on the old server"
    return [
        *armed(),
        ev.StretchMoved(attempt=1, state="paused", paused_ms=0.0, aborting_means=resume),
        *done([steps["pause@db-pool"]], "SHOW DATABASES: paused 1")[-1:],
        ev.StretchMoved(attempt=1, state="fenced", paused_ms=410.0, aborting_means=resume),
        *done([steps["fence@db-old"]], "no session of theirs left, twice")[-1:],
    ]


def moved() -> list[ev.Event]:
    """Traffic is on the new server."""
    steps = [step for step in cutover_steps() if step.paused]
    return [
        *armed(),
        ev.StretchMoved(attempt=1, state="paused", paused_ms=0.0),
        *[done([step])[-1] for step in steps],
        ev.StretchMoved(attempt=1, state="turned", paused_ms=690.0),
        ev.StretchMoved(attempt=1, state="resumed", paused_ms=812.0),
        ev.StretchMoved(attempt=1, state="moved", paused_ms=812.0),
    ]


def loose_ends() -> list[ev.Event]:
    """Moved, and three things still lie about."""
    ends = [
        LooseEnd(
            id="slot", server=OLD, what="replication slot nightferry", settled_by="settle-slot"
        ),
        LooseEnd(id="pub", server=OLD, what="publication nightferry", settled_by="settle-pub"),
        LooseEnd(id="role", server=OLD, what="role nightferry_repl", settled_by="settle-role"),
    ]
    settle = tuple(
        a_step(
            end.settled_by,
            "aftercare",
            f"Settle: {end.what}",
            sql("SELECT pg_drop_replication_slot('nightferry')"),
            settles=end.id,
            danger="deletes",
            servers=(OLD,),
        )
        for end in ends
    )
    return [
        *moved(),
        *done([step for step in cutover_steps() if step.after_turn and not step.paused]),
        *[ev.LooseEndOpened(loose_end=end) for end in ends],
        *looked(
            "aftercare",
            finding("after.clients", "aftercare", "pass", "0 clients on the old server"),
        ),
        ev.Planned(phase="aftercare", steps=settle),
    ]


def stopped() -> list[ev.Event]:
    """The old server died before the drain."""
    return [
        *paused(),
        ev.WritesStopped(
            server=OLD,
            attempt=1,
            why="db-old does not answer since 03:05:12, and db-new lacks its last writes.",
            missing="everything written to db-old after 0/5A3F2C8 (about 1.2 MB).",
            choices=(
                "Bring db-old back: the night goes on by itself from there.",
                "Give up what is missing and open db-new: by hand, see the runbook.",
            ),
        ),
        ev.StretchMoved(attempt=1, state="stopped", paused_ms=14_200.0),
    ]


def forty_findings() -> list[ev.Event]:
    """More findings than any screen has lines."""
    verdicts: tuple[Verdict, ...] = ("pass", "warn", "note", "stop", "unknown")
    many = [
        finding(
            f"pg.check_{number}",
            "preflight",
            verdicts[number % 5],
            f"figure {number} of something with a fairly long name that has to be cut somewhere",
            says="what that means for the night, in a sentence that is longer than one line.",
            todo="what to do about it, in words that are also longer than one line of the panel.",
            evidence="SELECT a, b, c FROM pg_catalog.pg_class WHERE relname LIKE 'something%' → 42",
        )
        for number in range(40)
    ]
    plan = ev.Planned(phase="preflight", steps=(WAL_LEVEL,))
    return [*up_to_preflight(), *looked("preflight", *many), plan]


def long_names() -> list[ev.Event]:
    """Names as long as PostgreSQL allows."""
    old, new = LONG_NAME, LONG_NAME.replace("63", "64")
    return [
        *began(a_profile(old, new)),
        *seen(old, new),
        *looked("servers", *servers_findings(old, new)),
    ]


def preflight_stop() -> list[ev.Event]:
    """A stop, a warning, something nobody could look at."""
    plan = ev.Planned(phase="preflight", steps=(WAL_LEVEL,))
    return [*up_to_preflight(), *looked("preflight", *PREFLIGHT), plan]


def rehearsing() -> list[ev.Event]:
    """A rehearsal: the word is in the header."""
    return [*began(a_profile(rehearsal=True)), *seen(), *looked("servers", *servers_findings())]


def practising() -> list[ev.Event]:
    """A rehearsal whose copy follows: the time for faults."""
    rehearsed = began(a_profile(rehearsal=True))
    return [*rehearsed, *streaming()[len(rehearsed) :]]


def verified() -> list[ev.Event]:
    """Compared, all but one."""
    return [
        *streaming(),
        *looked(
            "verify",
            finding(
                "verify.counts",
                "verify",
                "pass",
                "62 of 62 counts between two readings",
                server=None,
            ),
            finding(
                "verify.sequences", "verify", "note", "214 sequences ahead of the new server's"
            ),
            finding("verify.schema", "verify", "pass", "1 204 objects alike", server=None),
            finding("verify.canary", "verify", "pass", "canary travelled in 12 ms", server=NEW),
        ),
    ]
