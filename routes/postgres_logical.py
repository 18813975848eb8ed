"""PostgreSQL to PostgreSQL by logical replication: the runbook, top to bottom."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from actions import firewall, replication, roles, schema, source, traffic, tuning, tunnel
from actions.cutover import Fence, paused_steps
from actions.postgres import answers
from checks.facts import Facts, Locale
from connections.places import NEAR_END, seen_from_destination
from connections.quoting import quote_literal
from connections.tls import tls_mode
from connections.unit import COMPRESSED
from profiles.errors import HostError
from profiles.fold import Night
from profiles.names import REPLICATION_ROLE
from profiles.profile import ByHand, PgBouncer, Profile, SshHost
from profiles.steps import Sql, Step, settling
from routes.gates import Behind
from routes.given import Given

ID = "postgres-logical"
PHASES: Sequence[str] = ("tuning", "preflight", "replication", "cutover", "aftercare")
"""Those in which it has steps."""
TITLE = "Logical replication: any newer major version, pause of milliseconds"

SETTLED_LAST = ("tunnel", "slot", "publication", "role", "hba")
"""Undone in this order after all else: a slot is dropped with its subscription, a role after it.

The subscription is dropped through the tunnel.
"""

PAUSE_BLOCKERS_S = 1.0
"""A transaction open for longer would hold PAUSE up."""


def gates(profile: Profile) -> list[Behind]:
    """What the cutover waits for."""
    return [Behind(profile.thresholds.lag_s, profile.thresholds.lag_held_s)]


def steps(phase: str, given: Given) -> list[Step]:
    """The steps of a phase, in the order in which they are run."""
    if phase not in PHASES:
        return []
    runbook = dict(zip(PHASES, (tune, preflight, replicate, cut_over, settle), strict=True))
    return [_as_lent(step, given.night) for step in runbook[phase](given)]


def tune(given: Given) -> list[Step]:
    """What was proposed for both sides, the way in, and the write test of the new disk."""
    profile, night = given.profile, given.night
    old, new = profile.source, profile.destination
    made = tuning.steps(
        list(night.proposals.values()),
        hosts=night.hosts,
        configured=given.configured,
        on_loan=(old.name,),
        night=night,
        restarted=() if profile.rehearsal or night.moved else (new.name,),
    )
    shut = next((found for found in given.findings if found.remedy == f"firewall@{old.name}"), None)
    if shut is not None and (there := night.hosts.get(old.name)):
        through = old.replication_tunnel
        comes_from = through.comes_from if through else new.comes_from or new.address
        port = through.login_port if through else old.port
        door = firewall.open_port(old.name, there, comes_from, port)
        made += [door] if door else []
    data = night.hosts[new.name].place("data") if new.name in night.hosts else None
    return [*made, *([tuning.disk_test(new.name, data.path)] if data else [])]


def preflight(given: Given) -> list[Step]:
    """The remedies that the findings ask for, where a setting is all it takes; restarts last."""
    made: dict[str, Step] = {}
    waiting: dict[str, dict[str, str]] = {}
    for found in given.findings:
        if not found.remedy or not found.wants or found.wants == COMPRESSED:
            continue
        name, _, server = found.remedy.partition("@")
        before = given.configured.get(server, {}).get(name)
        at_restart = name in RESTART_NEEDED
        made[found.remedy] = source.alter_system(
            server, name, found.wants, before, at_restart=at_restart
        )
        if at_restart:
            waiting.setdefault(server, {})[name] = found.wants
    restarts = [source.restart(server, settings) for server, settings in waiting.items()]
    return [*made.values(), *restarts]


def replicate(given: Given) -> list[Step]:
    """From an empty destination to one that follows."""
    profile, facts = given.profile, given.facts
    old, new, database = profile.source, profile.destination, profile.database
    tls_old, tls_new = tls_mode(old.tls, old.address), tls_mode(new.tls, new.address)
    if old.by_tunnel and new.host is None:
        said = f"{old.name} is reached through its host only, and pg_dump is not"
        remedy = f"Name the host of {new.name}: pg_dump then runs there."
        raise HostError("this machine", "carry the schema over", said, remedy)
    bench = schema.bench_of(new, given.folder)
    views = [view.quoted for view in facts.materialized_views if view.populated]
    made = [
        _door(given, tls_old),
        *_tunnel(given, tls_old),
        source.replication_role(old.name, database),
        roles.copy_roles(old.name, new.name, old.user, _carried(facts)),
        roles.create_database(new.name, database, facts.owner, _options(facts.locale)),
        roles.copy_settings(old.name, new.name, database),
        source.helpers(old.name, database),
        source.helpers(new.name, database),
        schema.schema_first(
            old,
            new,
            database,
            tls=(tls_old, tls_new),
            tools=given.tools,
            bench=bench,
            early_indexes=_early_indexes(facts),
        ),
        replication.publish(old.name, database, [table.quoted for table in facts.published]),
        replication.make_slot(old.name, database, profile.thresholds.slot_deadline_s),
        replication.subscribe(
            old.name,
            new.name,
            database,
            place=seen_from_destination(old),
            tls=tls_old,
            tls_root_cert=old.tls_root_cert,
        ),
        replication.copied(new.name, database, profile.thresholds.copy_deadline_s),
        schema.schema_later(old, new, database, tls=tls_new, tools=given.tools, bench=bench),
    ]
    if views:
        made.append(schema.refresh_views(new.name, database, views))
    return [*made, schema.analyze(new.name, database)]


def cut_over(given: Given) -> list[Step]:
    """The checklist: before the pause, while writes are paused, after."""
    profile, facts = given.profile, given.facts
    old, new, database = profile.source, profile.destination, profile.database
    fence = Fence(
        roles=[role.name for role in facts.fenced],
        exceptions=profile.source.may_still_write,
        wizard=old.user,
    )
    sequences = [sequence.quoted for sequence in facts.sequences]
    before = _before(given)
    paused = paused_steps(old.name, new.name, database, fence, sequences)
    ahead: list[Step] = []
    behind: list[Step] = []
    after: list[Step] = []
    for endpoint in profile.endpoints:
        if isinstance(endpoint, ByHand):
            after.append(traffic.by_hand(endpoint))
        elif endpoint.access == "read":
            after.append(traffic.read_endpoint(endpoint, old, new))
        else:
            first, last, proof = traffic.stretch_steps(endpoint, old, new, database)
            ahead += first
            behind += [*last, *proof]
    return [*before, paused[0], *ahead, *paused[1:], *_in_order(behind), *after]


def settle(given: Given) -> list[Step]:
    """The steps that settle what the night has left open, in the order that works."""
    return [settling(step) for step in sorted(_lent(given.night), key=_settling_order)]


ENCRYPTED = ("require", "verify-ca", "verify-full")

RESTART_NEEDED = (
    "wal_level",
    "max_replication_slots",
    "max_wal_senders",
    "max_worker_processes",
    "max_logical_replication_workers",
    "max_active_replication_origins",
)


def _door(given: Given, tls: str) -> Step:
    profile, facts = given.profile, given.facts
    old, new = profile.source, profile.destination
    return source.open_door(
        old,
        new,
        profile.database,
        facts.source.hba_file,
        tls=tls in ENCRYPTED,
        address=source.comes_from(old, new, facts.source.address),
        dumps=isinstance(new.host, SshHost) or old.replication_tunnel is not None,
    )


def _tunnel(given: Given, tls: str) -> list[Step]:
    """The tunnel, where there is to be one. It needs the door: who goes through it logs in."""
    profile, server = given.profile, given.facts.source
    old, new, through = profile.source, profile.destination, profile.source.replication_tunnel
    if through is None:
        return []
    assert given.tunnel is not None
    wanted = {found.wants for found in given.findings if found.remedy == f"tunnel@{new.name}"}
    unit = tunnel.unit_of(
        old,
        new,
        through,
        night=given.folder.name,
        host_key=given.tunnel.host_key,
        database=(server.address or NEAR_END, server.port),
        compressed=COMPRESSED in wanted,
    )
    identity = tunnel.same_server(
        old, new, profile.database, server.system_identifier, tls=tls, tools=given.tools
    )
    return [tunnel.open_tunnel(unit, given.tunnel.keeper, identity, tools=given.tools)]


def _lent(night: Night) -> list[Step]:
    """The steps that have left something which is still there."""
    open_ends = {end.loose_end.id for end in night.open_loose_ends()}
    return [step for step in night.steps.values() if step.leaves and step.leaves.id in open_ends]


def _as_lent(step: Step, night: Night) -> Step:
    """A loan that is open keeps the undo it was made with: what is found now is what we set."""
    lent = night.loose_ends.get(step.leaves.id) if step.leaves else None
    if lent is None or lent.settled is not None or step.id not in night.steps:
        return step
    first = night.steps[step.id]
    return msgspec.structs.replace(step, undo=first.undo, undone=first.undone)


def _before(given: Given) -> list[Step]:
    profile = given.profile
    old, new, database = profile.source.name, profile.destination.name, profile.database
    made = [
        traffic.lower_login_retry(endpoint, given.login_retry.get(endpoint.name))
        for endpoint in profile.endpoints
        if isinstance(endpoint, PgBouncer) and endpoint.access == "write"
    ]
    made += [
        traffic.prepare_proof(new, database, endpoint)
        for endpoint in profile.endpoints
        if not isinstance(endpoint, ByHand) and endpoint.access == "write"
    ]
    made += [
        settling(step)
        for step in _lent(given.night)
        if step.leaves is not None and step.leaves.before_traffic
    ]
    made.append(replication.commit_at_once(new, database))
    made += [_checkpoint(server, database) for server in (old, new)]
    return [*made, _nobody_blocks(old, profile)]


def _checkpoint(server: str, database: str) -> Step:
    recent = "SELECT now() - checkpoint_time < interval '5 minutes' FROM pg_control_checkpoint()"
    return Step(
        id=f"checkpoint@{server}",
        phase="cutover",
        title=f"CHECKPOINT on {server}",
        why="So that none begins by itself while writes are paused.",
        commands=(Sql(server=server, database=database, text="CHECKPOINT", deadline_s=600.0),),
        holds=(answers(server, database, recent, "t", "the last checkpoint is recent"),),
        deadline_s=600.0,
    )


def _nobody_blocks(old: str, profile: Profile) -> Step:
    database = profile.database
    blockers = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = " + quote_literal(database) + ""
        " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        f" AND xact_start < clock_timestamp() - interval '{PAUSE_BLOCKERS_S:g} s'"
    )
    return Step(
        id=f"blockers@{old}",
        phase="cutover",
        title="Nobody blocks the pause",
        why="PAUSE waits for open transactions, and every other client waits with it.",
        commands=(Sql(server=old, database=database, text=blockers, until="0", deadline_s=60.0),),
        holds=(answers(old, database, blockers, "0", "no transaction is open for over a second"),),
        deadline_s=60.0,
    )


def _in_order(steps: list[Step]) -> list[Step]:
    order = ("point", "resume", "written")
    return sorted(steps, key=lambda step: order.index(step.id.partition("@")[0]))


def _settling_order(step: Step) -> tuple[int, str]:
    kind = step.id.partition("@")[0]
    if kind == "subscription":
        return (0, step.id)
    return (2 + SETTLED_LAST.index(kind) if kind in SETTLED_LAST else 1, step.id)


def _carried(facts: Facts) -> list[str]:
    return [role.name for role in facts.roles if role.name != REPLICATION_ROLE]


def _early_indexes(facts: Facts) -> list[tuple[str, str]]:
    return [
        (index.schema, index.name)
        for index in facts.identity_indexes
        if index.chosen and not index.primary
    ]


def _options(locale: Locale) -> str:
    options = [
        f"ENCODING {quote_literal(locale.encoding)}",
        f"LC_COLLATE {quote_literal(locale.collate)}",
        f"LC_CTYPE {quote_literal(locale.ctype)}",
    ]
    if locale.provider == "i" and locale.provider_locale:
        options.append(f"LOCALE_PROVIDER icu ICU_LOCALE {quote_literal(locale.provider_locale)}")
    if locale.provider == "b" and locale.provider_locale:
        options.append(
            f"LOCALE_PROVIDER builtin BUILTIN_LOCALE {quote_literal(locale.provider_locale)}"
        )
    return " ".join(options)
