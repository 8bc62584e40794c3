"""Shapes of what native operations answer, for the description of the API and for typed clients.

Those of tokens stand beside their operations, those of the Wild V2 protocol in `service/wild`.
"""
