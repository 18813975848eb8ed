"""Settings of hosts and servers, each a step that is read back and can be taken back.

Knows how a proposal is carried out; what should be proposed is not decided here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial

import msgspec

from actions import source
from actions.postgres import answers
from actions.restart import Waiting, restart
from actions.source import MAINTENANCE
from connections.quoting import quote_literal
from profiles.fold import Night
from profiles.machine import HostSeen, Proposal
from profiles.names import SYSCTL_FILE, TRANSPARENT
from profiles.steps import (
    Command,
    Evidence,
    FileEdit,
    LooseEnd,
    Shell,
    Sql,
    Step,
    Words,
    quoted,
)

PHASE = "tuning"
HEADER = "# Nightferry's: one line for each setting, undone by its step"
TRANSPARENT_FILE = f"/sys/kernel/mm/{TRANSPARENT}/enabled"
TEST_S = 10
TEST_BLOCKS = 2000
TEST_MIB = 16
"""Of so much is written in blocks of 8 KiB, for at most so many seconds."""

Configured = Mapping[str, Mapping[str, str]]
"""What each server's postgresql.auto.conf sets now: by server, by name."""


def steps(
    proposals: Sequence[Proposal],
    *,
    hosts: Mapping[str, HostSeen],
    configured: Configured,
    on_loan: Collection[str],
    night: Night,
    restarted: Collection[str] = (),
) -> list[Step]:
    """A step for each, restarts last; on servers ``on_loan`` every one is a loose end.

    Those ``restarted`` the wizard itself may restart, where it is seen how; others are by hand.
    What it has changed already keeps the undo it was changed with, and its place.
    """
    made = {one.id: _step(one, hosts, configured.get(one.server, {}), on_loan) for one in proposals}
    planned = night.plans.get(PHASE, ())
    for id_ in planned:
        if id_ in night.ours and night.steps[id_].undo:
            made[id_] = _as_first(made.get(id_), night.steps[id_])
    in_order = {id_: made[id_] for id_ in planned if id_ in made} | made
    return [*in_order.values(), *_restarts(proposals, made, hosts, configured, night, restarted)]


def disk_test(server: str, folder: str) -> Step:
    """How long a write takes until it is on the disk under ``folder``, its data directory.

    The file has no name any more when the writing begins: nothing is left, whatever ends it.
    """
    file = quoted(f"{folder}/nightferry-disk-test.XXXXXX")
    line = (
        f"export LC_ALL=C; file=$(mktemp {file}) || exit 1; trap 'rm -f -- \"$file\"' EXIT;"
        ' exec 3<>"$file" || exit 1; rm -f -- "$file";'
        f" dd if=/dev/zero of=/proc/self/fd/3 bs=1M count={TEST_MIB} conv=fsync 2>/dev/null"
        ' || { echo "it could not be written" >&2; exit 1; };'
        f" timeout -s INT {TEST_S} dd if=/dev/zero of=/proc/self/fd/3 bs=8k count={TEST_BLOCKS}"
        " oflag=dsync conv=notrunc 2>&1 | tail -n 1"
    )
    return Step(
        id=f"disk-test@{server}",
        phase=PHASE,
        title=f"Time writes to the data disk of {server}",
        why="Whether it can keep up with the source's commits is only known by writing. WAL is"
        " written like this: a few pages, and not acknowledged before they are on the disk.",
        commands=(Shell(host=server, line=line, deadline_s=3.0 * TEST_S),),
        danger=f"writes {TEST_MIB} MiB to a disk, for up to {TEST_S} s, and deletes them",
        servers=(server,),
        optional=True,
        deadline_s=3.0 * TEST_S,
    )


def _step(
    proposal: Proposal,
    hosts: Mapping[str, HostSeen],
    configured: Mapping[str, str],
    on_loan: Collection[str],
) -> Step:
    if proposal.area == "kernel":
        made = _kernel(proposal, hosts[proposal.server])
    elif proposal.conflict:
        return _elsewhere(proposal)
    else:
        made = _alter_system(proposal, configured.get(proposal.name))
    lent = proposal.import_only or proposal.server in on_loan
    return msgspec.structs.replace(made, leaves=_loan(proposal) if lent else None)


def _loan(proposal: Proposal) -> LooseEnd:
    kind = " for the copy only" if proposal.import_only else ""
    return LooseEnd(
        id=proposal.id,
        server=proposal.server,
        what=f"{proposal.name} = {proposal.proposed} on {proposal.server}{kind}",
        settled_by=f"undo-{proposal.id}",
        before_traffic=proposal.import_only,
    )


def _as_first(made: Step | None, first: Step) -> Step:
    """What is there now is what the wizard set: only the first plan knew what was there before."""
    if made is None:
        return first
    return msgspec.structs.replace(made, undo=first.undo, undone=first.undone)


# The kernel: live first, and only then for the next boot


def _kernel(proposal: Proposal, seen: HostSeen) -> Step:
    change = _transparent if proposal.name == TRANSPARENT else _sysctl
    return msgspec.structs.replace(
        change(proposal, seen),
        why=_why(proposal),
        undo_failed=True,
        danger="changes a kernel setting of the host",
        servers=(proposal.server,),
        optional=True,
    )


