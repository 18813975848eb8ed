"""Steps of tuning: what they run, in which order, what they leave, and how they are taken back."""

from __future__ import annotations

import shlex
import subprocess
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.firewall import open_port
from actions.tuning import HEADER, disk_test, steps
from profiles import events as ev
from profiles.fold import Night, fold
from profiles.machine import Cpu, HostSeen, Memory, Place, Proposal, ServerProcess, SysctlLine
from profiles.names import SYSCTL_FILE
from profiles.steps import FileEdit, Shell, Sql, Step, Words, edited, settling, shown

DATA = Place(what="data", path="/var/lib/postgresql/18/main")
NEW = HostSeen(host="new", watched_s=0, cpu=Cpu(cores=1), memory=Memory(total=1), places=(DATA,))
SWAPPINESS = Proposal(
    id="vm.swappiness@new",
    server="new",
    area="kernel",
    name="vm.swappiness",
    now="60",
    proposed="1",
    why="So.",
    arithmetic="1",
    rule="a manual",
)
BUFFERS = msgspec.structs.replace(
    SWAPPINESS,
    id="tune-shared_buffers@new",
    area="postgresql",
    name="shared_buffers",
    now="128MB",
    proposed="16GB",
    takes_effect="restart",
)
COMMIT = msgspec.structs.replace(
    BUFFERS,
    id="import-synchronous_commit@new",
    name="synchronous_commit",
    now="on",
    proposed="off",
    takes_effect="reload",
    import_only=True,
)


def made(*proposals: Proposal, night: Night | None = None, **more: Any) -> list[Step]:
    given = {"hosts": {"new": NEW}, "configured": {}, "on_loan": (), **more}
    return steps(proposals, night=night or Night(), **given)


def one(proposal: Proposal, **more: Any) -> Step:
    return made(proposal, **more)[0]


def lines(step: Step) -> list[str]:
    return [shown(command) for command in step.commands]


def test_a_kernel_setting_is_tried_live_before_the_file_says_it() -> None:
    step = one(SWAPPINESS)
    assert lines(step)[0] == "/sbin/sysctl -w vm.swappiness=1"
    assert lines(step)[1].splitlines() == [SYSCTL_FILE, f"+ {HEADER}", "+ vm.swappiness = 1"]
    assert all(it.as_user == "root" for it in step.commands if isinstance(it, Shell | FileEdit))
    assert [evidence.answer for evidence in step.holds] == ["1", "there"]
    assert [evidence.answer for evidence in step.undone] == ["60", "gone"]
    assert (step.undo_failed, step.leaves, step.optional) == (True, None, True)
    assert step.servers == ("new",)
    assert "1. (a manual)" in step.why


def test_what_the_setting_replaces_is_what_comes_back() -> None:
    dirty = msgspec.structs.replace(
        SWAPPINESS, name="vm.dirty_bytes", now="0", replaces=("vm.dirty_ratio", "20")
    )
    step = one(dirty)
    assert shown(step.undo[-1]) == "/sbin/sysctl -w vm.dirty_ratio=20"
    assert [evidence.answer for evidence in step.undone] == ["20", "gone"]


def test_a_value_of_three_numbers_is_one_word() -> None:
    three = msgspec.structs.replace(SWAPPINESS, name="net.ipv4.tcp_rmem", proposed="1 2 3")
    assert shlex.split(lines(one(three))[0])[-1] == "net.ipv4.tcp_rmem=1 2 3"


def test_a_line_of_an_earlier_night_is_replaced_and_comes_back() -> None:
    line = SysctlLine(file=SYSCTL_FILE, name="vm.swappiness", value="10")
    seen = msgspec.structs.replace(NEW, boot_lines=(line,))
    step = one(SWAPPINESS, hosts={"new": seen})
    edit, back = step.commands[1], step.undo[0]
    assert isinstance(edit, FileEdit)
    assert isinstance(back, FileEdit)
    before = f"{HEADER}\nvm.swappiness = 10\n"
    after = edited(edit, before)
    assert after == f"{HEADER}\nvm.swappiness = 1\n"
    assert edited(back, after) == before


