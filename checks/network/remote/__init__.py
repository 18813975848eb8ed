"""What is sent to other hosts to be run there: the standard library and Python 3.6 are all it has.

The modules import from each other and from nowhere else in the house; `checks.network.scripts`
makes one file of a script and what it imports.
"""
