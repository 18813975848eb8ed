"""Properties of reading and writing profiles, over generated ones."""

from __future__ import annotations

import string
import tempfile
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from profiles.errors import ProfileError
from profiles.load import read, write
from profiles.profile import (
    Address,
    ByHand,
    ConnectionFile,
    Endpoint,
    LocalHost,
    Login,
    PgBouncer,
    Profile,
    SecretRef,
    Server,
    SshHost,
    Thresholds,
    TlsMode,
)

texts = st.text(min_size=1, max_size=12)
ports = st.integers(1, 65535)
countries = st.text(string.ascii_letters, min_size=2, max_size=2)
tls_modes: st.SearchStrategy[TlsMode] = st.sampled_from(["disable", "prefer", "verify-full"])
secret_refs = st.one_of(
    st.builds(SecretRef, env=texts),
    st.builds(SecretRef, command=texts),
    st.just(SecretRef(pgpass=True)),
    st.just(SecretRef(ask=True)),
)
maybe_text, maybe_secret = st.none() | texts, st.none() | secret_refs
ssh_hosts = st.builds(
    SshHost,
    ssh=texts,
    user=maybe_text,
    port=st.none() | st.integers(1, 65535),
    key=maybe_text,
    jump=st.lists(texts, max_size=2),
    passphrase=maybe_secret,
    password=maybe_secret,
    sudo_user=maybe_text,
    sudo_password=maybe_secret,
)
hosts = st.none() | st.just(LocalHost()) | ssh_hosts
logins = st.builds(Login, user=texts, password=secret_refs)
names = st.lists(
    st.text(string.ascii_letters + string.digits + "ä. _-", min_size=1, max_size=8)
    .map(str.strip)
    .filter(bool),
    min_size=7,
    max_size=7,
    unique=True,
)
seconds = st.floats(min_value=0.001, max_value=1e9) | st.integers(1, 10**9)


def servers(name: str) -> st.SearchStrategy[Server]:
    return st.builds(
        Server,
        name=st.just(name),
        address=texts,
        port=ports,
        user=texts,
        password=secret_refs,
        tls=st.none() | tls_modes,
        tls_root_cert=st.none() | texts,
        country=countries,
        operated_by=texts,
        host=hosts,
        seen_from_destination=st.none() | st.builds(Address, address=texts, port=ports),
        may_still_write=st.lists(texts, max_size=2),
        client_tools=st.none() | texts,
        comes_from=st.none() | texts,
    )


def endpoints(name: str) -> st.SearchStrategy[Endpoint]:
    return st.one_of(
        st.builds(
            PgBouncer,
            name=st.just(name),
            address=texts,
            port=ports,
            database=texts,
            config=texts,
            admin_password=st.none() | secret_refs,
            admin_socket=st.none() | texts,
            client=logins,
            tls=st.none() | tls_modes,
            host=hosts,
        ),
        st.builds(
            ConnectionFile,
            name=st.just(name),
            path=texts,
            replace=st.dictionaries(texts, texts, max_size=3),
            reload=st.none() | texts,
            client=logins,
            host=hosts,
        ),
        st.builds(ByHand, name=st.just(name), address=texts, how=texts),
    )


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    own = draw(names)
    return Profile(
        name=own[0],
        databases=[draw(texts)],
        finish_by=draw(st.none() | st.datetimes(timezones=st.just(UTC))),
        rehearsal=draw(st.booleans()),
        source=draw(servers(own[1])),
        destination=draw(servers(own[2])),
        standbys=draw(st.just([]) | servers(own[3]).map(lambda one: [one])),
        endpoints=[draw(endpoints(name)) for name in own[4 : 4 + draw(st.integers(0, 3))]],
        thresholds=Thresholds(lag_s=draw(seconds), pause_deadline_s=draw(seconds)),
    )


@given(profiles())
def test_what_is_written_reads_the_same(profile: Profile) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "p.toml"
        write(path, profile)
        assert read(path) == profile


values = st.recursive(
    st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
known_keys = st.sampled_from(
    [*Profile.__struct_fields__, *Server.__struct_fields__, *PgBouncer.__struct_fields__, "kind"]
)
tables = st.dictionaries(
    known_keys, values | st.dictionaries(known_keys, values, max_size=6), max_size=8
)


@given(tables)
def test_any_toml_is_a_profile_or_is_refused_with_a_line_for_each_problem(
    table: dict[str, Any],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "p.toml"
        path.write_text(tomli_w.dumps(table))
        with pytest.raises(ProfileError) as caught:
            read(path)
        for problem in caught.value.problems:
            line = problem.removeprefix(f"{path}:").partition(":")[0]
            assert 1 <= int(line) <= len(path.read_text().splitlines()) + 1
