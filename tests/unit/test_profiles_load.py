"""Reading a profile: everything that is wrong with it at once, each with its line; and back."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from profiles.errors import ProfileError
from profiles.load import read, write
from profiles.profile import (
    ByHand,
    ConnectionFile,
    LocalHost,
    PgBouncer,
    Profile,
    SecretRef,
    SshHost,
)

GOOD = """\
profile = 1
name = "orders"
databases = ["orders"]

[source]
name = "old"
address = "db1.example.org"
country = "CH"
operated_by = "A"

[destination]
name = "new"
address = "db2.example.org"
country = "DE"
operated_by = "B"
"""

STANDBY = '{ name = "old", address = "x", country = "CH", operated_by = "A" }'
EXAMPLES = Path(__file__).parents[2] / "profiles" / "examples"


def problems_of(text: str, folder: Path) -> list[str]:
    """The problems of a profile, without the name of its file."""
    path = folder / "p.toml"
    path.write_text(text)
    with pytest.raises(ProfileError) as caught:
        read(path)
    assert all(str(path) in problem for problem in caught.value.problems)
    return [problem.removeprefix(f"{path}:") for problem in caught.value.problems]


def only_problem(text: str, folder: Path) -> str:
    (problem,) = problems_of(text, folder)
    return problem


def test_the_shortest_profile_has_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(GOOD)
    profile = read(path)
    assert profile.database == "orders"
    assert profile.source.port == 5432
    assert profile.source.password == SecretRef(pgpass=True)
    assert profile.thresholds.pause_deadline_s == 10.0
    assert profile.endpoints == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("profile = 1", "profile = 2", "1: profile: expected profile = 1,"),
        ("profile = 1\n", "", "1: profile: expected profile = 1,"),
        ("profile = 1", 'profile = "1"', "1: profile: expected a whole number, found"),
        ('name = "orders"', "", "1: name: expected a name without / and @"),
        ('name = "orders"', 'name = "a/b"', "2: name: expected a name without / and @"),
        ('name = "old"', 'name = ""', "6: source.name: expected a name without / and @"),
        ('name = "new"', 'name = "old"', '12: destination.name: expected a name of its own, found'),
        ('["orders"]', "[]", "3: databases: expected exactly one database a night"),
        ('["orders"]', '["a", "b"]', "3: databases: expected exactly one database a night for now"),
        ('["orders"]', "[5]", "3: databases[0]: expected a text that is not empty, found 5"),
        ('["orders"]', '"orders"', "3: databases: expected a list, found \"orders\""),
        ('"CH"', '"CHE"', "8: source.country: expected two letters, such as CH, found \"CHE\""),
        ('"CH"', '"1A"', "8: source.country: expected two letters, such as CH, found \"1A\""),
        ('"CH"\n', '"CH"\nport = 0\n', "9: source.port: expected a port from 1 to 65535, found 0"),
        ('"CH"\n', '"CH"\nport = 65536\n', "9: source.port: expected a port from 1 to 65535"),
        ('"CH"\n', '"CH"\nport = true\n', "9: source.port: expected a port from 1 to 65535, found"),
        ('"CH"\n', '"CH"\nport = "5432"\n', "9: source.port: expected a port from 1 to 65535, fo"),
        ('"CH"\n', '"CH"\ntls = "on"\n', '9: source.tls: expected "allow" or "disable" or'),
        ('"CH"\n', '"CH"\nhost = "here"\n', '9: source.host: expected a table, found "here"'),
        ('"CH"\n', '"CH"\nhost = {}\n', '9: source.host.kind: expected "local" or "ssh", fou'),
        ('"CH"\n', '"CH"\nmay_still_write = [1]\n', "9: source.may_still_write[0]: expected a t"),
        ("[source]", 'finish_by = "soon"\n[source]', "5: finish_by: expected a time with its offs"),
        ("[source]", "finish_by = 2026-03-01T05:00:00\n[source]", "5: finish_by: expected a time"),
        ("[source]", "finish_by = 2026-03-01\n[source]", "5: finish_by: expected a time with its"),
        ("[source]", 'route = "magic"\n[source]', '5: route: expected "postgres-logical", found'),
        ("[source]", "thresholds.lag_s = -1\n[source]", "5: thresholds.lag_s: expected a number"),
        ("[source]", "thresholds.lag_s = nan\n[source]", "5: thresholds.lag_s: expected a number"),
        ("[source]", "thresholds.copy_deadline_s = inf\n[source]", "5: thresholds.copy_deadline_s"),
        ("[source]", "thresholds.pause_deadline_s = 0\n[source]", "5: thresholds.pause_deadline_"),
        ("[source]", "endpoints = 5\n[source]", "5: endpoints: expected a list, found 5"),
        ("[source]", "endpoints = [5]\n[source]", "5: endpoints[0]: expected a table, found 5"),
        ("[source]", 'endpoints = [{ kind = "x" }]\n[source]', '5: endpoints[0].kind: expected'),
        ("[source]", f"standbys = [{STANDBY}]\n[source]", "5: standbys[0].name: expected a name"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_with_its_line(
    old: str, new: str, expected: str, tmp_path: Path
) -> None:
    assert only_problem(GOOD.replace(old, new, 1), tmp_path).startswith(expected)


def test_an_unknown_key_names_the_nearest_known_one(tmp_path: Path) -> None:
    said = only_problem(GOOD.replace('"CH"\n', '"CH"\nprot = 5433\n'), tmp_path)
    assert said.startswith("9: source.prot: unknown key; expected one of name, engine, address,")
    assert said.endswith("the nearest is port")


def test_every_problem_is_said_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = GOOD.replace('"CH"', "5").replace('"B"', "[]").replace("[source]", "frob = 1\n[source]")
    said = problems_of(text, tmp_path)
    assert [each.split(": ")[1] for each in said] == [
        "frob",
        "source.country",
        "destination.operated_by",
    ]


def test_of_another_version_only_the_version_is_wrong(tmp_path: Path) -> None:
    said = only_problem('profile = 2\nwhatever = "new"\n', tmp_path)
    assert said == "1: profile: expected profile = 1, the version of the format, found 2"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('"hunter2"', 'expected a reference such as { env = "NAME" }, never the password itself'),
        ('["hunter2"]', 'expected a reference such as { env = "NAME" }, never the password itself'),
        ("{}", "expected exactly one of env, command, pgpass, ask, found none of them"),
        ("{ pgpass = false }", "expected exactly one of env, command, pgpass, ask, found none"),
        (
            '{ env = "A", ask = true }',
            "expected exactly one of env, command, pgpass, ask, found env",
        ),
        ('{ pgpass = "hunter2" }', "expected true or false, found a text"),
        ("{ env = 5 }", "expected a text that is not empty, found a whole number"),
        (
            '{ valu = "hunter2", ask = true }',
            "unknown key; expected one of env, command, pgpass, a",
        ),
    ],
)
def test_a_password_is_a_reference_and_never_repeated(
    value: str, expected: str, tmp_path: Path
) -> None:
    said = only_problem(GOOD.replace('"CH"\n', f'"CH"\npassword = {value}\n'), tmp_path)
    assert said.startswith("9: source.password")
    assert expected in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ('kind = "telnet"', '.kind: expected "local" or "ssh", found "telnet"'),
        ('kind = "ssh"', ".ssh: expected a text that is not empty, found nothing"),
        ('kind = "ssh", ssh = "h", port = 0', ".port: expected a port from 1 to 65535, found 0"),
        ('kind = "ssh", ssh = "h", jump = "b"', '.jump: expected a list, found "b"'),
        ('kind = "ssh", ssh = "h", sudo_use = "k"', ".sudo_use: unknown key; expected one of ssh,"),
        ('kind = "local", ssh = "h"', ".ssh: unknown key; expected one of kind"),
    ],
)
def test_a_host_is_here_or_reached_over_ssh(host: str, expected: str, tmp_path: Path) -> None:
    said = only_problem(GOOD.replace('"CH"\n', f'"CH"\nhost = {{ {host} }}\n'), tmp_path)
    assert said.startswith(f"9: source.host{expected}")


@pytest.mark.parametrize("secret", ["password", "passphrase", "sudo_password"])
def test_a_hosts_secrets_are_references_too(secret: str, tmp_path: Path) -> None:
    host = f'host = {{ kind = "ssh", ssh = "h", {secret} = "hunter2" }}\n'
    said = only_problem(GOOD.replace('"CH"\n', f'"CH"\n{host}'), tmp_path)
    assert said.startswith(f"9: source.host.{secret}: expected a reference such as")
    assert "hunter2" not in said


def test_a_secret_in_the_wrong_place_is_not_repeated_either(tmp_path: Path) -> None:
    text = GOOD.replace('"CH"', '"postgres://u:hunter2@h/db"')
    text = text.replace('"B"\n', '"B"\npasswrod = "hunter2"\n')
    assert "hunter2" not in "\n".join(problems_of(text, tmp_path))


def test_the_line_of_a_value_over_several_lines_is_its_first(tmp_path: Path) -> None:
    text = GOOD.replace('["orders"]', '[\n  "a",\n  "b",\n]')
    assert only_problem(text, tmp_path).startswith("3: databases: ")


def test_a_very_long_value_has_its_line_too(tmp_path: Path) -> None:
    text = GOOD.replace('"A"', '"""\n' + "x\n" * 2000 + '"""\nfrob = 1')
    assert only_problem(text, tmp_path).startswith("2011: source.frob: unknown key")


def test_lines_are_counted_with_windows_line_ends_too(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_bytes(GOOD.replace('"DE"', '"D"').replace("\n", "\r\n").encode())
    with pytest.raises(ProfileError, match=r":14: destination\.country: "):
        read(path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('profile = 1\nname = "x\n', "line 2, column"),
        ("profile = 1\nprofile = 1\n", "line 2, column"),
        ("x = " + "[" * 5000 + "]" * 5000, "expected TOML, found:"),
        ("x = " + "9" * 5000, "expected TOML, found:"),
    ],
)
def test_what_is_not_toml_is_said_with_line_and_column(
    text: str, expected: str, tmp_path: Path
) -> None:
    said = only_problem(text, tmp_path)
    assert "expected TOML, found: " in said
    assert expected in said


def test_another_encoding_is_said_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_bytes(b'profile = 1\nname = "K\xf6ln"\n')
    with pytest.raises(ProfileError, match=r"p\.toml:2: expected UTF-8"):
        read(path)


@pytest.mark.parametrize("name", ["absent.toml", "."])
def test_a_file_that_cannot_be_read_is_said(name: str, tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="expected a file that can be read, found: "):
        read(tmp_path / name)


def test_the_example_shows_every_key_and_every_kind() -> None:
    profile = read(EXAMPLES / "orders.toml")
    text = (EXAMPLES / "orders.toml").read_text()
    assert profile.finish_by == datetime(2026, 3, 1, 5, tzinfo=UTC)
    assert [type(each) for each in profile.endpoints] == [PgBouncer, ConnectionFile, ByHand]
    assert profile.destination.host == LocalHost()
    host = profile.standbys[0].host
    assert isinstance(host, SshHost)
    shapes = (profile, profile.source, host, profile.thresholds, SecretRef(), *profile.endpoints)
    for key in {key for shape in shapes for key in shape.__struct_fields__}:
        assert f"{key} =" in text or f"{key}]" in text, key


def test_what_is_written_is_private_and_reads_the_same(tmp_path: Path) -> None:
    profile = read(EXAMPLES / "orders.toml")
    path = tmp_path / "copy.toml"
    path.write_text("before")
    path.chmod(0o644)
    write(path, profile)
    assert read(path) == profile
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["copy.toml"]


def test_a_write_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "p.toml"
    path.write_text(GOOD)
    profile = read(path)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ProfileError, match=r"write the profile: .* found: No space left on device"):
        write(path, profile)
    assert path.read_text() == GOOD
    assert [each.name for each in tmp_path.iterdir()] == ["p.toml"]


def test_a_profile_in_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    profile = read(EXAMPLES / "orders.toml")
    with pytest.raises(ProfileError, match="expected to be able to write it, found: No such file"):
        write(tmp_path / "absent" / "p.toml", profile)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.toml").write_text(GOOD)
    (tmp_path / "p.toml").symlink_to("real.toml")
    profile = read(tmp_path / "p.toml")
    write(tmp_path / "p.toml", profile)
    assert (tmp_path / "p.toml").is_symlink()
    assert read(tmp_path / "real.toml") == profile


def test_parts_are_found_by_name() -> None:
    profile: Profile = read(EXAMPLES / "orders.toml")
    assert profile.server("orders-standby") is profile.standbys[0]
    assert profile.endpoint("pool") is profile.endpoints[0]
    with pytest.raises(KeyError):
        profile.server("pool")
    with pytest.raises(KeyError):
        profile.endpoint("orders-old")


def test_a_tunnel_needs_a_host_to_lead_to(tmp_path: Path) -> None:
    text = GOOD.replace('address = "db2', 'by_tunnel = true\naddress = "db2')
    said = only_problem(text, tmp_path)
    assert said == (
        "13: destination.by_tunnel: expected a host reached by ssh, found none: "
        "there is nowhere to tunnel to"
    )
    hosted = text + '[destination.host]\nkind = "ssh"\nssh = "db2"\n'
    assert read_of(hosted, tmp_path)
    said = only_problem(hosted.replace('address = "db2', 'address = "/run/db2'), tmp_path)
    assert "destination.address" in said and "a tunnel leads to a port" in said


TUNNEL = """
[source.replication_tunnel]
login = "ferry@db1"
comes_from = "10.0.0.12"
"""


def test_a_tunnel_for_replication_needs_both_hosts(tmp_path: Path) -> None:
    said = problems_of(GOOD + TUNNEL, tmp_path)
    assert [one.partition(": ")[2] for one in said] == [
        f"{side}.host: expected a host, found nothing: the replication tunnel needs both"
        for side in ("source", "destination")
    ]


def test_a_tunnel_for_replication_is_where_the_source_is_seen(tmp_path: Path) -> None:
    hosts = '[source.host]\nkind = "local"\n[destination.host]\nkind = "local"\n'
    seen = '[source.seen_from_destination]\naddress = "10.0.0.1"\n'
    found = read_of(GOOD + TUNNEL + hosts, tmp_path).source.replication_tunnel
    assert found is not None
    assert (found.login_port, found.local_port) == (22, 15432)
    assert "expected this or seen_from_destination, found both" in only_problem(
        GOOD + TUNNEL + hosts + seen, tmp_path
    )


def test_the_login_of_a_tunnel_names_user_and_host(tmp_path: Path) -> None:
    hosts = '[source.host]\nkind = "local"\n[destination.host]\nkind = "local"\n'
    said = only_problem(GOOD + TUNNEL.replace("ferry@db1", "db1") + hosts, tmp_path)
    assert "expected a login such as ferry@db1.example.org" in said


def read_of(text: str, folder: Path) -> Profile:
    path = folder / "p.toml"
    path.write_text(text)
    return read(path)
