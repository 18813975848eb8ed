"""The words by which a rehearsal's hosts are reached, and what its road may be made to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiles.errors import HostError
from rehearsal import knobs, sshconfig, sshd
from rehearsal.__main__ import named
from rehearsal.folders import BoxState, stands_on
from rehearsal.hosts import OnLoopback
from rehearsal.processes import HERE, Ground
from rehearsal.sshconfig import Door
from rehearsal.wire import Conditions
from rehearsal.world import hba

GATE = Door("gate", "127.0.0.1", 40001, "ssh-ed25519 AAAAgate")
OLD = Door("old-host", "10.77.1.2", 2222, "ssh-ed25519 AAAAold\n", "gate")


def test_an_ssh_config_has_each_host_behind_the_gate_and_nothing_of_the_operators() -> None:
    text = sshconfig.config([GATE, OLD], Path("/box/ssh"))
    gate, old, every = text.split("Host ")[1:]
    assert gate.split() == ["gate", "HostName", "127.0.0.1", "Port", "40001"]
    assert old.split()[:5] == ["old-host", "HostName", "10.77.1.2", "Port", "2222"]
    assert old.split()[5:] == ["ProxyJump", "gate"]
    for line in (
        "User ferry",
        "IdentityFile /box/ssh/key",
        "IdentityAgent none",
        "UserKnownHostsFile /box/ssh/known_hosts",
        "StrictHostKeyChecking yes",
    ):
        assert f"    {line}\n" in every
    assert "~" not in text


def test_every_key_is_known_once() -> None:
    again = Door("pool-host", OLD.address, OLD.port, OLD.key)
    assert sshconfig.known_hosts([GATE, OLD, again]).splitlines() == [
        "[127.0.0.1]:40001 ssh-ed25519 AAAAgate",
        "[10.77.1.2]:2222 ssh-ed25519 AAAAold",
    ]


def test_an_sshd_listens_at_its_address_and_the_gates_nowhere() -> None:
    assert sshd.config(Path("/box"), "10.77.1.2").startswith(
        "ListenAddress 10.77.1.2\nPort 2222\nHostKey /box/host_key\n"
    )
    assert "Listen" not in sshd.config(Path("/box"), "")
    assert sshd.passwd(Path("/box/home")) == "ferry:x:1000:1000::/box/home:/bin/sh\n"


def test_openssh_that_is_not_there_is_said() -> None:
    with pytest.raises(HostError, match="find sshd-of-ours: there is none"):
        sshd.program("sshd-of-ours")


def test_on_a_place_nobody_changes_into_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert HERE.user == 65534
    assert Ground(("nsenter",)).user is None


def test_only_who_is_known_to_come_is_let_in() -> None:
    loopback = OnLoopback().hosts
    assert "10.77" not in hba(loopback["old"], loopback["pool"])


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (BoxState(state="ready"), "It is all on this machine."),
        (BoxState(state="ready", hosts="ssh"), "It is all on this machine, reached by SSH."),
        (BoxState(state="ready", hosts="ssh", road_why="no ip"), "reached by SSH. No road: no ip."),
        (BoxState(state="ready", hosts="road"), "on a road, reached by SSH through a jump host"),
    ],
)
def test_what_it_stands_on_is_one_line(state: BoxState, said: str) -> None:
    assert said in stands_on(state)
    assert "\n" not in stands_on(state)


# Knobs


def test_a_turned_knob_changes_its_own_condition_alone() -> None:
    now = Conditions(delay_ms=2.0, jitter_ms=0.2, largest=1350)
    changed, wrong = knobs.turned(now, {"delay-ms": " 80 ", "loss-percent": "0.5"})
    assert not wrong
    assert changed == Conditions(delay_ms=80.0, jitter_ms=0.2, loss=0.005, largest=1350)
    assert knobs.values(changed)["loss-percent"] == 0.5
    assert knobs.said(changed) == "80 ± 0.2 ms each way, 0.5 % lost, as fast as it can"


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        ({"delay-ms": ""}, {"delay-ms": "not a number"}),
        ({"delay-ms": "2 s"}, {"delay-ms": "not a number"}),
        ({"delay-ms": "nan"}, {"delay-ms": "from 0 to 2000"}),
        ({"delay-ms": "inf"}, {"delay-ms": "from 0 to 2000"}),
        ({"loss-percent": "101"}, {"loss-percent": "from 0 to 100"}),
        ({"rate-mbit": "-1"}, {"rate-mbit": "from 0 to 10000"}),
        ({"jitter-ms": "3"}, {"jitter-ms": "not more than the delay"}),
        ({"delay-ms": "0.1"}, {"jitter-ms": "not more than the delay"}),
    ],
)
def test_what_no_road_can_be_changes_nothing(typed: dict[str, str], wrong: dict[str, str]) -> None:
    now = Conditions(delay_ms=2.0, jitter_ms=0.2)
    assert knobs.turned(now, typed) == (now, wrong)


def test_the_command_lines_options_are_the_knobs() -> None:
    options = ["--delay-ms", "20", "--rate-mbit", "8"]
    assert named(options) == {"delay-ms": "20", "rate-mbit": "8"}
    assert named(options[:3]) == named(["--colour", "red"]) == named([]) == {}
