"""A step as data: how an edit is made and taken back, how a template is filled, what is shown."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from profiles.steps import (
    Command,
    FileEdit,
    LooseEnd,
    Pooler,
    Replace,
    Shell,
    Sql,
    Step,
    ThroughEndpoint,
    Words,
    diff,
    edited,
    fill,
    settling,
    shown,
    unified,
    where,
)

INI = """\
[databases]
; shop = host=10.0.0.1 port=5432
shop = host=10.0.0.1 port=5432 dbname=shop
shop_admin = host=10.0.0.1 port=5432

[pgbouncer]
listen_port = 6432
;server_login_retry = 15
"""
LINES = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=12), max_size=8
)
LINE = st.text("abc=1 \f\x85é", min_size=1, max_size=8)


def an_edit(**what: object) -> FileEdit:
    return msgspec.convert({"host": "pool", "path": "/etc/x", **what}, FileEdit)


def point(old: str, new: str) -> FileEdit:
    change = Replace(section="databases", line_starts="shop", old=old, new=new)
    return FileEdit(host="pool", path="/etc/x", replace=(change,))


def test_one_line_of_one_section_is_changed_and_nothing_else() -> None:
    after = edited(point("host=10.0.0.1", "host=10.0.0.2"), INI)
    assert after == INI.replace("\nshop = host=10.0.0.1", "\nshop = host=10.0.0.2")
    assert edited(point("host=10.0.0.2", "host=10.0.0.1"), after) == INI


def test_a_longer_word_is_another_one() -> None:
    with pytest.raises(ValueError, match="neither 'port=543' nor 'port=1' stands there"):
        edited(point("port=543", "port=1"), INI)
    with pytest.raises(ValueError, match="neither"):
        edited(point("host=10.0.0", "host=10.0.9"), INI)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("host=db", "host=db-new", "shop = host=db"),
        ("url=a", "url=a/b", "shop url=a"),
        ("url=a/b", "url=a", "shop url=a/b"),
        ("x", "x x", "shop = x"),
    ],
)
def test_an_edit_that_stands_is_left_alone_also_when_one_text_is_in_the_other(
    old: str, new: str, line: str
) -> None:
    before = f"[databases]\n{line}\n"
    after = edited(point(old, new), before)
    assert after == before.replace(old, new)
    assert edited(point(old, new), after) == after
    assert edited(point(new, old), after) == before


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ValueError, match=r"there is no section \[elsewhere\]"):
        edited(an_edit(section_lines=[["elsewhere", "a = 1"]]), INI)
    with pytest.raises(ValueError, match="no line begins with 'shop'"):
        edited(point("a", "b"), "[databases]\n[pgbouncer]\nshop = a\n")


def test_a_line_goes_to_the_head_of_its_own_section() -> None:
    before = "[one]\na = 1\n[two]\n"
    after = edited(an_edit(section_lines=[["two", "a = 1"]]), before)
    assert after == "[one]\na = 1\n[two]\na = 1\n"
    assert edited(an_edit(section_lines=[["two", "a = 1"]]), after) == after


@given(LINES, LINE, st.booleans())
def test_a_line_put_first_and_taken_out_again_leaves_the_file_as_it_was(
    lines: list[str], line: str, ends: bool
) -> None:
    assume(line not in lines)
    before = "\n".join(lines) + ("\n" if ends else "")
    put, take = an_edit(prepend=[line]), an_edit(remove=[line])
    after = edited(put, before)
    assert after == f"{line}\n{before}"
    assert edited(put, after) == after
    assert edited(take, after) == before
    assert edited(take, before) == before


@given(LINES, st.lists(LINE, max_size=3, unique=True), st.lists(LINE, max_size=3, unique=True))
def test_made_twice_an_edit_is_made_once(
    lines: list[str], prepend: list[str], inside: list[str]
) -> None:
    assume(not set(prepend) & {"[s]", *lines})
    edit = an_edit(prepend=prepend, section_lines=[["s", line] for line in inside])
    after = edited(edit, "\n".join(["[s]", *lines]))
    assert edited(edit, after) == after


@given(LINES, st.sampled_from(["a", "a=1", "é"]), st.sampled_from(["b", "a=12", "aa"]))
def test_a_replacement_finds_itself_applied(lines: list[str], old: str, new: str) -> None:
    change = Replace(line_starts="", old=old, new=new)
    edit = FileEdit(host="pool", path="/etc/x", replace=(change,))
    before = "\n".join([f"{old} x", *(line for line in lines if old not in line)])
    assume(new not in before)
    after = edited(edit, before)
    assert after != before
    assert edited(edit, after) == after


def test_an_edit_is_shown_as_a_diff_without_secrets() -> None:
    edit = an_edit(
        prepend=["first"],
        remove=["gone password=geheim"],
        section_lines=[["s", "a = 1"]],
        replace=[{"line_starts": "shop", "old": "a", "new": "b", "section": "databases"}],
    )
    assert diff(edit) == [
        "- gone password=••••",
        "+ first",
        "  [s]",
        "+ a = 1",
        "  [databases]",
        "- shop … a",
        "+ shop … b",
    ]
    assert shown(edit).startswith("/etc/x\n- gone")
    assert "geheim" not in unified("password=geheim\n", "password=neu\n", "/etc/x")


@given(st.dictionaries(st.from_regex(r"\w+", fullmatch=True), st.text()), st.text("{}ab \n"))
def test_only_what_is_named_is_filled_and_only_once(values: dict[str, str], other: str) -> None:
    names = tuple(values)
    template = other.replace("{", "").join("{" + name + "}" for name in names)
    assert fill(template, names, values) == other.replace("{", "").join(values.values())
    assert fill(template, (), values) == template


def test_a_value_that_looks_like_a_placeholder_stays() -> None:
    assert fill("{a} {b} {c}", ("a", "b"), {"a": "{b}", "b": "{a}"}) == "{b} {a} {c}"
    with pytest.raises(KeyError):
        fill("nothing", ("a",), {})


SHOWN: list[tuple[Command, str, str]] = [
    (Sql(server="old", database="d", text="ALTER ROLE x PASSWORD 'p'"), "'••••'", "old/d"),
    (Shell(host=None, line="PGPASSWORD=p psql"), "=••••", "this machine"),
    (Shell(host="pool", line="true"), "true", "host of pool"),
    (Pooler(endpoint="pool", text="RELOAD"), "RELOAD;", "pool"),
    (ThroughEndpoint(endpoint="pool", text="SELECT 1"), "SELECT 1", "pool"),
    (Words(text="Restart it."), "Restart it.", "by hand"),
    (FileEdit(host="old", path="/etc/x"), "/etc/x", "host of old"),
]


@pytest.mark.parametrize(("command", "text", "place"), SHOWN)
def test_a_command_is_shown_with_where_it_runs(command: Command, text: str, place: str) -> None:
    assert text in shown(command)
    assert where(command) == place
    again = msgspec.json.decode(msgspec.json.encode(command), type=Command)
    assert again == command


def a_loan(*undo: Command) -> Step:
    return Step(
        id="slot@old/d",
        phase="replication",
        title="Make the slot",
        undo=undo,
        leaves=LooseEnd(id="slot@old/d", server="old", what="a slot", settled_by="undo-slot@old/d"),
        danger="changes a server's configuration",
        servers=("old",),
    )


def test_what_settles_a_loan_is_its_undo() -> None:
    drop = Sql(server="old", database="d", text="SELECT 1")
    step = settling(a_loan(drop))
    assert (step.id, step.phase, step.settles) == ("undo-slot@old/d", "aftercare", "slot@old/d")
    assert step.commands == (drop,)
    assert (step.danger, step.servers, step.leaves) == (a_loan().danger, ("old",), None)
    assert not step.by_hand


def test_an_undo_that_only_a_person_can_do_is_done_by_hand() -> None:
    assert settling(a_loan(Words(text="Take the line out."))).by_hand


def test_a_diff_can_be_journalled_whatever_the_file_holds() -> None:
    """It happened: a comment in Latin-1 beside an edit ended the engine."""
    text = unified("# caf\udce9\na\n", "# caf\udce9\nb\n", "/f")
    assert text.splitlines()[3:] == [" # caf�", "-a", "+b"]
    assert text.encode()
