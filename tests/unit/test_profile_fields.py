"""The fields of the form: every profile goes into them and comes back, and every error has one."""

from __future__ import annotations

import string
from datetime import UTC
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.load import wrong_in
from profiles.profile import (
    ByHand,
    ConnectionFile,
    Endpoint,
    Host,
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
from tests.tui import scenes
from tui.words.fields import (
    Field,
    beside,
    entered,
    sections,
    text_of,
    with_endpoint,
    without_endpoint,
)
from tui.words.form import all_wrong, draft_of, fields_of

SOME = settings(max_examples=30)
"""Each is typed field by field."""
texts = st.text(min_size=1, max_size=12)
letters = st.text(string.ascii_letters, min_size=1, max_size=8)
ports = st.integers(1, 65535)
modes: st.SearchStrategy[TlsMode | None] = st.sampled_from([None, "disable", "verify-full"])
references = st.one_of(
    st.builds(SecretRef, env=texts),
    st.builds(SecretRef, command=texts),
    st.just(SecretRef(pgpass=True)),
    st.just(SecretRef(ask=True)),
)
logins = st.builds(Login, user=texts, password=references)


@st.composite
def hosts(draw: st.DrawFn) -> Host | None:
    far = st.builds(
        SshHost,
        ssh=texts,
        user=st.none() | texts,
        port=st.none() | ports,
        jump=st.lists(texts, max_size=3),
        password=st.none() | references,
        sudo_user=texts,
        sudo_password=st.none() | references,
    )
    return draw(st.none() | st.just(LocalHost()) | far)


@st.composite
def servers(draw: st.DrawFn, name: str) -> Server:
    host = draw(hosts())
    return Server(
        name=name,
        address=draw(letters),
        port=draw(ports),
        user=draw(texts),
        password=draw(references),
        tls=draw(modes),
        tls_root_cert=draw(st.none() | texts),
        country=draw(st.text(string.ascii_letters, min_size=2, max_size=2)),
        operated_by=draw(texts),
        host=host,
        by_tunnel=isinstance(host, SshHost) and draw(st.booleans()),
    )


@st.composite
def endpoints(draw: st.DrawFn, name: str) -> Endpoint:
    access = draw(st.sampled_from(["write", "read"]))
    host = draw(hosts())
    pooler = st.builds(
        PgBouncer,
        name=st.just(name),
        access=st.just(access),
        address=letters,
        port=ports,
        database=texts,
        config=texts,
        admin_user=texts,
        admin_password=st.none() | references,
        admin_socket=st.none() | texts,
        client=logins,
        tls=modes,
        host=st.just(host),
        by_tunnel=st.just(isinstance(host, SshHost)),
    )
    file = st.builds(
        ConnectionFile,
        name=st.just(name),
        access=st.just(access),
        path=texts,
        replace=st.dictionaries(texts, texts, min_size=1, max_size=3),
        reload=st.none() | texts,
        client=logins,
        host=st.just(host),
    )
    by_hand = st.builds(
        ByHand, name=st.just(name), access=st.just(access), address=texts, how=texts
    )
    return draw(st.one_of(pooler, file, by_hand))


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    return Profile(
        name=draw(letters),
        databases=[draw(texts)],
        finish_by=draw(st.none() | st.datetimes(timezones=st.just(UTC))),
        source=draw(servers("old")),
        destination=draw(servers("new")),
        endpoints=[draw(endpoints(f"way {at}")) for at in range(draw(st.integers(0, 3)))],
    )


def retyped(profile: Profile, raw: dict[str, Any]) -> dict[str, Any]:
    """What a form holds once every text of the profile was typed into its field."""
    wanted = draft_of(msgspec.to_builtins(profile))
    for _ in profile.endpoints:
        raw = with_endpoint(raw)
    typed: set[str] = set()
    # A choice opens further fields, so that they are looked for again after each.
    while left := [field for field in fields_of(raw) if field.key not in typed]:
        raw = entered(raw, left[0], text_of(wanted, left[0]))
        typed.add(left[0].key)
    return raw


@SOME
@given(profiles())
def test_typed_into_an_empty_form_any_profile_comes_back(profile: Profile) -> None:
    raw = retyped(profile, draft_of({}))
    assert wrong_in(raw) == []
    assert msgspec.convert(raw, Profile) == profile


@SOME
@given(profiles())
def test_what_the_form_does_not_show_stays_as_it_was(profile: Profile) -> None:
    before = scenes.a_profile()
    kept = {
        "thresholds": Thresholds(lag_s=7.5),
        "standbys": [msgspec.structs.replace(before.source, name="standby")],
        "endpoints": [],
    }
    audited = msgspec.structs.replace(before.source, may_still_write=["audit"])
    before = msgspec.structs.replace(before, **kept, source=audited)
    after = msgspec.convert(retyped(profile, draft_of(msgspec.to_builtins(before))), Profile)
    assert (after.thresholds, after.standbys) == (before.thresholds, before.standbys)
    assert after.source.may_still_write == ["audit"]
    plain = msgspec.structs.replace(after.source, may_still_write=[])
    assert (plain, after.destination) == (profile.source, profile.destination)
    assert after.endpoints == profile.endpoints


@SOME
@given(profiles(), st.data())
def test_whatever_is_typed_is_right_or_said_to_be_wrong_in_a_field(
    profile: Profile, data: st.DataObject
) -> None:
    raw = draft_of(msgspec.to_builtins(profile))
    field = data.draw(st.sampled_from(fields_of(raw)))
    options = st.sampled_from(field.codec.options) if field.codec.options else st.text(max_size=20)
    raw = entered(raw, field, data.draw(options))
    wrong = all_wrong(raw)
    assert bool(wrong) == bool(wrong_in(raw))
    assert set(wrong) <= {each.key for each in fields_of(raw)}


def test_no_two_fields_have_the_same_key() -> None:
    raw = draft_of(msgspec.to_builtins(scenes.a_profile()))
    keys = [field.key for field in fields_of(with_endpoint(raw))]
    assert len(set(keys)) == len(keys)


def field_of(raw: dict[str, Any], key: str) -> Field:
    return next(each for each in fields_of(raw) if each.key == key)


def test_nothing_of_an_empty_form_goes_without_its_error() -> None:
    raw = draft_of({})
    wrong = all_wrong(raw)
    assert {"name", "databases", "source.name", "destination.country"} <= set(wrong)
    assert "" not in wrong


def test_what_has_no_field_is_said_all_the_same() -> None:
    raw = {**draft_of(msgspec.to_builtins(scenes.a_profile())), "thresholds": {"lag_s": -1}}
    assert "a number of seconds" in all_wrong(raw)[""]
    assert beside(wrong_in(raw), [])[""].count("expected") == 1


def test_another_kind_of_endpoint_keeps_what_both_have() -> None:
    raw = draft_of(msgspec.to_builtins(scenes.a_profile()))
    kind = field_of(raw, "endpoints.0")
    by_hand = entered(raw, kind, "by hand")
    assert by_hand["endpoints"] == [{"kind": "by-hand", "name": "db-pool", "address": "10.20.0.9"}]
    assert without_endpoint(by_hand, 0)["endpoints"] == []


def test_a_server_without_ssh_has_no_fields_for_it() -> None:
    raw = draft_of(msgspec.to_builtins(scenes.a_profile()))
    host = field_of(raw, "source.host")
    labels = [field.label for field in sections(entered(raw, host, "by SSH"))[1].fields]
    assert "· jump hosts" in labels
    assert "by tunnel" in labels
    again = entered(entered(raw, host, "by SSH"), host, "not reached")
    assert again == raw


def test_a_list_that_no_shell_could_read_is_wrong_and_stays_as_it_was_typed() -> None:
    raw = draft_of(msgspec.to_builtins(scenes.a_profile()))
    raw = entered(raw, field_of(raw, "source.host"), "by SSH")
    raw = entered(raw, field_of(raw, "source.host.ssh"), "db1")
    jump = field_of(raw, "source.host.jump")
    raw = entered(raw, jump, "one 'two")
    assert text_of(raw, jump) == "one 'two"
    assert "expected a list" in all_wrong(raw)["source.host.jump"]
