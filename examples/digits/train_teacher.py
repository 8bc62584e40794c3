"""Trains a teacher on the true classes and leaves it as teacher.npz in the run's folder, or as `--model`."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from network import Lesson, load_images, new_network, save, train
from report import finish, follow, run_folder


def main() -> None:
    """Reads the command line, trains, reports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, required=True, help="hidden units")
    parser.add_argument("--seed", type=int, required=True, help="start and batches; the split is always the same")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--model", type=Path, help="where the teacher goes instead of the run's folder")
    chosen = parser.parse_args()

    began = time.perf_counter()
    training, test = load_images()
    rng = np.random.default_rng(chosen.seed)
    epochs = train(new_network(chosen.width, rng), Lesson(training), rng, epochs=chosen.epochs)
    teacher = follow(epochs, test, every=10)
    save(teacher, chosen.model or run_folder() / "teacher.npz")
    finish(teacher, test, seconds=time.perf_counter() - began)


if __name__ == "__main__":
    main()
