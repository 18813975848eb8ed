"""The command `nightferry path`, on this machine."""

from __future__ import annotations

import csv
import json
import socket

import pytest
from click.testing import CliRunner, Result

from tui.path import path

pytestmark = pytest.mark.live


def ran(*words: str) -> Result:
    return CliRunner().invoke(path, words)


def test_a_port_of_this_machine_as_json() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        result = ran(f"127.0.0.1:{port}", "--cycles", "2", "--json")
    assert result.exit_code == 0, result.output
    whole = json.loads(result.stdout)
    assert whole["target"] == f"127.0.0.1:{port}" and whole["mode"] == "tcp"
    assert whole["destination"]["loss_percent"] == 0 and whole["destination"]["sent"] == 2
    assert {one["check"]: one["verdict"] for one in whole["verdicts"]}["net.reached"] == "pass"


def test_a_closed_port_over_ipv6_as_csv_and_text() -> None:
    (row,) = csv.DictReader(ran("[::1]:1", "--cycles", "1", "--csv").stdout.splitlines())
    assert row["Ip"] == "::1"
    text = ran("[::1]:1", "--cycles", "1").stdout
    assert "HOST: " in text and "nothing listens on that port" in text


def test_an_unknown_name_is_exit_code_1_and_says_so() -> None:
    result = ran("no name:5432", "--cycles", "1")
    assert result.exit_code == 1
    assert "stop    no name:5432: Nothing can be probed: the name" in result.stdout


@pytest.mark.parametrize("word", ["db", "db:", ":5432", "db:0", "db:65536", "db:x", "::1:5432"])
def test_a_target_that_is_none_is_a_wrong_command_line(word: str) -> None:
    assert ran(word).exit_code == 2