TEXT = st.text(st.sampled_from("ab =#.\n"), max_size=30)


@given(TEXT, st.lists(st.sampled_from(["a = 1", "b = 2", "# c"]), unique=True, max_size=3))
def test_appending_is_done_once_and_taken_back(before: str, added: list[str]) -> None:
    edit = FileEdit(host="new", path="/x", append=tuple(added))
    after = edited(edit, before)
    assert edited(edit, after) == after
    assert after.endswith("\n") or after == before
    new = tuple(line for line in added if line not in before.split("\n"))
    left = edited(FileEdit(host="new", path="/x", remove=new), after)
    assert left.rstrip("\n") == before.rstrip("\n")


def test_a_setting_of_the_server_is_read_back_where_it_counts_at_once() -> None:
    restart, live = made(BUFFERS, COMMIT)
    assert [evidence.answer for evidence in restart.holds] == ["16GB"]
    assert [evidence.answer for evidence in live.holds] == ["off", "off"]
    assert [evidence.answer for evidence in live.undone] == ["", "on"]
    assert lines(live)[0] == "ALTER SYSTEM SET synchronous_commit = 'off'"


def test_for_the_copy_only_it_is_settled_before_traffic_comes() -> None:
    step = one(COMMIT)
    assert step.leaves is not None
    assert step.leaves.before_traffic
    assert step.leaves.what == "synchronous_commit = off on new for the copy only"
    settled = settling(step)
    assert (settled.phase, settled.id) == ("cutover", "undo-import-synchronous_commit@new")
    assert shown(settled.commands[0]) == "ALTER SYSTEM RESET synchronous_commit"


def test_full_pages_are_only_safe_again_after_a_checkpoint() -> None:
    pages = msgspec.structs.replace(COMMIT, name="full_page_writes")
    back = one(pages).undo[-1]
    assert isinstance(back, Sql)
    assert back.text == "CHECKPOINT"
    assert one(pages).deadline_s > back.deadline_s


def test_on_the_source_every_change_is_a_loan_but_not_before_traffic() -> None:
    step = one(SWAPPINESS, on_loan=("new",))
    assert step.leaves is not None
    assert not step.leaves.before_traffic
    assert settling(step).phase == "aftercare"


def test_what_is_set_elsewhere_is_for_the_operator() -> None:
    step = one(msgspec.structs.replace(COMMIT, conflict="it is set on the command line"))
    assert step.by_hand
    assert isinstance(step.commands[0], Words)
    assert "it is set on the command line" in step.commands[0].text
    assert [evidence.answer for evidence in step.holds] == ["off"]


def test_a_restart_is_asked_for_once_something_waits_for_it() -> None:
    assert [step.id for step in made(BUFFERS)] == [BUFFERS.id]
    waiting = {"new": {"shared_buffers": "16GB"}}
    restart = made(BUFFERS, configured=waiting)[-1]
    assert (restart.id, restart.phase, restart.by_hand) == ("restart-tuned@new", "tuning", True)
    assert "/var/lib/postgresql/18/main/postgresql.auto.conf" in restart.why
    assert [evidence.answer for evidence in restart.holds] == ["16GB"]


def test_where_it_is_known_how_the_wizard_restarts_the_destination_itself() -> None:
    process = ServerProcess(user="postgres", unit="postgresql.service")
    seen = {"new": msgspec.structs.replace(NEW, process=process)}
    waiting = {"new": {"shared_buffers": "16GB"}}
    given = partial(made, BUFFERS, configured=waiting, hosts=seen)
    assert given()[-1].by_hand
    ours = given(restarted=("new",))[-1]
    assert not ours.by_hand and "'128MB'" in shown(ours.commands[1]), "nobody knows what was there"

    (first,) = made(BUFFERS)
    ran = ev.CommandRan(seq=2, step=first.id, index=0, text="x")
    night = fold([ev.Planned(seq=1, phase="tuning", steps=(first,)), ran])
    after = given(restarted=("new",), night=night)[-1]
    assert "'128MB'" not in shown(after.commands[1]), "nothing was there before ours"


