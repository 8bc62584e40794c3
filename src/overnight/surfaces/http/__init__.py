"""The HTTP surface: the table of operations under /v1, its documentation, and the server."""
