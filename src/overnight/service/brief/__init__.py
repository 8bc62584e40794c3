"""The operation that says all that somebody needs to go on who knows nothing but an id."""
