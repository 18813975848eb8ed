"""What is said to a far shell, tried on the one here."""

from __future__ import annotations

import subprocess

import pytest

from connections import ssh_shell
from connections.ssh_shell import Marks

MARKS = Marks.of("abc")


def ran(command: str, given: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["/bin/sh", "-c", command], input=given, capture_output=True, timeout=20)


@pytest.mark.parametrize(
    "script", ["echo one\necho two", "printf '%s' 'a\\nb\\\\c'", "echo 'it'\"'\"'s'", "echo é # ("]
)
def test_a_script_arrives_as_it_was_sent(script: str) -> None:
    far = ran(ssh_shell.opening(MARKS, None, asks=False), ssh_shell.in_one_line(script))
    assert far.stdout == MARKS.ready.encode() + b"\n" + ran(script, b"").stdout
    assert far.stderr == MARKS.ready.encode() + b"\n"


def test_what_follows_the_script_is_left_for_it() -> None:
    given = ssh_shell.in_one_line("cat") + b"payload \x00\n"
    far = ran(ssh_shell.opening(MARKS, None, asks=False), given)
    assert far.stdout.endswith(b"\npayload \x00\n")


@pytest.mark.parametrize("asks", [True, False])
def test_becoming_another_user_never_names_a_password(asks: bool) -> None:
    command = ssh_shell.opening(MARKS, "o'brien", asks=asks)
    assert ("sudo -S -p nightferry-password-abc" in command) is asks
    assert ("sudo -n" in command) is not asks
    syntax = subprocess.run(["/bin/sh", "-nc", command], capture_output=True, timeout=20)
    assert syntax.stderr == b""


def test_a_name_of_a_variable_is_one() -> None:
    with pytest.raises(ValueError, match="no name of a variable: A;B"):
        ssh_shell.line_script(MARKS, "true", {"A;B": "1"}, 1)
