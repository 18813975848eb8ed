"""The pages hold to the code: links, commands and their options, keys of the profile, checks."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

import click
import msgspec
import pytest

from checks import catalogue
from profiles import load
from profiles.errors import ProfileError
from profiles.profile import Profile, Thresholds
from tui.cli import main

ROOT = Path(__file__).parents[2]
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
LINK = re.compile(r"\]\(([^)\s]+)\)")
SPAN = re.compile(r"`([^`]+)`")

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def spans(page: Path) -> list[str]:
    """What stands between backticks in prose; a span may go on in the next line."""
    return [" ".join(span.split()) for span in SPAN.findall(BLOCK.sub("", text_of(page)))]


def anchors(page: Path) -> set[str]:
    """The headings as a forge names them in a link."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", text_of(page)), re.M)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {each.replace(" ", "-") for each in plain}


# Links


def broken(page: Path) -> Iterator[str]:
    """The links that lead nowhere; where the network would be asked they are not followed."""
    for link in LINK.findall(BLOCK.sub("", text_of(page))):
        where, _, anchor = link.partition("#")
        target = (page.parent / where).resolve() if where else page
        nowhere = not target.exists() or not target.is_relative_to(ROOT)
        if "://" not in link and (nowhere or (anchor and anchor not in anchors(target))):
            yield link


@every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    assert not list(broken(page))


def test_the_readme_leads_to_every_page() -> None:
    linked = LINK.findall(text_of(ROOT / "README.md"))
    assert {f"docs/{page.name}" for page in DOCS} <= set(linked)


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = ROOT / "docs" / "fine-print.md"
    assert "secrets-where-they-go-and-where-not" in anchors(page)
    wrong = tmp_path / "page.md"
    wrong.write_text("# A\n[a](#a) [b](#b) [c](c.md) [d](https://example.org/)\n")
    assert "#b" in list(broken(wrong)) and "c.md" in list(broken(wrong))
    assert "https://example.org/" not in list(broken(wrong))


# Commands


def command_lines(page: Path) -> Iterator[str]:
    blocks = (line for _, block in BLOCK.findall(text_of(page)) for line in block.splitlines())
    for line in (*blocks, *spans(page)):
        if line == "nightferry" or line.startswith("nightferry "):
            yield line


def said_of(line: str) -> str:
    """What the command line has against it; the values of arguments are examples."""
    words = shlex.split(line.replace("[", "").replace("]", ""), comments=True)[1:]
    command: click.Command = main
    if words and not words[0].startswith("-"):
        if words[0] not in main.commands:
            return f"there is no command {words[0]}"
        command = main.commands[words.pop(0)]
    try:
        _, rest, _ = command.make_parser(click.Context(command)).parse_args(words)
    except click.UsageError as error:
        return error.format_message()
    return f"too many words: {rest}" if rest else ""


@every_page
def test_every_command_is_one_with_those_options(page: Path) -> None:
    wrong = {line: said for line in command_lines(page) if (said := said_of(line))}
    assert not wrong


def test_the_readme_names_every_command() -> None:
    named = {line.split()[1] for line in command_lines(ROOT / "README.md") if " " in line}
    assert set(main.commands) <= named


@pytest.mark.parametrize(
    "line", ["nightferry move", "nightferry status --xml", "nightferry host a b"]
)
def test_a_wrong_command_line_is_found(line: str) -> None:
    assert said_of(line)


# The profile's keys


def toml_blocks(page: Path) -> list[str]:
    return [block for language, block in BLOCK.findall(text_of(page)) if language == "toml"]


def shapes_in(hint: Any) -> set[type[msgspec.Struct]]:
    """The tables that a field may hold, through lists and alternatives."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return {hint}
    return {shape for part in get_args(hint) if part is not NoneType for shape in shapes_in(part)}


def unknown_keys(table: Mapping[str, Any], shapes: set[type[msgspec.Struct]]) -> Iterator[str]:
    """The keys that none of these tables has, here and below."""
    fields = {key: hint for shape in shapes for key, hint in get_type_hints(shape).items()}
    tags = {shape.__struct_config__.tag_field for shape in shapes}
    for key, value in table.items():
        if key not in fields and key not in tags:
            yield key
        for part in value if isinstance(value, list) else [value]:
            below = shapes_in(fields.get(key))
            if isinstance(part, dict) and below:
                yield from unknown_keys(part, below)


@every_page
def test_every_key_of_a_profile_is_one(page: Path, tmp_path: Path) -> None:
    for block in toml_blocks(page):
        table = tomllib.loads(block)
        assert not list(unknown_keys(table, {Profile}))
        if "profile" in table:
            (whole := tmp_path / "whole.toml").write_text(block)
            load.read(whole)


def test_a_wrong_key_is_found(tmp_path: Path) -> None:
    block = (
        '[source]\nadress = "x"\nhost = { kind = "ssh", sudo = "y" }\n[thresholds]\nlag_ms = 1\n'
    )
    assert list(unknown_keys(tomllib.loads(block), {Profile})) == ["adress", "sudo", "lag_ms"]
    (file := tmp_path / "p.toml").write_text("profile = 1\n" + block)
    with pytest.raises(ProfileError):
        load.read(file)


@every_page
def test_every_threshold_that_is_named_is_one(page: Path) -> None:
    named = {span for span in spans(page) if re.fullmatch(r"[a-z_]+_(s|ms|percent)", span)}
    assert named <= set(Thresholds.__struct_fields__)


# Checks, and this machine


@every_page
def test_every_check_that_is_named_is_one(page: Path) -> None:
    named = {span for span in spans(page) if re.fullmatch(r"(net|host|pooler|pg)\.[a-z]\w+", span)}
    assert {span for span in named if not span.startswith("net.ipv4")} <= set(catalogue.BY_ID)


def test_every_finding_of_the_network_test_is_explained() -> None:
    ids = {check.id for check in catalogue.NETWORK}
    assert ids <= set(spans(ROOT / "docs" / "network-and-hosts.md"))


@every_page
def test_no_page_names_a_folder_of_this_machine(page: Path) -> None:
    for here in {ROOT, Path.home()} - {Path("/")}:
        assert not re.search(rf"(?<![\w~]){re.escape(str(here))}(?![\w-])", text_of(page))
