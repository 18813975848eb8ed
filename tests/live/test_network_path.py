"""The command `nightferry path`, from this machine and from one that is reached over SSH."""

from __future__ import annotations

import csv
import json
import socket
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from checks.network import measure
from connections.ssh_host import RemoteMachine
from profiles.errors import ConnectError, HostError
from tests.fix_ssh import Sshd, linked
from tui.path import path

pytestmark = pytest.mark.live


FIGURES = [
    *("ttl", "address", "name", "loss_percent", "sent", "last_ms", "avg_ms", "best_ms"),
    *("worst_ms", "stdev_ms", "jitter_ms"),
]


def ran(*words: str) -> Result:
    return CliRunner().invoke(path, words)


def test_a_port_of_this_machine_as_json() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        result = ran(f"127.0.0.1:{port}", "--cycles", "2", "--json")
    assert result.exit_code == 0, result.output
    whole = json.loads(result.stdout)
    assert whole["target"] == f"127.0.0.1:{port}" and whole["mode"] == "tcp"
    assert [*whole] == ["target", "mode", "hops", "destination", "verdicts"]
    assert [*whole["hops"][0]] == [*whole["destination"]] == FIGURES
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


def test_from_a_host_of_the_operators_ssh_config(trusted: Path, sshd: Sshd) -> None:
    config = f"Host db-new\n  HostName 127.0.0.1\n  Port {sshd.port}\n  IdentityFile {sshd.key}\n"
    (trusted / ".ssh" / "config").write_text(config)
    result = ran(f"127.0.0.1:{sshd.port}", "--from", "db-new", "--cycles", "2", "--json")
    assert result.exit_code == 0, result.output
    whole = json.loads(result.stdout)
    assert whole["destination"]["sent"] == 2 and whole["destination"]["loss_percent"] == 0


def test_from_a_host_that_is_not_there(trusted: Path) -> None:
    (trusted / ".ssh" / "config").write_text("Host gone\n  HostName 127.0.0.1\n  Port 1\n")
    result = ran("127.0.0.1:1", "--from", "gone", "--cycles", "1")
    assert isinstance(result.exception, ConnectError)
    assert "host of gone" in str(result.exception)


async def test_a_host_without_python3_has_a_clock_and_buffers(
    operator: Path, busybox_sshd: Sshd
) -> None:
    (operator / ".ssh" / "known_hosts").write_text(busybox_sshd.known)
    link = linked(busybox_sshd)
    try:
        with pytest.raises(HostError, match="there is no python3"):
            await measure.probe(RemoteMachine(link), "127.0.0.1", 1, cycles=1)
        found = await measure.clock(RemoteMachine(link))
        assert abs(found.ahead_s) <= found.within_s
        assert set(await measure.buffers(RemoteMachine(link))) == set(measure.BUFFERS)
    finally:
        await link.close()


def test_the_progress_is_wiped_off_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    path.main(["127.0.0.1:1", "--cycles", "1", "--csv"], standalone_mode=False)
    shown = capsys.readouterr().err
    assert "finding the hops" in shown and "cycle 1 of 1" in shown
    assert shown.endswith("\r\x1b[K")
