"""From a reference to a password, and to a file that only one command reads."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from connections import passfile
from connections.passwords import Passwords, client_of
from profiles import pgpass
from profiles.errors import SecretError
from profiles.profile import (
    Address,
    ByHand,
    ConnectionFile,
    Login,
    PgBouncer,
    Profile,
    ReplicationTunnel,
    SecretRef,
    Server,
)

ASK = SecretRef(ask=True)


def a_server(name: str, password: SecretRef = ASK) -> Server:
    return Server(
        name=name, address=f"{name}.lan", password=password, country="NO", operated_by="us"
    )


PROFILE = Profile(
    name="orders",
    databases=["orders"],
    source=a_server("old"),
    destination=a_server("new", SecretRef(env="NEW_PASSWORD")),
    endpoints=[
        PgBouncer(
            name="pool",
            address="127.0.0.1",
            database="shop",
            config="/etc/pgbouncer.ini",
            admin_password=ASK,
            client=Login(user="app", password=SecretRef(pgpass=True)),
        ),
        ConnectionFile(
            name="env", path="/srv/.env", replace={"a": "b"}, client=Login(user="app", password=ASK)
        ),
        ByHand(name="dns", address="db.lan", how="change the record"),
    ],
)


async def test_what_was_typed_is_held_for_its_name_only() -> None:
    passwords = Passwords(PROFILE)
    passwords.tell("old", "s3cr3t")
    assert await passwords("old") == "s3cr3t"
    with pytest.raises(SecretError, match="pool"):
        await passwords("pool")
    assert "s3cr3t" not in repr(passwords)


async def test_references_are_followed_for_the_login_they_are_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "pgpass"
    file.touch(0o600)
    file.write_text("127.0.0.1:6432:orders:app:no\n127.0.0.1:6432:shop:app:for the pool\n")
    monkeypatch.setenv("PGPASSFILE", str(file))
    monkeypatch.setenv("NEW_PASSWORD", "from there")
    passwords = Passwords(PROFILE)
    assert await passwords(client_of("pool")) == "for the pool"
    assert await passwords("new") == "from there"


@pytest.mark.parametrize("name", ["nobody", "dns", "env", client_of("dns")])
async def test_what_has_no_password_says_so(name: str) -> None:
    with pytest.raises(SecretError, match="no password of that name"):
        await Passwords(PROFILE)(name)
    with pytest.raises(SecretError):
        Passwords(PROFILE).tell(name, "x")


def test_a_password_file_lets_libpq_in_by_each_way_to_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Address(address="192.0.2.7", port=6000)
    old = msgspec.structs.replace(PROFILE.source, address="::1", seen_from_destination=seen)
    through = ReplicationTunnel(login="a@b", comes_from="192.0.2.8", local_port=7000)
    tunnelled = msgspec.structs.replace(PROFILE.source, replication_tunnel=through)
    word = r"a:b\c d"
    path = tmp_path / "passfile"
    path.write_text(
        passfile.content([(old, word), (PROFILE.destination, "other"), (tunnelled, "through")])
    )
    path.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(path))
    for host, port, found in (
        ("::1", 5432, word),
        ("192.0.2.7", 6000, word),
        ("new.lan", 5432, "other"),
        (PROFILE.source.address, 7000, "through"),
    ):
        read = pgpass.password(host=host, port=port, database="any", user="postgres", where="x")
        assert read == found
    assert passfile.content([(PROFILE.destination, "other")]).count("\n") == 1
