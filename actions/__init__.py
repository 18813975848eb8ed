"""Steps that change something, as data, and the armed sequence. Judges nothing on its own."""
