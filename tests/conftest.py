"""The fixtures that several tests share stand in ``tests/fix_*.py``; this is the list of them."""

pytest_plugins = [
    "tests.fix_cli",
    "tests.fix_ground",
    "tests.fix_connections",
    "tests.fix_servers",
    "tests.fix_road",
    "tests.fix_ssh",
    "tests.fix_terminal",
]
