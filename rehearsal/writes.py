"""What the rehearsal's application writes: SQL, and what the rows must be afterwards.

Knows the shop of ``schema.sql``; nothing of connections, time or the ledger's file. A row that is
changed is owned by one writer, so that the order of its changes is the order of the ledger.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date, timedelta

import msgspec

STOCK = 1600
NOTES = 400
"""Rows of "Lager".stock and of the notes in ``schema.sql``; each belongs to one writer."""


class Change(msgspec.Struct, frozen=True, array_like=True):
    """What one row is after a write: its value, or None when it is gone."""

    table: str
    key: str
    value: str | None


Statement = tuple[str, tuple[object, ...]]


@dataclass(frozen=True)
class Write:
    """One transaction; its last statement returns the port of the server that answered."""

    id: str
    kind: str
    changes: tuple[Change, ...]
    statements: tuple[Statement, ...]


LINES = '"Order Lines"'
NOTES_TABLE = '"it\'s a ""note"""'

READS = {
    "orders": "SELECT ref, amount::text, write_id FROM public.orders",
    "lines": f"SELECT order_ref || '/' || line, quantity::text, write_id FROM public.{LINES}",
    "stock": 'SELECT sku, on_hand::text, write_id FROM "Lager".stock',
    "carts": 'SELECT "Schlüssel", "Inhalt", write_id FROM public."Warenkörbe"',
    "notes": f"SELECT topic, body, write_id FROM public.{NOTES_TABLE}",
    "payments": "SELECT ref, amount || ' on ' || paid_on, write_id FROM public.payments",
}
"""How the rows of each table are read back: key, value, the write that left them so."""

READ_LOG = "SELECT write_id FROM public.event_log"

LOG = "INSERT INTO event_log (kind, write_id) VALUES ($1, $2) RETURNING inet_server_port()"
LOGGED = """WITH did AS ({}) INSERT INTO event_log (kind, write_id)
SELECT $1, $2 FROM did RETURNING inet_server_port()"""
"""One statement that changes a row and leaves the write's id in the log."""

ORDER = """INSERT INTO orders (ref, customer, amount, write_id)
VALUES ($3, $4, $5::text::numeric, $2) RETURNING 1"""
STOCK_SET = 'UPDATE "Lager".stock SET on_hand = $4, write_id = $2 WHERE sku = $3 RETURNING 1'
CART_PUT = """INSERT INTO "Warenkörbe" ("Schlüssel", "Inhalt", write_id)
VALUES ($3, $4, $2) RETURNING 1"""
CART_DROP = 'DELETE FROM "Warenkörbe" WHERE "Schlüssel" = $3 RETURNING 1'
NOTE_SET = f"UPDATE {NOTES_TABLE} SET body = $4, write_id = $2 WHERE topic = $3 RETURNING 1"
PAYMENT_MOVE = "UPDATE payments SET paid_on = $4, write_id = $2 WHERE ref = $3 RETURNING 1"

PLAIN_ORDER = """INSERT INTO orders (ref, customer, amount, write_id)
VALUES ($1, $2, $3::text::numeric, $4)"""
PLAIN_LINE = f"""INSERT INTO {LINES} (order_ref, line, quantity, "Preis pro Stück", write_id)
VALUES ($1, $2, $3, 1.5, $4)"""
PLAIN_STOCK = 'UPDATE "Lager".stock SET on_hand = $2, write_id = $3 WHERE sku = $1'
PLAIN_PAYMENT = """INSERT INTO payments (ref, amount, paid_on, write_id)
VALUES ($1, $2::text::numeric, $3, $4)"""

AWKWARD = ("café", 'quote " and \\ backslash', "tab\tline\nend", "日本語", "", "🌙", "NULL", "\\N")


@dataclass
class Own:
    """The rows that one writer owns, and may change or delete."""

    writer: int
    skus: deque[str]
    topics: deque[str]
    carts: deque[str] = field(default_factory=deque)
    payments: dict[str, str] = field(default_factory=dict)
    """Payments by key, with the amount that does not change."""

    def done(self, write: Write) -> None:
        """The write was acknowledged: what it made can be changed from now on."""
        for change in write.changes:
            if change.table == "carts" and change.value is not None:
                self.carts.append(change.key)
            if change.table == "payments" and change.value is not None:
                self.payments[change.key] = change.value.split()[0]

    def release(self, write: Write) -> None:
        """The server said no: the rows are as they were, and can be changed again."""
        (first, *_) = write.changes
        if write.kind == "cart dropped":
            self.carts.append(first.key)
        elif write.kind == "payment moved" and first.value is not None:
            self.payments[first.key] = first.value.split()[0]

    def abandon(self, write: Write) -> None:
        """It is in doubt: its rows are never touched again, so that either outcome stays seen."""
        for change in write.changes:
            for keys in (self.skus, self.topics, self.carts):
                if change.key in keys:
                    keys.remove(change.key)
            self.payments.pop(change.key, None)


