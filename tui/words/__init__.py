"""A night as lines of text: pure functions of the events so far. Nothing here knows a widget."""
