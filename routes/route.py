"""What a route is, and which there are. A further route is one more file and one line here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from profiles.profile import Profile
from profiles.steps import Step
from routes import postgres_logical
from routes.gates import Behind
from routes.given import Given


class Route(Protocol):
    """One way of moving a server; a module of this folder is one."""

    ID: str
    PHASES: Sequence[str]
    """The phases it has steps in; with the others nothing is gathered for it."""
    TITLE: str

    def gates(self, profile: Profile) -> Sequence[Behind]:
        """What the cutover waits for."""
        ...

    def steps(self, phase: str, given: Given) -> Sequence[Step]:
        """The steps of a phase, in the order in which they are run."""
        ...


ROUTES: Mapping[str, Route] = {postgres_logical.ID: postgres_logical}


def route_of(profile: Profile) -> Route:
    """The route the operator chose."""
    return ROUTES[profile.route]
