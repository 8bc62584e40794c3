"""Renderings of the table of operations: HTTP, command line, client."""
