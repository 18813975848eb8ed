"""One host: what it is, how it fares, and what that means for the night."""
