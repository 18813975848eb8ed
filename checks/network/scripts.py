"""The scripts of `checks.network.remote`, each made into one file that a host's python3 can read.

Knows which modules belong together; must not know what they do.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

PACKAGE = "checks.network.remote"
ITS_IMPORT = re.compile(
    rf"^from {re.escape(PACKAGE)}\.(\w+) import (?:\([^)]*\)|[^(\n]*)\n", re.MULTILINE
)


@cache
def one_file(name: str) -> str:
    """The script and the modules it imports, the imported ones first."""
    return "\n\n".join(ITS_IMPORT.sub("", _text(module)) for module in _in_order(name))


def _in_order(name: str) -> list[str]:
    order: list[str] = []
    for imported in ITS_IMPORT.findall(_text(name)):
        order += [module for module in _in_order(imported) if module not in order]
    return [*order, name]


def _text(module: str) -> str:
    return (resources.files(PACKAGE) / f"{module}.py").read_text(encoding="utf-8")
