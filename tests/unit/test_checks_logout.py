"""What logind is told, out of its files, and whether a logout ends the engine."""

from __future__ import annotations

import pytest

from checks.check import HERE, Look
from checks.logout import Logind, Stay, judged, read_logind, read_stay, survives_logout
from connections.host import Ran, ThisMachine
from tests.fix_looks import A_PROFILE, MadeUpMachine, finding

SHIPPED = "[Login]\n#NAutoVTs=6\n#KillUserProcesses=no\n#KillOnlyUsers=\n#KillExcludeUsers=root\n"
SESSION = "/user.slice/user-1000.slice/session-7.scope"
MANAGER = "/user.slice/user-1000.slice/user@1000.service/app.slice/run-u4.scope"
KILLS_TEXT = "[Login]\nKillUserProcesses=yes\n"
KILLS = {"/etc/systemd/logind.conf": KILLS_TEXT}
KILLS_READ = {"/etc/systemd/logind.conf": KILLS_TEXT.rstrip()}


def a_stay(unit: str = SESSION, *, lingers: bool = False, user: str = "ada", **more: str) -> Stay:
    files = {**KILLS, **{f"/etc/systemd/logind.conf.d/{name}.conf": t for name, t in more.items()}}
    return Stay(user, logind=True, lingers=lingers, unit=unit, files=files)


@pytest.mark.parametrize(
    ("files", "kills"),
    [
        ({}, None),
        ({"/etc/systemd/logind.conf": "[Login]\nNAutoVTs=6\n"}, None),
        ({"/usr/lib/systemd/logind.conf": SHIPPED}, False),
        ({"/usr/lib/systemd/logind.conf": SHIPPED.replace("=no", "=yes")}, True),
        ({"/etc/systemd/logind.conf": "[Login]\nKillUserProcesses = on\n"}, True),
        ({"/etc/systemd/logind.conf": "[Other]\nKillUserProcesses=yes\n"}, None),
        ({"/etc/systemd/logind.conf": SHIPPED, "/usr/lib/systemd/logind.conf": KILLS_TEXT}, False),
        (
            {
                "/etc/systemd/logind.conf": SHIPPED,
                "/etc/systemd/logind.conf.d/50-kill.conf": "[Login]\nKillUserProcesses=yes\n",
            },
            True,
        ),
        (
            {
                "/etc/systemd/logind.conf.d/90-last.conf": "[Login]\nKillUserProcesses=no\n",
                "/usr/lib/systemd/logind.conf.d/50-first.conf": "[Login]\nKillUserProcesses=yes\n",
            },
            False,
        ),
        (
            {
                "/usr/lib/systemd/logind.conf.d/50-kill.conf": "[Login]\nKillUserProcesses=yes\n",
                "/etc/systemd/logind.conf.d/50-kill.conf": "",
                "/usr/lib/systemd/logind.conf": SHIPPED,
            },
            False,
        ),
    ],
)
def test_what_logind_is_told(files: dict[str, str], kills: bool | None) -> None:
    assert read_logind(files).kills is kills


def test_whose_processes_end() -> None:
    text = "[Login]\nKillUserProcesses=yes\nKillOnlyUsers=ada\nKillOnlyUsers=bob\n"
    told = read_logind({"/etc/systemd/logind.conf": text})
    assert told == Logind(kills=True, only=("ada", "bob"))
    assert [told.ends(user) for user in ("ada", "bob", "eve", "root")] == [True, True, False, False]


def test_an_empty_line_begins_the_list_anew() -> None:
    text = "[Login]\nKillUserProcesses=yes\nKillExcludeUsers=\nKillExcludeUsers=bob\n"
    told = read_logind({"/etc/systemd/logind.conf": text})
    assert told.ends("root") is True
    assert told.ends("bob") is False


def test_a_session_that_is_killed_at_logout_is_warned_of_with_what_to_do() -> None:
    said = judged(a_stay())
    assert said.verdict == "warn"
    assert "KillUserProcesses=yes" in said.figure
    assert "loginctl enable-linger ada" in said.todo
    assert "systemd-run --user --scope" in said.todo


def test_lingering_alone_does_not_take_a_process_out_of_its_session() -> None:
    assert judged(a_stay(lingers=True)).verdict == "warn"


@pytest.mark.parametrize(("lingers", "verdict"), [(True, "pass"), (False, "warn")])
def test_under_the_users_manager_it_lives_as_long_as_they_linger(
    lingers: bool, verdict: str
) -> None:
    said = judged(a_stay(MANAGER, lingers=lingers))
    assert said.verdict == verdict
    assert "linger" in said.figure


@pytest.mark.parametrize(
    "stay",
    [
        a_stay("/system.slice/cron.service"),
        a_stay(user="root"),
        a_stay(last="[Login]\nKillUserProcesses=no\n"),
        a_stay(last="[Login]\nKillOnlyUsers=eve\n"),
        a_stay()._replace(logind=False),
    ],
    ids=["a service", "root", "a drop-in", "somebody else", "no logind"],
)
def test_where_no_logout_ends_it(stay: Stay) -> None:
    assert judged(stay).verdict == "pass"


def test_what_is_not_known_is_never_a_pass() -> None:
    said = judged(a_stay()._replace(files={}))
    assert said.verdict == "unknown"
    assert "busctl" in said.todo


def test_the_lines_are_read() -> None:
    lines = ["user ada", "logind", "lingers", f"unit {SESSION}", "file /etc/systemd/logind.conf"]
    stay = read_stay("\n".join([*lines, "| [Login]", "| KillUserProcesses=yes"]))
    assert stay == Stay("ada", logind=True, lingers=True, unit=SESSION, files=KILLS_READ)


async def test_this_machine_answers_the_question() -> None:
    look = Look(A_PROFILE, machines={HERE: ThisMachine()})
    said = await survives_logout(look, "night")
    assert said.verdict in ("pass", "warn", "unknown")
    assert " runs in " in said.evidence


async def test_it_is_asked_in_the_servers_phase() -> None:
    out = "\n".join(["user ada", "logind", f"unit {SESSION}", "file /etc/systemd/logind.conf"])
    machine = MadeUpMachine({}, Ran(0, f"{out}\n| [Login]\n| KillUserProcesses=yes\n", ""))
    found = await finding(Look(A_PROFILE, machines={HERE: machine}), "host.logout")
    assert (found.phase, found.verdict, found.server) == ("servers", "warn", None)
