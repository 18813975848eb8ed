"""The form of a profile as rows and details: each field, what is wrong with it, what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from profiles.events import Side, Tried
from profiles.findings import Finding
from profiles.load import wrong_in, wrong_in_server
from profiles.profile import FORMAT
from profiles.shape import Table
from tui.words.fields import Field, Section, beside, sections, text_of, value_at
from tui.words.marks import VERDICTS
from tui.words.rows import Row, heading, worst_first
from tui.words.text import Line, Span, clip, labelled, line, width, wrap

LABEL_CELLS = 14
VALUE_CELLS = 16
"""How far values reach before what is wrong stands beside them."""
UNDER = " " * 4
CARET = "▏"
ELSEWHERE = ""
"""Under it stands what is wrong with what the form does not show."""
UNPRINTED = str.maketrans(dict.fromkeys([*range(32), 127], "·"))
TRYING = "trying it …"
STALE = "changed since it was tried; it is tried again when the field is left"
UNTRIED = "tried as soon as all of it, and the database, are entered"


class Try(NamedTuple):
    """What there is to try: a server, and the database that moves."""

    server: Table
    database: str


@dataclass(frozen=True)
class Filled:
    """The form as it stands."""

    raw: Table
    focus: str = ""
    """The key of the field that is typed in."""
    text: str = ""
    """As it is typed: a comma at its end has no place in the profile yet."""
    caret: int = 0
    asked: bool = False
    """It was to be saved: what is missing is said too, and what is just being typed."""
    tries: Mapping[Side, Try] = field(default_factory=dict)
    """What the engine was asked to try last."""
    found: Mapping[Side, Tried] = field(default_factory=dict)


def fields_of(raw: Table) -> list[Field]:
    """Every field, in order."""
    return [each for section in sections(raw) for each in section.fields]


def all_wrong(raw: Table) -> dict[str, str]:
    """Everything that is wrong, by the key of its field."""
    return beside(wrong_in(raw), fields_of(raw))


def wanting(raw: Table, side: Side) -> Try | None:
    """What there is to try on one side; None while it is not whole."""
    server, databases = raw.get(side), raw.get("databases")
    if not isinstance(server, dict) or wrong_in_server(server):
        return None
    return Try(server, databases[0]) if databases else None


def rows(form: Filled, cells: int) -> list[Row]:
    """Every section under its heading, a server's with what was found of it."""
    wrong = said_wrong(form)
    listed: list[Row] = []
    for section in sections(form.raw):
        listed.append(heading(section.title, "", cells))
        if section.side is not None:
            listed += _found_rows(form, section.side, cells)
        for each in section.fields:
            listed += _field_rows(form, each, wrong.get(each.key, ""), cells)
    if ELSEWHERE in wrong:
        said = line(Span(f"✗ not shown in this form: {wrong[ELSEWHERE]}", "stop"))
        listed.insert(0, Row("elsewhere", clip(said, cells), "heading"))
    return listed


def said_wrong(form: Filled) -> dict[str, str]:
    """What is said to be wrong now: nothing of what nobody has come to yet."""
    wrong = all_wrong(form.raw)
    if form.asked:
        return wrong
    typed = {each.key for each in fields_of(form.raw) if text_of(form.raw, each)}
    return {key: says for key, says in wrong.items() if key in typed - {form.focus}}


def _field_rows(form: Filled, of: Field, wrong: str, cells: int) -> list[Row]:
    """The field; what is wrong beside it, or below where there is too little room."""
    here = of.key == form.focus
    value = _typed(form, cells) if here and not of.codec.options else _value(form.raw, of, here)
    label = Span(of.label.ljust(LABEL_CELLS) + " ", "strong" if here else "dim")
    gap = " " * max(VALUE_CELLS - width(value), 2)
    said: Line = (Span(gap), Span(f"✗ {wrong}", "stop")) if wrong else ()
    beside_it = line(label, *value, *said)
    if width(beside_it) <= cells:
        return [Row(of.key, beside_it)]
    below = wrap(f"✗ {wrong}" if wrong else "", cells, "stop", UNDER)
    rows_below = [Row(f"wrong:{of.key}:{at}", each, "heading") for at, each in enumerate(below)]
    return [Row(of.key, clip(line(label, *value), cells)), *rows_below]


