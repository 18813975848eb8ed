"""How we reach a server: the database drivers, the pooler's console, the host. Judges nothing."""
