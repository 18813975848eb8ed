"""The night on disk: profile, secrets, steps, events, journal, report. Knows no server."""
