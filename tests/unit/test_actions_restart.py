"""The step that restarts a server: who may run it, as whom, and what its line is made of."""

from __future__ import annotations

import shlex
import subprocess

import msgspec
import pytest

from actions.restart import Waiting, by_hand_because, restart, shell_line
from profiles.machine import Cpu, HostSeen, Memory, Place, ServerProcess
from profiles.steps import Shell, Sql, Words

PROCESS = ServerProcess(
    user="postgres", program="/usr/lib/postgresql/18/bin/postgres", messages="/var/log/pg 18.log"
)
SEEN = HostSeen(
    host="new",
    watched_s=0,
    cpu=Cpu(cores=1),
    memory=Memory(total=1),
    places=(Place(what="data", path="/srv/it's data"),),
    process=PROCESS,
)
UNIT = "postgresql@18-main.service"
BUFFERS = Waiting("shared_buffers", "16GB", "128MB")


def with_process(**changed: str | None) -> HostSeen:
    return msgspec.structs.replace(SEEN, process=msgspec.structs.replace(PROCESS, **changed))


def test_by_its_own_pg_ctl_as_its_own_user() -> None:
    step = restart("new", [BUFFERS], SEEN, "tuning", ours=True)
    checkpoint, line, answers = step.commands
    assert isinstance(checkpoint, Sql) and checkpoint.text == "CHECKPOINT"
    assert isinstance(line, Shell) and (line.host, line.as_user) == ("new", "postgres")
    assert '/usr/lib/postgresql/18/bin/pg_ctl restart -D "$PWD" -w' in line.line
    assert isinstance(answers, Sql) and answers.until == "1"
    assert (step.by_hand, step.before_turn, step.optional) == (False, True, True)
    assert step.servers == ("new",) and step.danger is not None
    assert [evidence.answer for evidence in step.holds] == ["16GB"]
    assert step.deadline_s >= sum(it.deadline_s for it in (checkpoint, line, answers))


def test_by_systemd_as_root() -> None:
    step = restart("new", [BUFFERS], with_process(unit=UNIT, program=None), "tuning", ours=True)
    line = step.commands[1]
    assert isinstance(line, Shell) and line.as_user == "root"
    assert f"systemctl restart {UNIT}" in line.line and "pg_ctl" not in line.line


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (None, "was not looked at"),
        (msgspec.structs.replace(SEEN, process=None), "was not looked at"),
        (msgspec.structs.replace(SEEN, places=()), "was not looked at"),
        (with_process(kept_by="patroni.service"), "patroni.service looks after it"),
        (with_process(program=None), "not to be seen"),
        (with_process(messages=None), "would be lost"),
    ],
)
def test_by_hand_where_it_is_not_known_how(seen: HostSeen | None, words: str) -> None:
    assert words in (by_hand_because(seen) or "")
    step = restart("new", [BUFFERS], seen, "tuning", ours=True)
    assert step.by_hand and words in step.why and not step.danger
    assert isinstance(step.commands[0], Words)


def test_a_server_that_is_not_ours_to_restart() -> None:
    step = restart("new", [BUFFERS], SEEN, "tuning", ours=False)
    assert step.by_hand and "/srv/it's data/postgresql.auto.conf" in step.why


@pytest.mark.parametrize("unit", [None, UNIT, "o'dd.service"])
@pytest.mark.parametrize("messages", [None, "/var/log/it's.log"])
@pytest.mark.parametrize("log", [None, "/var/log/it's own"])
def test_every_line_is_a_script_in_a_script(
    unit: str | None, messages: str | None, log: str | None
) -> None:
    seen = with_process(unit=unit, messages=messages, program="/opt/it's/bin/postgres")
    if log is not None:
        seen = msgspec.structs.replace(seen, places=(*seen.places, Place(what="log", path=log)))
    line = shell_line([BUFFERS, Waiting("cluster_name", "b", "it's \\ mine")], seen)
    assert_shell(line)
    setsid, sh, flag, inner, name, *arguments = shlex.split(line.partition(" &\nwait $!")[0])
    assert (setsid, sh, flag, name) == ("setsid", "sh", "-c", "sh")
    assert_shell(inner)
    assert arguments == [
        "/srv/it's data",
        "shared_buffers = '128MB'",
        "cluster_name = 'it''s \\\\ mine'",
    ]
    for words in (unit, messages, log):
        assert words is None or shlex.quote(words) in inner


def test_what_was_not_configured_before_is_left_out_and_not_set() -> None:
    line = shell_line([Waiting("max_connections", "200", None)], SEEN)
    assert 'sed -e "/^max_connections *=/d"' in line
    assert line.endswith("""' sh '/srv/it'"'"'s data' &\nwait $!""")


def assert_shell(line: str) -> None:
    checked = subprocess.run(["/bin/sh", "-n", "-c", line], capture_output=True, check=False)
    assert checked.returncode == 0, (line, checked.stderr)
