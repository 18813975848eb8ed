"""The schema's steps as data: what stands before what."""

from __future__ import annotations

from pathlib import Path

from actions.schema import bench_of, schema_later
from profiles.names import SUBSCRIPTION
from profiles.steps import Shell, Sql, Step
from tests.fix_looks import a_server


def later() -> Step:
    old, new = a_server("old", 5416), a_server("new", 5418)
    bench = bench_of(new, Path("/n"))
    return schema_later(old, new, "app", tls="disable", tools="/usr/bin", bench=bench)


def test_nothing_is_applied_while_foreign_keys_are_made() -> None:
    """It happened: the apply worker lost a deadlock, and the subscription disabled itself."""
    disable, stopped, restore, retry, enable = later().commands
    assert isinstance(retry, Sql) and retry.text.endswith("SET (disable_on_error = false)")
    assert isinstance(disable, Sql) and isinstance(stopped, Sql) and isinstance(enable, Sql)
    assert disable.text == f"ALTER SUBSCRIPTION {SUBSCRIPTION} DISABLE"
    assert "pg_stat_subscription" in stopped.text and stopped.until == "0"
    assert isinstance(restore, Shell) and "pg_restore" in restore.line
    assert enable.text == f"ALTER SUBSCRIPTION {SUBSCRIPTION} ENABLE"


def test_it_does_not_hold_before_changes_are_applied_again() -> None:
    asks = [evidence.ask for evidence in later().holds]
    assert any(isinstance(ask, Sql) and "subenabled" in ask.text for ask in asks)
