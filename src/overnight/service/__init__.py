"""The table of operations that every surface renders."""
