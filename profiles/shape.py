"""What in a raw TOML value does not fit a type, all of it and not only the first.

Walks the type hints of msgspec structs; knows no file, and of the profile only what `RULES` says.
"""

from __future__ import annotations

import difflib
import json
import math
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from datetime import date, time
from typing import Any, NamedTuple, TypeGuard

import msgspec

from profiles.lines import KeyPath
from profiles.secrets import masked

Table = dict[str, Any]

KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "a table",
}
"""What TOML's types are called in a problem; bool stands before int, which it also is."""
SECRET_KEY = re.compile(r"passw|passphrase|secret", re.IGNORECASE)
FOUND_LENGTH = 60


class Problem(NamedTuple):
    """One thing that does not fit, where it stands, and what was expected and found."""

    path: KeyPath
    says: str


class Rule(NamedTuple):
    """What a struct's fields cannot say by their types."""

    expected: str
    """What to write where something else than a table stands."""
    check: Callable[[Table, KeyPath], Iterator[Problem]]


def problems(
    hint: Any, value: object, rules: Mapping[type, Rule], path: KeyPath = ()
) -> Iterator[Problem]:
    """Everything in the value, and below it, that does not fit the type hint."""
    options = _options(hint)
    structs = [option for option in options if _is_struct(option)]
    origin = typing.get_origin(options[0])
    if structs:
        yield from _table(structs, value, rules, path)
    elif origin is list and isinstance(value, list):
        (item_hint,) = typing.get_args(options[0])
        for at, item in enumerate(value):
            yield from problems(item_hint, item, rules, (*path, at))
    elif origin is dict and isinstance(value, dict):
        item_hint = typing.get_args(options[0])[1]
        for key, item in value.items():
            yield from problems(item_hint, item, rules, (*path, key))
    elif not _fits(options[0], value):
        yield Problem(path, expected_found(_expected(options[0]), value, path))


def expected_found(expected: str, value: object, path: KeyPath) -> str:
    """The words of a problem; the value itself is left out where it may be a secret."""
    secret = any(isinstance(part, str) and SECRET_KEY.search(part) for part in path)
    return f"expected {expected}, found {_kind(value) if secret else _shown(value)}"


def _table(
    structs: list[type[msgspec.Struct]], value: object, rules: Mapping[type, Rule], path: KeyPath
) -> Iterator[Problem]:
    rule = rules.get(structs[0])
    if not isinstance(value, dict):
        yield Problem(path, expected_found(rule.expected if rule else "a table", value, path))
        return
    struct = _chosen(structs, value)
    tag_field = structs[0].__struct_config__.tag_field
    if struct is None:
        assert tag_field is not None
        tags = _listed([str(each.__struct_config__.tag) for each in structs])
        says = (
            expected_found(tags, value[tag_field], path) if tag_field in value else _missing(tags)
        )
        yield Problem((*path, tag_field), says)
        return
    yield from _fields(struct, value, rules, path)
    if own := rules.get(struct):
        yield from own.check(value, path)


def _fields(
    struct: type[msgspec.Struct], value: Table, rules: Mapping[type, Rule], path: KeyPath
) -> Iterator[Problem]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    tag_field = struct.__struct_config__.tag_field
    for key, item in value.items():
        if key in fields:
            yield from problems(fields[key].type, item, rules, (*path, key))
        elif key != tag_field:
            yield Problem(
                (*path, key), _unknown(key, [*fields, *([tag_field] if tag_field else [])])
            )
    for key, field in fields.items():
        if field.required and key not in value:
            yield Problem((*path, key), _missing(_expected(field.type)))


def _chosen(structs: list[type[msgspec.Struct]], value: Table) -> type[msgspec.Struct] | None:
    """The struct that the table's tag names; None when it names none of them."""
    for struct in structs:
        config = struct.__struct_config__
        if config.tag_field is None or value.get(config.tag_field) == config.tag:
            return struct
    return None


def _fits(hint: Any, value: object) -> bool:
    try:
        msgspec.convert(value, hint)
    except msgspec.ValidationError:
        return False
    return not (isinstance(value, float) and not math.isfinite(value))


def _options(hint: Any) -> tuple[Any, ...]:
    """The types a value may have; None is left out, as TOML has no such value."""
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return (hint,)
    return tuple(option for option in typing.get_args(hint) if option is not types.NoneType)


def _is_struct(hint: Any) -> TypeGuard[type[msgspec.Struct]]:
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def _expected(hint: Any) -> str:
    hint = _options(hint)[0]
    match typing.get_origin(hint):
        case typing.Annotated:
            meta = hint.__metadata__[0]
            return str(meta.description)
        case typing.Literal:
            return _listed([str(word) for word in typing.get_args(hint)])
        case origin:
            return KINDS.get(origin or hint, "a table")


def _listed(words: list[str]) -> str:
    return " or ".join(json.dumps(word, ensure_ascii=False) for word in sorted(words))


def _missing(expected: str) -> str:
    return f"expected {expected}, found nothing"


def _unknown(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
    return f"unknown key; expected one of {', '.join(known)}; the nearest is {near}"


def _shown(value: object) -> str:
    match value:
        case bool() | int() | float():
            text = str(value).lower()
        case str():
            text = json.dumps(masked(value), ensure_ascii=False)
        case date() | time():
            text = value.isoformat()
        case _:
            text = _kind(value)
    return text if len(text) <= FOUND_LENGTH else f"{text[:FOUND_LENGTH]}…"


def _kind(value: object) -> str:
    for kind, words in KINDS.items():
        if isinstance(value, kind):
            return words
    return "a date or time"
