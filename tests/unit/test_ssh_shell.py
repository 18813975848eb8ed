"""What is said to a far shell, tried on the one here."""

from __future__ import annotations

import os
import subprocess

import pytest

from connections import ssh_shell
from connections.ssh_shell import Marks

MARKS = Marks.of("abc")


def ran(command: str, given: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["/bin/sh", "-c", command], input=given, capture_output=True, timeout=20)


def ran_with_its_input_open(script: str) -> subprocess.CompletedProcess[bytes]:
    """A line is ended with its input, which is its lifeline."""
    command = ssh_shell.opening(MARKS, None, asks=False)
    reading, writing = os.pipe()
    try:
        os.write(writing, ssh_shell.in_one_line(script))
        return subprocess.run(
            ["/bin/sh", "-c", command], stdin=reading, capture_output=True, timeout=20
        )
    finally:
        os.close(reading)
        os.close(writing)


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


def test_no_more_files_than_a_shell_has_descriptors_for() -> None:
    with pytest.raises(ValueError, match="more than 5 files"):
        ssh_shell.line_script(MARKS, "true", {}, 1, {f"F{i}": "" for i in range(6)})


def test_a_file_of_a_line_is_one_and_in_no_folder() -> None:
    line = 'stat -L -c "%a %F %h" "$A"; cat "$A"; cat "$B" "$A"; echo "$A" "$B"'
    files = {"A": "it's \\n %s\n", "B": "é\n"}
    script = ssh_shell.line_script(MARKS, line, {"TMPDIR": "/tmp"}, 5, files)
    far = ran_with_its_input_open(script)
    said = far.stdout.decode().splitlines()
    assert said == [
        MARKS.ready,
        "600 regular file 0",
        *("it's \\n %s", "é", "it's \\n %s"),
        "/proc/self/fd/5 /proc/self/fd/6",
        f"{MARKS.end} 0",
    ]
    assert far.stderr.decode().splitlines() == [MARKS.ready, f"{MARKS.end} 0"]


def test_where_no_file_can_be_made_the_line_is_not_run() -> None:
    script = ssh_shell.line_script(MARKS, "echo ran", {}, 5, {"A": "secret"})
    script = script.replace("/dev/shm", "/nowhere").replace("|| mktemp)", "|| mktemp -p /nowhere)")
    far = ran_with_its_input_open(script)
    assert far.stdout.decode().splitlines() == [MARKS.ready, f"{MARKS.end} 1"]
    assert b"/nowhere" in far.stderr and b"secret" not in far.stderr
