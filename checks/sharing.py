"""One measurement that several checks judge: made once in a look, its error standing for all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from checks.check import Look
from profiles.errors import NightferryError


async def once(look: Look, what: str, measured: Callable[[], Awaitable[Any]]) -> Any:
    """What was measured already, or is now. For checks that run one after the other.

    Raises the NightferryError that stands in its place.
    """
    if what not in look.measured:
        look.measured[what] = await or_error(_begun(measured))
    found = look.measured[what]
    if isinstance(found, NightferryError):
        raise found
    return found


async def or_error(measuring: Awaitable[Any]) -> Any:
    """What comes of it, be that an error of ours."""
    try:
        return await measuring
    except NightferryError as error:
        return error


async def _begun(measured: Callable[[], Awaitable[Any]]) -> Any:
    return await measured()