def owned(writer: int, writers: int) -> Own:
    """The rows a writer begins with: every ``writers``-th of the stock and of the notes."""
    skus = deque(f"sku-{n}" for n in range(writer, STOCK, writers))
    return Own(writer, skus, deque(f"topic-{n}" for n in range(writer, NOTES, writers)))


def compose(own: Own, id: str, chance: random.Random) -> Write:
    """The next write of a writer, drawn from the kinds that its rows allow now."""
    weights = [0 if _impossible(make, own) else weight for make, weight in KINDS]
    (make,) = chance.choices([make for make, _ in KINDS], weights)
    return make(own, id, chance)


def _impossible(make: Maker, own: Own) -> bool:
    needs: dict[Maker, Collection[str]] = {
        _stock: own.skus,
        _purchase: own.skus,
        _note: own.topics,
        _cart_drop: own.carts,
        _payment_move: own.payments,
    }
    return make in needs and not needs[make]


def _order(own: Own, id: str, chance: random.Random) -> Write:
    amount = _amount(chance)
    arguments = (f"o-{id}", chance.randint(1, 5000), amount)
    return _single(id, "order", ORDER, arguments, Change("orders", f"o-{id}", amount))


def _stock(own: Own, id: str, chance: random.Random) -> Write:
    sku, on_hand = _next(own.skus), chance.randint(0, 99999)
    change = Change("stock", sku, str(on_hand))
    return _single(id, "stock set", STOCK_SET, (sku, on_hand), change)


def _cart_put(own: Own, id: str, chance: random.Random) -> Write:
    inside = f"{id} {chance.choice(AWKWARD)}"
    change = Change("carts", f"c-{id}", inside)
    return _single(id, "cart filled", CART_PUT, (f"c-{id}", inside), change)


def _cart_drop(own: Own, id: str, chance: random.Random) -> Write:
    cart = own.carts.popleft()
    return _single(id, "cart dropped", CART_DROP, (cart,), Change("carts", cart, None))


def _note(own: Own, id: str, chance: random.Random) -> Write:
    topic, body = _next(own.topics), chance.choice(AWKWARD)
    return _single(id, "note written", NOTE_SET, (topic, body), Change("notes", topic, body))


def _payment_move(own: Own, id: str, chance: random.Random) -> Write:
    ref = next(iter(own.payments))
    amount, paid_on = own.payments.pop(ref), _day(chance)
    change = Change("payments", ref, f"{amount} on {paid_on}")
    return _single(id, "payment moved", PAYMENT_MOVE, (ref, paid_on), change)


def _purchase(own: Own, id: str, chance: random.Random) -> Write:
    ref, amount, paid_on = f"o-{id}", _amount(chance), _day(chance)
    sku, on_hand, quantity = _next(own.skus), chance.randint(0, 99999), chance.randint(1, 9)
    return Write(
        id,
        "purchase",
        (
            Change("orders", ref, amount),
            Change("lines", f"{ref}/1", str(quantity)),
            Change("lines", f"{ref}/2", str(quantity + 1)),
            Change("stock", sku, str(on_hand)),
            Change("payments", f"p-{id}", f"{amount} on {paid_on}"),
        ),
        (
            (PLAIN_ORDER, (ref, chance.randint(1, 5000), amount, id)),
            (PLAIN_LINE, (ref, 1, quantity, id)),
            (PLAIN_LINE, (ref, 2, quantity + 1, id)),
            (PLAIN_STOCK, (sku, on_hand, id)),
            (PLAIN_PAYMENT, (f"p-{id}", amount, paid_on, id)),
            (LOG, ("purchase", id)),
        ),
    )


Maker = Callable[[Own, str, random.Random], Write]

KINDS: tuple[tuple[Maker, int], ...] = (
    (_order, 30),
    (_stock, 20),
    (_cart_put, 12),
    (_cart_drop, 10),
    (_note, 8),
    (_payment_move, 5),
    (_purchase, 15),
)
"""Each kind of write and how many in a hundred there are of it."""


def _single(id: str, kind: str, sql: str, arguments: tuple[object, ...], change: Change) -> Write:
    return Write(id, kind, (change,), ((LOGGED.format(sql), (kind, id, *arguments)),))


def _next(keys: deque[str]) -> str:
    keys.rotate(-1)
    return keys[-1]


def _amount(chance: random.Random) -> str:
    return f"{chance.randint(1, 99999)}.{chance.randint(0, 99):02}"


def _day(chance: random.Random) -> date:
    return date(2023, 6, 1) + timedelta(days=chance.randint(0, 1200))
