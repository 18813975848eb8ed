"""The application: which errors leave a write in doubt, what it writes, where it connects to."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import pytest
from asyncpg.exceptions import InternalClientError  # type: ignore[import-untyped]

from rehearsal.application import read_settings, refused
from rehearsal.writes import KINDS, READS, compose, owned


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.UniqueViolationError("duplicate key"),
        asyncpg.ReadOnlySQLTransactionError("read only"),
        asyncpg.InvalidAuthorizationSpecificationError("not permitted to log in"),
    ],
)
def test_a_server_that_says_no_leaves_no_doubt(error: Exception) -> None:
    assert refused(error)


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
        asyncpg.ProtocolViolationError("server conn crashed?"),
        asyncpg.AdminShutdownError("terminating connection due to administrator command"),
        asyncpg.InterfaceError("cannot perform operation: connection is closed"),
        InternalClientError("cannot switch to state 15; another operation (2) is in progress"),
        TimeoutError(),
        ConnectionResetError(),
    ],
)
def test_a_lost_connection_leaves_a_doubt(error: Exception) -> None:
    assert not refused(error)


def test_every_kind_is_written_by_each_of_many_writers() -> None:
    for number in (0, 39):
        own, chance = owned(number, 40), random.Random(number)
        kinds: Counter[str] = Counter()
        for count in range(2000):
            write = compose(own, f"w{number}-{count}", chance)
            own.done(write)
            kinds[write.kind] += 1
        assert len(kinds) == len(KINDS)
        assert min(kinds.values()) > 20


def test_no_two_writers_own_a_row() -> None:
    owns = [owned(number, 8) for number in range(8)]
    skus = [sku for own in owns for sku in own.skus]
    topics = [topic for own in owns for topic in own.topics]
    assert len(skus) == len(set(skus)) == 1600
    assert len(topics) == len(set(topics)) == 400


def test_every_change_is_of_a_table_that_is_read_back() -> None:
    own, chance = owned(0, 1), random.Random(0)
    for count in range(500):
        write = compose(own, f"w0-{count}", chance)
        own.done(write)
        assert {change.table for change in write.changes} <= set(READS)
        assert "inet_server_port" in write.statements[-1][0]


def test_a_row_in_doubt_is_never_touched_again() -> None:
    own, chance = owned(0, 1), random.Random(3)
    forsaken: set[str] = set()
    for count in range(1500):
        write = compose(own, f"w0-{count}", chance)
        assert not forsaken & {change.key for change in write.changes}
        if count % 10:
            own.done(write)
        else:
            own.abandon(write)
            forsaken |= {change.key for change in write.changes}


def test_a_refused_delete_leaves_the_row_to_be_deleted_later() -> None:
    own, chance = owned(0, 1), random.Random(4)
    while not own.carts or not own.payments:
        write = compose(own, f"w0-{len(own.carts)}-{chance.random()}", chance)
        own.done(write)
    carts, payments = set(own.carts), dict(own.payments)
    for count in range(200):
        own.release(compose(own, f"no-{count}", chance))
    assert set(own.carts) == carts
    assert own.payments == payments


def test_a_connection_file_is_read_past_its_comments(tmp_path: Path) -> None:
    path = tmp_path / "app.env"
    path.write_text("# DATABASE_PORT=1\n\nDATABASE_PORT = 5433\nDATABASE_PASSWORD=a=b#c\n")
    assert read_settings(path) == {"DATABASE_PORT": "5433", "DATABASE_PASSWORD": "a=b#c"}
