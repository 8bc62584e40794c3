"""Runs the named sections (all by default), prints a table, keeps the figures in `bench/results/latest.json`."""

from __future__ import annotations

import importlib
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.measure import Figure

SECTIONS = ("throughput", "latency", "http", "api", "scale", "queue", "ssh", "footprint")
RESULTS = Path(__file__).parent / "results" / "latest.json"


def main(names: list[str]) -> int:
    """Measure and show; an aim that was missed is shown, not failed: speed is never asserted."""
    console = Console(width=150)
    kept: dict[str, list[dict[str, object]]] = {}
    for name in names or SECTIONS:
        console.print(f"[bold]{name}[/bold] …")
        figures = importlib.import_module(f"bench.{name}").figures()
        console.print(_table(figures))
        kept[name] = [asdict(figure) for figure in figures]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({"cores": os.cpu_count(), "sections": kept}, indent=1) + "\n", encoding="utf-8")
    console.print(f"kept in {RESULTS.relative_to(Path.cwd()) if RESULTS.is_relative_to(Path.cwd()) else RESULTS}")
    return 0


def _table(figures: list[Figure]) -> Table:
    table = Table("figure", "value", "unit", "beside", "ratio", "aim", "met")
    for figure in figures:
        ratio = f"{figure.ratio:.2f}" if figure.ratio is not None else ""
        met = {None: "", True: "yes", False: "NO"}[figure.met]
        table.add_row(figure.name, f"{figure.value:,.2f}", figure.unit, figure.beside, ratio, figure.aim, met)
    return table


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
