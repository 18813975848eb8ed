"""The figures of the README, each against what an operator would otherwise use or have to accept.

``python -m benchmarks`` runs all of them; ``python -m benchmarks.write_pause --runs 2`` runs one.
"""
