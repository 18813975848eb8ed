"""What can go wrong in a rehearsal, and the card of each phase: what it teaches, and which of these
faults it offers to practise on.

Words only, standard library only: how a fault is made is `rehearsal.breaking`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Name = Literal[
    "long-transaction",
    "stalled-subscription",
    "lost-slot",
    "ddl-in-mid-copy",
    "killed-engine",
    "bad-road",
]


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong at night, to be made and taken back."""

    name: Name
    phase: str
    """Where it bites; other phases may offer it too."""
    title: str
    teaches: str
    does: str
    """What it does to the servers, in a sentence."""
    shown_on: tuple[str, ...]
    """The phases whose screens show it, the plainest one first."""
    seen: str
    """What stands there."""
    todo: str
    """What to do about it on a real night."""


FAULTS = (
    Fault(
        name="long-transaction",
        phase="preflight",
        title="A transaction that does not end",
        teaches="Making the slot waits for every transaction that writes, and PAUSE for every"
        " open one; while PAUSE waits, all other clients wait with it.",
        does="A client of the application begins to write on the old server and goes to lunch,"
        " for 10 minutes.",
        shown_on=("preflight", "replication", "cutover"),
        seen="Preflight (p there) warns with its pid, and so do the slot's step and “Nobody blocks"
        " the pause” while they wait.",
        todo="Find its owner by that pid and let it end; by force:"
        " SELECT pg_terminate_backend(pid) on the old server.",
    ),
    Fault(
        name="stalled-subscription",
        phase="lag",
        title="A subscription that stands still",
        teaches="Replication can be connected, enabled and without any error, and yet apply"
        " nothing: only the figures and the lock say so.",
        does="A session on the new server locks event_log, as a CREATE INDEX would, for 10"
        " minutes.",
        shown_on=("lag", "cutover"),
        seen="behind grows, applied is 0 B/s, and the meter names who holds the lock; the gate of"
        " the cutover closes.",
        todo="End that session: SELECT pg_terminate_backend(pid) on the new server. Nothing is"
        " lost: it catches up by itself.",
    ),
    Fault(
        name="lost-slot",
        phase="lag",
        title="A slot that is lost",
        teaches="With max_slot_wal_keep_size the old server throws away log that the new one still"
        " needs, to save its own disk. No waiting mends that.",
        does="max_slot_wal_keep_size becomes 1MB on the old server, and more log than that is"
        " written while the new one cannot apply it.",
        shown_on=("lag", "preflight"),
        seen="The meter says “lost”, and that the copy has to begin again; Preflight (p there)"
        " warns of the setting.",
        todo="Raise the limit, or set it to -1 (Preflight has the step). On Aftercare settle the"
        " subscription, then the slot; DROP DATABASE on the new server; and in Replication setup"
        " R runs each step again, from “Create the database” on.",
    ),
    Fault(
        name="ddl-in-mid-copy",
        phase="replication",
        title="A column added in mid-copy",
        teaches="DDL is not replicated. The first row with the new column stops the subscription,"
        " and the old server keeps all log from then on.",
        does="ALTER TABLE orders ADD COLUMN on the old server, as a deployment would, before the"
        " new one has that column.",
        shown_on=("lag", "replication", "verify"),
        seen="The meter says that nobody reads from the slot, and counts apply errors; p there, and"
        " schema drift names the column. In mid-copy the copy's step fails.",
        todo="Add the same column on the new server: it goes on within seconds, from where it"
        " stopped. In mid-copy run the step again then. No deployments during a move.",
    ),
    Fault(
        name="killed-engine",
        phase="cutover",
        title="An engine that is killed",
        teaches="The engine is a process of its own with a keeper beside it. What it did is in the"
        " journal, what holds is on the servers: it goes on from there.",
        does="kill -9 of the engine of this night; the servers are not touched.",
        shown_on=("cutover", "replication"),
        seen="The header says for a moment that no engine is heard; the journal (l) has a new"
        " engine a second later. Before the turn a paused stretch is undone.",
        todo="Nothing: wait for it. If it stays away, `nightferry attach` starts one; before the"
        " turn the servers end a pause by themselves.",
    ),
    Fault(
        name="bad-road",
        phase="network",
        title="A road that loses packets",
        teaches="Replication is one TCP stream: loss and delay together decide how fast it can be,"
        " whatever the line's rate.",
        does="15 of 100 packets between the old and the new server are lost, and each takes 40 ms.",
        shown_on=("network", "lag"),
        seen="p there measures again: connecting takes a second where a packet is lost, one"
        " connection carries far less, a page takes seconds. So few probes may miss the loss.",
        todo="Ask whoever runs the line, try another path or the tunnel, and do not begin the copy"
        " before the figures are right.",
    ),
)
BY_NAME: dict[str, Fault] = {fault.name: fault for fault in FAULTS}


