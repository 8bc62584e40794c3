"""Effects: one module per kind of place that can execute attempts."""
