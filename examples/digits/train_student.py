"""Trains a small student: from the true classes alone, or distilled from a teacher's opinions about the same images."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from network import Images, Lesson, Network, load, load_images, new_network, save, softmax, train
from report import finish, follow, run_folder

STUDENTS = 1000
"""Added to the seed, so that a student does not begin with the random numbers of its teacher."""


def agreement(student: Network, teacher: Network, images: Images) -> float:
    """Share of the images to which both give the same class."""
    ours, theirs = (network.logits(images.pixels).argmax(axis=1) for network in (student, teacher))
    return float(np.mean(ours == theirs))


def main() -> None:
    """Reads the command line, trains, reports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=8, help="hidden units of the student")
    parser.add_argument("--seed", type=int, required=True, help="start and batches; the split is always the same")
    parser.add_argument("--teacher", type=Path, help="teacher.npz; without it the student learns alone")
    parser.add_argument("--alpha", type=float, default=0.9, help="weight of the teacher's opinions, 0 to 1")
    parser.add_argument("--temperature", type=float, default=4.0, help="softness of the opinions")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--results", type=Path, help="where the figures go as well, beside the run's folder")
    chosen = parser.parse_args()

    began = time.perf_counter()
    training, test = load_images()
    teacher = load(chosen.teacher) if chosen.teacher else None
    lesson = Lesson(training)
    if teacher:
        opinions = softmax(teacher.logits(training.pixels), chosen.temperature)
        lesson = Lesson(training, opinions, alpha=chosen.alpha, temperature=chosen.temperature)
    rng = np.random.default_rng(STUDENTS + chosen.seed)
    student = follow(train(new_network(chosen.width, rng), lesson, rng, epochs=chosen.epochs), test, every=10)
    save(student, run_folder() / "student.npz")
    further = {"agreement": agreement(student, teacher, test)} if teacher else {}
    finish(student, test, copy=chosen.results, seconds=time.perf_counter() - began, **further)


if __name__ == "__main__":
    main()
