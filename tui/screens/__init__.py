"""One screen a phase, in the wizard's order; one tuple drives rail, palette and keys."""

from __future__ import annotations

from profiles.phases import PHASES
from tui.frame import Frame
from tui.screens.aftercare import AftercareScreen
from tui.screens.cutover import CutoverScreen
from tui.screens.lag import LagScreen
from tui.screens.network import NetworkScreen
from tui.screens.preflight import PreflightScreen
from tui.screens.replication import ReplicationScreen
from tui.screens.route import RouteScreen
from tui.screens.servers import ServersScreen
from tui.screens.sessions import SessionsScreen
from tui.screens.tuning import TuningScreen
from tui.screens.verify import VerifyScreen

IN_ORDER: tuple[type[Frame], ...] = (
    SessionsScreen,
    ServersScreen,
    RouteScreen,
    NetworkScreen,
    TuningScreen,
    PreflightScreen,
    ReplicationScreen,
    LagScreen,
    VerifyScreen,
    CutoverScreen,
    AftercareScreen,
)
SCREENS = {phase.id: screen for phase, screen in zip(PHASES, IN_ORDER, strict=True)}
