"""The tree of errors is as it is drawn, and each error says who, what, why and what to do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from profiles import errors
from profiles.errors import AnswerError, LockTimeoutError, NightferryError, ProfileError


def tree(kind: type[NightferryError], depth: int = 0) -> Iterator[tuple[int, str]]:
    yield depth, kind.__name__
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child, depth + 1)


def drawn() -> Iterator[tuple[int, str]]:
    assert errors.__doc__ is not None
    for line in errors.__doc__.splitlines():
        words = line.strip(" │├└─")
        if "Error" in words.split(" ")[0] and line.startswith("    "):
            yield (len(line) - len(line.lstrip(" │├└─"))) // 4 - 1, words.split()[0]


def test_the_tree_is_as_it_is_drawn() -> None:
    assert list(drawn()) == list(tree(NightferryError))


@pytest.mark.parametrize("answered", ["no", "no.", "no.\n"])
def test_an_error_says_who_was_asked_what_it_answered_and_what_to_do(answered: str) -> None:
    error = NightferryError("old", "log in", answered, "Try the other one.")
    assert str(error) == "old: log in: no. Try the other one."
    assert str(NightferryError("old", "log in", answered)) == "old: log in: no."


def test_an_answer_keeps_its_code() -> None:
    error = LockTimeoutError("old", "lock", "no", code="55P03")
    assert isinstance(error, AnswerError)
    assert error.code == "55P03"


def test_a_profile_error_keeps_every_problem() -> None:
    error = ProfileError("p.toml", ("one", "two"))
    assert error.problems == ("one", "two")
    assert str(error) == "p.toml: read the profile: one\ntwo. Correct it and start again."
