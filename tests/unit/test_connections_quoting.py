"""Names and texts as SQL: nothing in them can end the quotes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connections.quoting import quote_ident, quote_literal

WITHOUT_NUL = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(WITHOUT_NUL.filter(bool))
def test_an_identifier_reads_back(name: str) -> None:
    quoted = quote_ident(name)
    assert re.fullmatch(r'"(?:[^"]|"")+"', quoted)
    assert quoted[1:-1].replace('""', '"') == name


@given(WITHOUT_NUL)
def test_a_literal_reads_back(text: str) -> None:
    quoted = quote_literal(text)
    escaped = quoted.startswith("E")
    inside = quoted[2:-1] if escaped else quoted[1:-1]
    assert escaped == ("\\" in text)
    assert re.fullmatch(r"(?:[^']|'')*", inside)
    plain = inside.replace("''", "'")
    assert (plain.replace("\\\\", "\\") if escaped else plain) == text


@pytest.mark.parametrize(
    ("name", "quoted"),
    [("app", '"app"'), ('a"b', '"a""b"'), ("Größe; --", '"Größe; --"'), ("SELECT", '"SELECT"')],
)
def test_identifiers(name: str, quoted: str) -> None:
    assert quote_ident(name) == quoted


@pytest.mark.parametrize(
    ("text", "quoted"),
    [("", "''"), ("it's", "'it''s'"), ("a\\b'c", "E'a\\\\b''c'"), ("$1", "'$1'")],
)
def test_literals(text: str, quoted: str) -> None:
    assert quote_literal(text) == quoted


def test_what_no_server_can_hold_is_refused() -> None:
    for refused in ("", "a\0b"):
        with pytest.raises(ValueError):
            quote_ident(refused)
    with pytest.raises(ValueError):
        quote_literal("a\0b")
