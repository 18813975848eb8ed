"""What help says of that which has the focus. Knows kinds of rows and panels, and no night."""

from __future__ import annotations

from tui.words.rows import RowKind

ROWS: dict[RowKind, str] = {
    "finding": (
        "The focus is on a finding: its figure and verdict; below stand the evidence and what to "
        "do. enter goes to the step that mends it where there is one; y copies the evidence."
    ),
    "step": (
        "The focus is on a step: below stands what will run, on which server, and how one sees "
        "that it holds. enter runs it, m says it was done by hand, s leaves it out with a reason; "
        "y copies its commands."
    ),
    "plain": "The focus is on a row of the list: below stands all there is to know of it.",
    "heading": "",
}
"""By the kind of the row under the cursor."""

PANELS = {
    "detail": "The focus is on the text below the list: ↑ ↓ scroll it, tab goes back to the list.",
    "road": "The focus is on the road: ↑ ↓ scroll it, tab goes on to what was found.",
}
"""By the panel's name."""

JOURNAL = (
    "Everything that happened to the night, the newest last; the journal itself is a file in the "
    "night's folder. It follows its end until it is scrolled up. / shows only the lines that hold "
    "what is typed, and y copies those."
)
