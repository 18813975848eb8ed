"""What is read out of a server's log: severities in three formats, and never a statement."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.log_lines import SEVERITIES, SIEVE, TEXT_CHARACTERS, Entry, LogReader, worst

PREFIXES = (
    "",
    "2026-03-01 02:14:07.123 UTC [4711] ",
    "2026-03-01 02:14:07.123 CET [4711] app@orders ",
    "2026-03-01 02:14:07 UTC [4711]: [3-1] user=app,db=orders,app=[unknown],client=10.0.0.7 ",
    "< 2026-03-01 02:14:07.123 UTC >",
    "café\udce9 ",
)
HARMLESS = ("LOG", "DEBUG1", "INFO", "NOTICE", "STATEMENT", "CONTEXT", "QUERY", "DETAIL", "HINT")
texts = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=80
).filter(lambda text: text.strip() == text)
severities = st.sampled_from(SEVERITIES)


def read(path: str, *lines: str) -> list[tuple[str, str]]:
    """Everything that stands in these lines."""
    reader = LogReader(path)
    found = [entry for at, line in enumerate(lines) for entry in reader.take(line, at)]
    return [(entry.severity, entry.text) for entry in [*found, *reader.rest()]]


@given(prefix=st.sampled_from(PREFIXES), severity=severities, text=texts)
def test_any_prefix(prefix: str, severity: str, text: str) -> None:
    line = f"{prefix}{severity}:  {text}"
    assert read("server.log", line) == [(severity, text)]
    assert re.search(SIEVE, line)


@given(prefix=st.sampled_from(PREFIXES), word=st.sampled_from(HARMLESS), text=texts)
def test_what_is_no_warning_is_passed_over_whatever_it_says(
    prefix: str, word: str, text: str
) -> None:
    line = f"{prefix}{word}:  select 'ERROR:  {text}'"
    assert read("server.log", line) == []


def csv_record(severity: str, *said: str) -> str:
    """As the collector writes it (manual, 19.8.4)."""
    head = ["2026-03-01 02:14:07.123 UTC", "app", "orders", "4711", "10.0.0.7:5", "65.1", "1"]
    head += ["INSERT", "2026-03-01 02:00:00 UTC", "4/5", "0", severity, "23505"]
    message, detail, hint = (*said, "", "")[:3]
    tail = ["", "", "a context", "insert into t values ('hunter2')", "", "", "psql", "client"]
    written = io.StringIO()
    csv.writer(written, lineterminator="").writerow([*head, message, detail, hint, *tail])
    return written.getvalue()


@given(severity=severities, message=texts, detail=texts)
def test_csv(severity: str, message: str, detail: str) -> None:
    record = csv_record(severity, message, detail)
    [(found, text)] = read("server.csv", record)
    assert found == severity
    assert text.split() == f"{message} · {detail}".split()
    assert re.search(SIEVE, record)
    assert "hunter2" not in text


@given(severity=severities, message=texts, hint=texts)
def test_json(severity: str, message: str, hint: str) -> None:
    said = {"error_severity": severity, "message": message, "hint": hint, "statement": "hunter2 !"}
    record = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
    [(found, text)] = read("server.json", record)
    assert found == severity
    assert text.split() == f"{message} · {hint}".split()
    assert re.search(SIEVE, record)


@given(path=st.sampled_from(["a.log", "a.csv", "a.json"]), lines=st.lists(st.text(max_size=60)))
def test_nothing_in_a_log_is_a_mistake_of_ours(path: str, lines: list[str]) -> None:
    for severity, text in read(path, *lines):
        assert severity in SEVERITIES
        assert len(text) <= TEXT_CHARACTERS


@pytest.mark.parametrize("record", [csv_record("LOG", "ERROR"), '{"error_severity":"LOG"}', "[]"])
def test_records_of_no_account(record: str) -> None:
    assert read("a.csv", record) == read("a.json", record) == []


def test_detail_and_hint_belong_to_it_and_its_statement_does_not() -> None:
    head = "2026-03-01 02:14:07.123 UTC [4711] app@orders "
    lines = (
        f"{head}ERROR:  duplicate key value violates unique constraint",
        "\t“t_pkey”, ERROR:  as the message goes on",
        f"{head}DETAIL:  Key (id)=(4) already exists.",
        f"{head}HINT:  Take another.",
        f"{head}CONTEXT:  somewhere",
        f"{head}STATEMENT:  insert into t",
        "\tvalues ('hunter2'); -- ERROR:  no",
        f"{head}LOG:  parameters",
        f"{head}DETAIL:  $1 = 'hunter2'",
    )
    assert read("server.log", *lines) == [
        (
            "ERROR",
            "duplicate key value violates unique constraint · Key (id)=(4) already exists."
            " · Take another.",
        )
    ]


def test_what_was_left_out_between_parts_them() -> None:
    assert read("server.log", "WARNING:  one", "", "DETAIL:  of another") == [("WARNING", "one")]


def test_an_entry_stands_where_its_first_line_does() -> None:
    reader = LogReader("server.log")
    assert reader.take("WARNING:  one", 7) == []
    assert reader.take("HINT:  two", 21) == []
    assert reader.take("FATAL:  three", 33) == [Entry("WARNING", "one · two", 7)]
    assert reader.rest() == [Entry("FATAL", "three", 33)]
    assert reader.rest() == []


def test_poolers() -> None:
    said = "2026-03-01 02:14:07.123 UTC [99] {}"
    lines = [
        said.format("LOG stats: 1 xacts/s, ERROR:  none"),
        said.format("WARNING C-0x55: shop/app@10.0.0.7:5 pooler error: server login failed"),
        said.format("ERROR auth_file: could not open"),
        said.format("FATAL cannot load config"),
    ]
    assert [severity for severity, _ in read("/run/pgbouncer.log", *lines)] == [
        *("WARNING", "ERROR", "FATAL")
    ]
    assert [bool(re.search(SIEVE, line)) for line in lines[1:]] == [True] * 3


def test_what_is_very_long_is_cut() -> None:
    [(_, text)] = read("server.log", "ERROR:  " + "x" * 9999)
    assert len(text) == TEXT_CHARACTERS
    assert text.endswith("…")


def test_the_worse_of_two() -> None:
    assert worst("WARNING", "ERROR") == worst("ERROR", "WARNING") == "ERROR"