@dataclass(frozen=True)
class Card:
    """What a phase teaches, and which faults it offers."""

    phase: str
    teaches: str
    faults: tuple[Name, ...]


CARDS = (
    Card(
        "sessions",
        "A night lives in a process of its own, not in this window. Leave with ctrl+z, come back"
        " with `nightferry`: it stands where it is. w opens a second window that only watches.",
        ("killed-engine",),
    ),
    Card(
        "servers",
        "Who is who, before anything is planned: versions, rights, clocks, TLS. A mistake found"
        " here costs a minute, later a night. Look which row names which server.",
        ("killed-engine",),
    ),
    Card(
        "route",
        "What this database can do: how long the copy takes, how long writes pause, what the way"
        " back is. The figures are measured, so begin where the load is what it is at night.",
        ("long-transaction",),
    ),
    Card(
        "network",
        "The road that the rows take, from the new server to the old one's port. Loss at the last"
        " hop counts, loss in the middle alone does not. Every figure has its threshold.",
        ("bad-road",),
    ),
    Card(
        "tuning",
        "Each setting with what it is and what it should be, and why. Whatever is only for the"
        " import is a loan: it comes back as a loose end until it is reverted.",
        ("killed-engine",),
    ),
    Card(
        "preflight",
        "Everything that would lose data or break the night, while nothing has been touched yet."
        " A stop has a remedy: enter goes to it. Look again just before the night.",
        ("long-transaction", "lost-slot"),
    ),
    Card(
        "replication",
        "Steps as you would type them: read the command, then enter. Any step may be done by hand"
        " (m) or skipped with a reason (s): what counts is what the servers say afterwards.",
        ("ddl-in-mid-copy", "long-transaction", "killed-engine"),
    ),
    Card(
        "lag",
        "How far behind the new server is, in bytes and in seconds, and what holds it up. The gate"
        " opens when it has kept up for a while; only then can the cutover be armed.",
        ("stalled-subscription", "lost-slot", "ddl-in-mid-copy"),
    ),
    Card(
        "verify",
        "That both sides are alike, by evidence: counts, schema, sequences, a row that really"
        " travels. Each answer says how old it is; p asks again.",
        ("ddl-in-mid-copy", "stalled-subscription"),
    ),
    Card(
        "cutover",
        "Writes pause for a moment, by one key, with a deadline and a way back. a aborts until the"
        " turn. Practise what may happen in the middle: arm, make a fault, g, and see it undone.",
        ("long-transaction", "killed-engine", "stalled-subscription"),
    ),
    Card(
        "aftercare",
        "The night is over when nothing of it is left: clients still on the old server, loans,"
        " the way back. Then the report says what was done, by whom and by what evidence.",
        ("killed-engine",),
    ),
)
BY_PHASE: dict[str, Card] = {card.phase: card for card in CARDS}


def offered(phase: str) -> tuple[Fault, ...]:
    """The faults on the card of a phase, in the order of their keys."""
    return tuple(BY_NAME[name] for name in BY_PHASE[phase].faults)
