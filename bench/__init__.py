"""Figures beside bounds and peers that are measured in the same run: `make bench`, or `make bench ARGS=latency`."""
