"""Facts: the only package that knows SQL."""
