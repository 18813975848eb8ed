"""The lines of a replication tunnel, as they are shown."""

from __future__ import annotations

import dataclasses
import subprocess

import pytest

from connections import unit as units
from connections.host import Ran, ThisMachine
from connections.unit import Keeper, TunnelUnit
from profiles.errors import HostError
from profiles.steps import Shell

UNIT = TunnelUnit(
    name="nightferry-orders",
    runs_on="new",
    through="old",
    login="ferry@db1.example.org",
    login_port=2222,
    host_key="[db1.example.org]:2222 ssh-ed25519 AAAA",
    seen_from="192.0.2.7",
    database=("::1", 5432),
    local_port=15432,
)
KEEPERS: tuple[Keeper, ...] = ("system", "user", "process")


def test_the_key_may_forward_to_the_database_and_nothing_else() -> None:
    assert units.authorized(UNIT, "ssh-ed25519 AAAA nightferry-orders") == (
        'restrict,port-forwarding,permitopen="[::1]:5432",from="192.0.2.7"'
        " ssh-ed25519 AAAA nightferry-orders"
    )
    permit = units.permit(UNIT)
    assert (permit.host, permit.fills) == ("old", ("public_key",))
    assert permit.as_user == units.forbid(UNIT).as_user == "ferry"
    assert '"192.0.2.7" {public_key}' in permit.line


def test_the_tunnel_listens_on_the_loopback_address_alone() -> None:
    line = units.make(UNIT).line
    assert "-L 127.0.0.1:15432:[::1]:5432 ferry@db1.example.org" in line
    assert "-o StrictHostKeyChecking=yes" in line
    assert "-o Ciphers=aes128-gcm@openssh.com," in line
    assert "Compression" not in line
    assert "-o Compression=yes" in units.make(dataclasses.replace(UNIT, compressed=True)).line


def test_the_source_is_known_as_the_destination_calls_it() -> None:
    assert units.known_as("a@db1", 22, "ssh-ed25519 A") == "db1 ssh-ed25519 A"
    assert units.known_as("a@db1", 2222, "ssh-ed25519 A") == "[db1]:2222 ssh-ed25519 A"
    assert units.known_as("a@::1", 22, "ssh-rsa A") == "::1 ssh-rsa A"


@pytest.mark.parametrize("night", ["shop-20260301-0500-abcd", "Größe & co", "x" * 300, "-"])
def test_a_nights_name_makes_a_units(night: str) -> None:
    made = dataclasses.replace(UNIT, name=units.name_of(night))
    assert made.name.startswith("nightferry-")
    assert len(made.name) < 80


@pytest.mark.parametrize("keeper", KEEPERS)
def test_every_line_is_one_that_a_shell_understands(keeper: Keeper) -> None:
    commands = [units.make(UNIT), units.public_key(UNIT), units.permit(UNIT), units.forbid(UNIT)]
    commands += [units.start(UNIT, keeper), units.stop(UNIT, keeper), units.remove(UNIT)]
    commands.append(units.arrives(UNIT, "/usr/a folder"))
    for evidence in (
        *(units.runs(UNIT, keeper), units.is_stopped(UNIT, keeper)),
        *(units.is_permitted(UNIT), units.is_forbidden(UNIT), units.is_removed(UNIT)),
    ):
        assert isinstance(evidence.ask, Shell)
        commands.append(evidence.ask)
    for command in commands:
        checked = subprocess.run(["/bin/sh", "-nc", command.line], capture_output=True, timeout=20)
        assert checked.stderr == b"", command.line


def test_systemd_keeps_it_where_it_runs() -> None:
    assert (
        "systemd-run --quiet --collect --unit=nightferry-orders" in units.start(UNIT, "system").line
    )
    user = units.start(UNIT, "user").line
    assert "XDG_RUNTIME_DIR=/run/user/$(id -u) systemd-run --user --quiet" in user
    assert units.stop(UNIT, "system").line.endswith("systemctl stop nightferry-orders")


@pytest.mark.parametrize("name", ["", "a b", "x;y", "../x", "-x", "Ä"])
def test_a_name_that_a_shell_would_misread_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name for a unit"):
        dataclasses.replace(UNIT, name=name)


async def test_who_keeps_it_is_asked_there() -> None:
    assert await units.keeper_of(ThisMachine()) in KEEPERS


async def test_an_answer_that_makes_no_sense_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(*_: object, **__: object) -> Ran:
        return Ran(1, "", "sh: 1: Syntax error")

    machine = ThisMachine("host of new")
    monkeypatch.setattr(machine, "run", run)
    with pytest.raises(HostError, match=r"host of new: .*Syntax error"):
        await units.keeper_of(machine)
