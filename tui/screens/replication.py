"""7 Replication setup: the route's steps, and a bar a table while the copy runs."""

from __future__ import annotations

from tui.phase import PhaseScreen
from tui.words import rows
from tui.words.rows import Row


class ReplicationScreen(PhaseScreen):
    """The steps in order; what is under way stands below its step."""

    PHASE = "replication"
    STEPS_FIRST = True
    CSS_PATH = "replication.tcss"
    HELP_WORDS = (
        "Roles, schema, publication, slot and subscription, in this order; then the first copy of "
        "every table. The commands of the focused step are those that will run. Whatever a step "
        "leaves on a server is a loose end until it is settled."
    )

    def rows(self, cells: int) -> list[Row]:
        """Findings and steps; below the step that is under way, the bars of its parts."""
        listed = rows.phase_rows(self.night, self.PHASE, cells)
        waiting = [step.id for step in self.unsettled()]
        if not waiting:
            return listed
        at = [row.key for row in listed].index(waiting[0]) + 1
        return [*listed[:at], *rows.progress_rows(self.night, cells), *listed[at:]]
