#!/usr/bin/env python3
"""Logistic regression of digits over MPI, the gradients all-reduced by mpi4py.

An ordinary mpi4py script, for mpirun to start. It proves that the ranks are one
MPI job, whose ranks are those in Open MPI's variables, and that the job can do
real data-parallel work: each rank has its own share of the data, so that no
rank can train without the others. The data (scikit-learn's digits) comes with
the library.

Every rank prints "rank 0 of 4 on HOST: test accuracy 0.95xx" and fails when
that is under 0.9; rank 0 writes ./outputs/weights.npz and ./outputs/accuracy.txt.
"""

import argparse
import os
import sys

import numpy as np
from mpi4py import MPI
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

NEEDED_ACCURACY = 0.9


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=200)
    return parser.parse_args()


def say(line):
    # In one piece: mpirun gives its ranks a terminal, on which print() writes
    # the end of the line apart, so that the lines of two ranks could mix.
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def check_place(comm):
    """MPI, the environment and an exact sum agree on who is here."""
    for name, value in (("RANK", comm.rank), ("SIZE", comm.size)):
        said = os.environ.get(f"OMPI_COMM_WORLD_{name}", "nothing: no mpirun?")
        if said != str(value):
            fail(comm, f"OMPI_COMM_WORLD_{name} is {said}, MPI says {value}")
    numbers = np.arange(10000, dtype=np.int64)
    total = np.empty_like(numbers)
    comm.Allreduce(numbers * (comm.rank + 1), total)
    if not np.array_equal(total, numbers * (comm.size * (comm.size + 1) // 2)):
        fail(comm, "the all-reduce is wrong")


def fail(comm, what):
    print(f"rank {comm.rank}: {what}", file=sys.stderr, flush=True)
    comm.Abort(1)


def load_data(comm):
    """This rank's share of the training data, and all of the test data."""
    pixels, digits = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(
        pixels / 16.0, digits, test_size=0.2, random_state=0, stratify=digits)
    mine = slice(comm.rank, None, comm.size)
    return train_x[mine], train_y[mine], test_x, test_y


def train(comm, x, y, steps):
    weights = np.random.default_rng(comm.rank).normal(0, 0.01, (64, 10))
    comm.Bcast(weights)  # all begin with those of rank 0
    wanted = np.eye(10)[y]
    everyone = comm.allreduce(len(x))
    gradient = np.empty_like(weights)
    for _ in range(steps):
        chance = np.exp(x @ weights)
        chance /= chance.sum(axis=1, keepdims=True)
        comm.Allreduce(x.T @ (chance - wanted), gradient)
        weights -= gradient / everyone
    return weights


def save(weights, score):
    os.makedirs("outputs", exist_ok=True)
    np.savez("outputs/weights.npz", weights)
    with open("outputs/accuracy.txt", "w", encoding="ascii") as file:
        file.write(f"{score:.4f}\n")


def main():
    args = parse_args()
    comm = MPI.COMM_WORLD
    check_place(comm)
    x, y, test_x, test_y = load_data(comm)
    weights = train(comm, x, y, args.steps)
    score = float(((test_x @ weights).argmax(axis=1) == test_y).mean())
    if comm.rank == 0:
        save(weights, score)
    say(f"rank {comm.rank} of {comm.size} on {MPI.Get_processor_name()}: "
        f"test accuracy {score:.4f}")
    if score < NEEDED_ACCURACY:
        fail(comm, f"the accuracy is under {NEEDED_ACCURACY}")


if __name__ == "__main__":
    main()
