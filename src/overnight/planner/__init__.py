"""Pure decisions: a snapshot, the time and a random source go in, decisions come out."""
