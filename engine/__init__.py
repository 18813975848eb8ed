"""The process that does the night: runner, lag sampler, socket; only it writes the journal."""

VERSION = "0.1.0"
"""Of Nightferry: windows and engine tell each other, and the journal keeps it."""