def _value(raw: Table, of: Field, here: bool) -> Line:
    text, empty = text_of(raw, of).translate(UNPRINTED), value_at(raw, of.path) is None
    if of.codec.options:
        return line(Span(f"< {text} >" if here else text, "strong" if here else "plain"))
    return line(Span(of.usual, "dim")) if empty else line(text)


def _typed(form: Filled, cells: int) -> Line:
    """The text with its caret in view, the ends cut off where it is too long."""
    room = max(cells - LABEL_CELLS - 3, 10)
    text = form.text.translate(UNPRINTED)
    first = max(form.caret - room + 1, 0)
    return line(text[first : form.caret], Span(CARET, "strong"), text[form.caret : first + room])


def _found_rows(form: Filled, side: Side, cells: int) -> list[Row]:
    lines = found_lines(form, side, cells)
    return [Row(f"found:{side}:{at}", each, "heading") for at, each in enumerate(lines)]


def found_lines(form: Filled, side: Side, cells: int) -> list[Line]:
    """What trying the server has shown: the worst first, what is well in one breath."""
    wanted, told = wanting(form.raw, side), form.found.get(side)
    fresh = told is not None and wanted == Try(told.entered, told.moving)
    if wanted is not None and wanted == form.tries.get(side) and not fresh:
        return [line(Span(f"· {TRYING}", "note"))]
    if told is None:
        return [line(Span(f"· {UNTRIED}", "dim"))]
    lines = [each for found in _worse(told.findings) for each in _worse_lines(found, cells)]
    well = _in_one_breath([found.figure for found in told.findings if found.verdict == "pass"])
    lines += wrap(f"{VERDICTS['pass']} {well}", cells, "pass") if well else []
    return lines if fresh else [line(Span(f"· {STALE}", "dim")), *lines]


def _in_one_breath(figures: Sequence[str]) -> str:
    """The figures one after the other, none that another one says as well."""
    said = [one for one in figures if not any(one in other for other in figures if other != one)]
    return " · ".join(said)


def _worse(findings: Sequence[Finding]) -> list[Finding]:
    return [found for found in worst_first(findings) if found.verdict != "pass"]


def _worse_lines(found: Finding, cells: int) -> list[Line]:
    mark = Span(f"{VERDICTS[found.verdict]} {found.verdict}  ", found.verdict)
    first, *rest = wrap(found.figure, cells - len(mark.text))
    below = [line("  ", *each) for each in rest]
    return [line(mark, *first), *below, *wrap(found.todo, cells, "dim", indent="  ")]


def detail(form: Filled, cells: int) -> list[Line]:
    """What the field is for, what is wrong with it, and what stands against its server."""
    here = _section_of(form)
    if here is None:
        return []
    section, of = here
    lines = labelled("wrong", said_wrong(form).get(of.key, ""), cells, "stop")
    lines += labelled(of.label.strip("· "), of.help, cells)
    return lines if section.side is None else [*lines, *found_lines(form, section.side, cells)]


def everything_found(form: Filled, cells: int) -> list[Line]:
    """All there is to say of the server in whose section the cursor stands; or nothing."""
    here = _section_of(form)
    told = form.found.get(here[0].side) if here and here[0].side else None
    lines: list[Line] = []
    for found in worst_first(told.findings) if told else []:
        lines += wrap(f"{VERDICTS[found.verdict]} {found.verdict}  {found.figure}", cells)
        for label, said in (
            ("says", found.says),
            ("todo", found.todo),
            ("rests on", found.evidence),
        ):
            lines += labelled(label, said, cells)
    return lines


def _section_of(form: Filled) -> tuple[Section, Field] | None:
    for section in sections(form.raw):
        for each in section.fields:
            if each.key == form.focus:
                return section, each
    return None


def draft_of(profile: Mapping[str, Any]) -> Table:
    """The table that the form begins with: every part of it is there, if only empty."""
    empty: Table = {"profile": FORMAT, "databases": [], "source": {}, "destination": {}}
    return {**empty, **profile}