def test_what_was_changed_already_keeps_its_first_undo_and_its_place() -> None:
    swap, buffers = made(SWAPPINESS, BUFFERS)
    night = fold(
        [
            ev.Planned(seq=1, phase="tuning", steps=(swap, buffers)),
            ev.CommandRan(seq=2, step=swap.id, index=0, text="x"),
            ev.CommandRan(seq=3, step=buffers.id, index=0, text="x"),
        ]
    )
    configured = {"new": {"shared_buffers": "16GB"}}
    again = made(BUFFERS, night=night, configured=configured)
    assert [step.id for step in again] == [SWAPPINESS.id, BUFFERS.id, "restart-tuned@new"]
    assert again[0] == swap
    assert shown(again[1].undo[0]) == "ALTER SYSTEM RESET shared_buffers"
    undone = ev.StepEnded(seq=4, step=swap.id, outcome="undone")
    night.apply(undone)
    assert [step.id for step in made(BUFFERS, night=night)] == [BUFFERS.id]


def test_the_disk_test_is_bounded_and_only_run_when_marked() -> None:
    step = disk_test("new", "/srv/it's data")
    command = step.commands[0]
    assert isinstance(command, Shell)
    assert step.optional
    assert step.danger is not None
    assert "timeout -s INT 10" in command.line
    assert_shell(command.line)


@pytest.mark.parametrize("firewall", ["ufw", "firewalld", "nftables"])
@pytest.mark.parametrize("address", ["10.0.0.2", "2001:db8::2"])
def test_a_rule_names_one_address_and_one_port(firewall: str, address: str) -> None:
    step = open_port("old", with_firewall(firewall), address, 5432)
    assert step is not None
    assert address in lines(step)[0]
    assert "5432" in lines(step)[0]
    assert step.leaves is not None
    commands = [*step.commands, *step.undo, step.holds[0].ask, step.undone[0].ask]
    for command in commands:
        assert isinstance(command, Shell)
        assert command.as_user == "root"
        assert_shell(command.line)


@pytest.mark.parametrize(
    ("firewall", "address"),
    [
        ("ufw", "db.example.org"),
        ("ufw", "10.0.0.0/8"),
        ("iptables", "10.0.0.2"),
        (None, "10.0.0.2"),
    ],
)
def test_no_rule_without_an_address_or_a_firewall_we_know(
    firewall: str | None, address: str
) -> None:
    assert open_port("old", with_firewall(firewall), address, 5432) is None


def with_firewall(name: str | None, *chains: str) -> HostSeen:
    passed = chains or ("inet filter input",)
    return msgspec.structs.replace(NEW, firewall=name, input_chains=passed)


def test_nftables_rule_stands_in_every_chain_that_sees_the_address() -> None:
    seen = with_firewall("nftables", "inet filter input", "ip guard in", "ip6 guard in")
    step = open_port("old", seen, "10.0.0.2", 5432)
    assert step is not None
    (line,) = lines(step)
    assert "; insert rule ip guard in ip saddr 10.0.0.2 tcp dport 5432 accept" in line
    assert step.holds[0].answer == "2" and "ip6" not in line
    six = open_port("old", seen, "2001:db8::2", 5432)
    assert six is not None and "; insert rule ip6 guard in ip6 saddr" in lines(six)[0]
    assert open_port("old", with_firewall("nftables", "ip6 guard in"), "10.0.0.2", 5432) is None


def assert_shell(line: str) -> None:
    checked = subprocess.run(["/bin/sh", "-n", "-c", line], capture_output=True, check=False)
    assert checked.returncode == 0, (line, checked.stderr)