def _sysctl(proposal: Proposal, seen: HostSeen) -> Step:
    server, name, value = proposal.server, proposal.name, proposal.proposed
    back, before = proposal.replaces or (name, proposal.now or "")
    shell = partial(Shell, host=server, as_user="root")
    edit = partial(FileEdit, host=server, path=SYSCTL_FILE, creates=True, as_user="root")
    line, was = f"{name} = {value}", _our_line(seen, name)
    # What is left without a setting was ours alone, and so are the copies beside it.
    tidy = f"grep -qs '^[^#]' {SYSCTL_FILE} || rm -f -- {SYSCTL_FILE} {SYSCTL_FILE}.nightferry-*"
    return Step(
        id=proposal.id,
        phase=PHASE,
        title=f"Set {name} = {value} on the host of {server}",
        commands=(
            shell(line=f"/sbin/sysctl -w {quoted(f'{name}={value}')}"),
            edit(remove=was, append=(HEADER, line)),
        ),
        holds=(
            _reads(server, name, value),
            _stands(server, line, "there", f"{SYSCTL_FILE} says so for the next boot"),
        ),
        undo=(
            edit(remove=(line,), append=was),
            shell(line=tidy),
            shell(line=f"/sbin/sysctl -w {quoted(f'{back}={before}')}"),
        ),
        undone=(
            _reads(server, back, before),
            _stands(server, line, "gone", f"{SYSCTL_FILE} does not say it"),
        ),
    )


def _transparent(proposal: Proposal, seen: HostSeen) -> Step:
    server = proposal.server
    shell = partial(Shell, host=server, as_user="root")
    chosen = Shell(host=server, line=rf"sed 's/.*\[\(.*\)\].*/\1/' {TRANSPARENT_FILE}")
    said = "transparent huge pages are for {}".format
    return Step(
        id=proposal.id,
        phase=PHASE,
        title=f"Transparent huge pages on the host of {server}: {proposal.proposed}",
        commands=(shell(line=f"echo {quoted(proposal.proposed)} > {TRANSPARENT_FILE}"),),
        holds=(Evidence(ask=chosen, answer=proposal.proposed, says=said(proposal.proposed)),),
        undo=(shell(line=f"echo {quoted(proposal.now or 'always')} > {TRANSPARENT_FILE}"),),
        undone=(Evidence(ask=chosen, answer=proposal.now or "always", says=said(proposal.now)),),
    )


def _our_line(seen: HostSeen, name: str) -> tuple[str, ...]:
    """What our file says of it already, from a night before this one."""
    return tuple(
        f"{line.name} = {line.value}"
        for line in seen.boot_lines
        if line.file == SYSCTL_FILE and line.name == name
    )


def _reads(server: str, name: str, value: str) -> Evidence:
    path = f"/proc/sys/{name.replace('.', '/')}"
    ask = Shell(host=server, line=f"tr '\\t' ' ' < {quoted(path)}")
    return Evidence(ask=ask, answer=value, says=f"{name} is {value} in the running kernel")


def _stands(server: str, line: str, answer: str, says: str) -> Evidence:
    found = f"grep -qsxF {quoted(line)} {SYSCTL_FILE} && echo there || echo gone"
    return Evidence(ask=Shell(host=server, line=found), answer=answer, says=says)


# PostgreSQL


def _alter_system(proposal: Proposal, before: str | None) -> Step:
    name, server = proposal.name, proposal.server
    at_restart = proposal.takes_effect == "restart"
    made = source.alter_system(server, name, proposal.proposed, before, at_restart=at_restart)
    undo: tuple[Command, ...] = made.undo
    if name == "full_page_writes":
        # Without one, a page that was changed before it is still not written whole.
        undo = (*undo, Sql(server=server, database=MAINTENANCE, text="CHECKPOINT", deadline_s=600))
    live = () if at_restart else (_runs_with(proposal, proposal.proposed),)
    as_before = () if at_restart else (_runs_with(proposal, proposal.now or ""),)
    return msgspec.structs.replace(
        made,
        id=proposal.id,
        phase=PHASE,
        why=_why(proposal),
        holds=(*made.holds, *live),
        undo=undo,
        undone=(*made.undone, *as_before),
        undo_failed=True,
        optional=True,
        deadline_s=660.0 if name == "full_page_writes" else made.deadline_s,
    )


def _elsewhere(proposal: Proposal) -> Step:
    """Only the operator can change it where it is set."""
    name, value = proposal.name, proposal.proposed
    return Step(
        id=proposal.id,
        phase=PHASE,
        title=f"Set {name} = {value} on {proposal.server}, by hand",
        why=_why(proposal),
        commands=(Words(text=f"Set {name} = {value} there: {proposal.conflict}."),),
        holds=(_runs_with(proposal, value),),
        by_hand=True,
        optional=True,
    )


def _runs_with(proposal: Proposal, value: str) -> Evidence:
    query = f"SELECT current_setting({quote_literal(proposal.name)})"
    says = f"{proposal.name} is {value} in the running server"
    return answers(proposal.server, MAINTENANCE, query, value, says)


def _restarts(
    proposals: Sequence[Proposal],
    made: Mapping[str, Step],
    hosts: Mapping[str, HostSeen],
    configured: Configured,
    night: Night,
    restarted: Collection[str],
) -> list[Step]:
    """One for each server, for what is set there and waits for it."""
    waiting: dict[str, list[Waiting]] = {}
    for one in proposals:
        is_set = configured.get(one.server, {}).get(one.name) == one.proposed
        if one.takes_effect == "restart" and is_set and not one.conflict:
            before = _configured_before(made[one.id]) if one.id in night.ours else one.now
            setting = Waiting(one.name, one.proposed, before)
            waiting.setdefault(one.server, []).append(setting)
    return [
        restart(server, settings, hosts.get(server), PHASE, ours=server in restarted)
        for server, settings in waiting.items()
    ]


def _configured_before(step: Step) -> str | None:
    """What `actions.source.alter_system` was told of it: its undoing has to lead there."""
    return step.undone[0].answer or None


def _why(proposal: Proposal) -> str:
    wins = f" But {proposal.conflict}." if proposal.conflict else ""
    return f"{proposal.why} {proposal.arithmetic}. ({proposal.rule}){wins}"
