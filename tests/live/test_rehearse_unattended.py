"""``nightferry rehearse --unattended --json``, as a shell runs it: one object, nothing left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from profiles import load
from tests.fix_processes import about

pytestmark = pytest.mark.live

KEYS = {
    "route": str,
    "traffic": str,
    "source": str,
    "destination": str,
    "rows_copied": int,
    "acknowledged": int,
    "lost": int,
    "duplicated": int,
    "failed": int,
    "in_doubt": int,
    "write_pause_ms": float,
    "steps": list,
    "loose_ends": list,
}


def test_a_whole_night_loses_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    ran = subprocess.run(
        [str(Path(sys.executable).with_name("nightferry")), "rehearse", "--unattended", "--json"],
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert {name: type(value) for name, value in told.items()} == KEYS
    assert (told["lost"], told["duplicated"], told["failed"], told["loose_ends"]) == (0, 0, 0, [])
    assert told["acknowledged"] > 1000 and told["rows_copied"] > 20_000
    assert {step["outcome"] for step in told["steps"]} <= {"done", "already"}
    run = {step["id"] for step in told["steps"]}
    assert run >= {"disk-test@new", "tune-max_wal_size@new", "import-autovacuum@new"}
    assert "undo-import-autovacuum@new" in run, "settled before the traffic came"
    assert "undo-tune-max_slot_wal_keep_size@old" in run, "what is changed on the source is a loan"
    (night,) = (tmp_path / "nightferry" / "nights").iterdir()
    assert (night / "report.md").exists()
    place = Path(load.read(night / "profile.toml").endpoints[0].config).parents[1]  # type: ignore[union-attr]
    assert about(place) + about(night) == []
    assert not place.exists()
