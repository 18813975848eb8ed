"""What should be set on the hosts and servers of a move: pure functions of what was seen there."""
