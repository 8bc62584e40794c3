"""The operations for agents, by the Model Context Protocol: at /mcp of a server, and over standard input and output.

Only `mount` and `door` may be imported at start-up: the SDK costs 0.8 s and is loaded when it is first used
(docs/notes/mcp.md).
"""
