"""Requests: what a window may ask, on the line and in print."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.requests import AnyRequest, Request, TellSecret

KINDS = get_args(AnyRequest)
decoder = msgspec.json.Decoder(AnyRequest)


def made(kind: type[Request]) -> Request:
    """One of a kind, with something in every field that has to be there."""
    wanted: dict[str, Any] = {"id": "r1", "seen_seq": 7}
    for field in msgspec.structs.fields(kind):
        if field.required and field.name not in wanted:
            wanted[field.name] = _something(field.type)
    return msgspec.convert(wanted | {"kind": kind.__struct_config__.tag}, kind)


def _something(hint: Any) -> Any:
    if get_origin(hint) is dict:
        return {"x": 1}
    return get_args(hint)[0] if get_origin(hint) is Literal else 1 if hint is int else "x"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_kind_is_the_same_on_the_other_side(kind: type[Request]) -> None:
    request = made(kind)
    assert decoder.decode(msgspec.json.encode(request)) == request
    assert isinstance(request, kind)


def test_there_is_no_kind_that_the_union_forgot() -> None:
    assert set(KINDS) == set(Request.__subclasses__())
    assert len({kind.__struct_config__.tag for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize(
    "line",
    [
        b'{"id": "r1"}',
        b'{"kind": "format-disk", "id": "r1"}',
        b'{"kind": "go", "id": "r1"}',
        b'{"kind": "go", "attempt": 1}',
        b'{"kind": "go", "id": "r1", "attempt": "1"}',
        b'{"kind": "skip", "id": "r1", "step": "a@b"}',
    ],
)
def test_what_is_no_request_is_refused(line: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        decoder.decode(line)


@given(st.text(min_size=12))
def test_a_secret_that_is_told_never_prints(value: str) -> None:
    told = TellSecret(id="r1", server="old", value=value)
    assert value not in f"{told!r} {told} {told.__rich_repr__()}" or value in "TellSecret(id='r1'"
    assert "value='••••'" in repr(told)
    assert b"value" in msgspec.json.encode(told)
