"""A road on paper: text, CSV and JSON."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime

import msgspec

from checks.network import report
from checks.network.hops import Hop, Path, Tried
from checks.network.verdicts import Limits, judged

BEGAN = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)
PATH = Path(
    host="db-old.example",
    port=5432,
    address="10.0.0.3",
    mode="tcp",
    tried=(Tried("tcp", True),),
    hops=(
        Hop(
            ttl=1,
            address="10.0.0.1",
            sent=10,
            received=10,
            last_ms=0.41,
            avg_ms=0.39,
            best_ms=0.3,
            worst_ms=0.5,
            stdev_ms=0.06,
            jitter_ms=0.1,
        ),
        Hop(ttl=2, sent=10),
        Hop(
            ttl=3,
            address="10.0.0.3",
            target=True,
            sent=10,
            received=9,
            last_ms=1020.04,
            avg_ms=120.4,
            best_ms=20.1,
            worst_ms=1020.04,
            stdev_ms=333.3,
            jitter_ms=111.1,
        ),
    ),
    names={"10.0.0.3": "db-old.example", "10.0.0.1": ""},
    done=True,
)
SAID = judged(PATH, Limits())

TEXT = """\
Start: 2026-03-01T22:00:00+0000
HOST: db-new                      Loss%   Snt   Last   Avg  Best  Wrst StDev Jitter
  1.|-- 10.0.0.1                   0.0%    10    0.4   0.4   0.3   0.5   0.1    0.1
  2.|-- ???                      100.0%    10    0.0   0.0   0.0   0.0   0.0    0.0
  3.|-- db-old.example            10.0%    10  1020.0 120.4  20.1 1020.0 333.3  111.1
"""


def test_the_text_is_mtrs_with_one_column_more() -> None:
    text = report.text(PATH, SAID, host="db-new", began=BEGAN)
    table, verdicts = text.split("\n\n")
    assert table + "\n" == TEXT
    assert verdicts.splitlines()[0].startswith("pass    db-old.example:5432 (10.0.0.3)")
    assert verdicts.splitlines()[1].startswith("stop    10.0 % lost (1 of 10 probes)")


def test_a_long_name_does_not_bend_the_columns() -> None:
    names = {"10.0.0.1": "core-router-17.frankfurt.backbone.example.net"}
    text = report.text(msgspec.structs.replace(PATH, names=names), {}, host="h", began=BEGAN)
    heading, first, silent, *_ = text.splitlines()[1:]
    ends = [line.index("%") for line in (heading, first, silent)]
    assert len(set(ends)) == 1


def test_a_road_without_hops_is_only_its_verdicts() -> None:
    text = report.text(Path(host="db", port=1, error="no"), {}, host="h", began=BEGAN)
    assert len(text.splitlines()) == 3


def test_the_csv_has_mtrs_columns() -> None:
    rows = list(csv.DictReader(report.as_csv(PATH, began=BEGAN).splitlines()))
    assert [row["Ip"] for row in rows] == ["10.0.0.1", "???", "10.0.0.3"]
    assert rows[2]["Name"] == rows[2]["Host"] == "db-old.example"
    assert rows[2]["Loss%"] == "10.00" and rows[2]["Jitter"] == "111.10"
    assert rows[1]["Avg"] == ""
    assert {row["Status"] for row in rows} == {"OK"}
    assert rows[0]["Start_Time"] == "1772402400"


def test_the_json_has_the_fields_that_were_promised() -> None:
    whole = json.loads(report.as_json(PATH, SAID))
    assert list(whole) == ["target", "mode", "hops", "destination", "verdicts"]
    assert whole["target"] == "db-old.example:5432"
    names = "ttl address name loss_percent sent last_ms avg_ms best_ms worst_ms stdev_ms jitter_ms"
    assert " ".join(whole["hops"][0]) == names
    assert whole["destination"] == whole["hops"][2]
    assert whole["hops"][1]["address"] is None and whole["hops"][1]["loss_percent"] == 100.0
    assert [one["check"] for one in whole["verdicts"]] == list(SAID)
    assert whole["verdicts"][1]["verdict"] == "stop"


def test_without_a_destination_there_is_none_in_the_json() -> None:
    whole = json.loads(report.as_json(msgspec.structs.replace(PATH, hops=PATH.hops[:1]), {}))
    assert whole["destination"] is None and whole["verdicts"] == []
