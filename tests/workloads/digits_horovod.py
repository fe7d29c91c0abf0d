#!/usr/bin/env python3
"""Trains a small classifier of digits with Horovod and PyTorch.

An ordinary Horovod script, for mpirun to start: Horovod asks MPI for rank and
size. It proves that Horovod, as scripts for Azure ML used it, works unchanged.
The data (scikit-learn's digits) comes with the library.

Every rank prints "rank 0 of 4 (local 0 of 2): test accuracy 0.97xx" and fails
when that is under 0.9; rank 0 writes ./outputs/model.pt and
./outputs/accuracy.txt. Without Horovod the exit code is 3.
"""

import argparse
import os
import sys

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

try:
    import horovod.torch as hvd
except ImportError as error:
    print(f"{sys.executable} has no Horovod for PyTorch: {error}",
          file=sys.stderr)
    sys.exit(3)

NEEDED_ACCURACY = 0.9
GLOBAL_BATCH = 64


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=15)
    return parser.parse_args()


def say(line):
    # In one piece: mpirun gives its ranks a terminal, on which print() writes
    # the end of the line apart, so that the lines of two ranks could mix.
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def check_place():
    """Horovod and Open MPI's variables agree, and every rank answers."""
    for name, value in (("RANK", hvd.rank()), ("SIZE", hvd.size()),
                        ("LOCAL_RANK", hvd.local_rank()),
                        ("LOCAL_SIZE", hvd.local_size())):
        said = os.environ.get(f"OMPI_COMM_WORLD_{name}", "nothing: no mpirun?")
        if said != str(value):
            sys.exit(f"OMPI_COMM_WORLD_{name} is {said}, "
                     f"Horovod says {value}")
    total = hvd.allreduce(torch.tensor([hvd.rank() + 1]), op=hvd.Sum).item()
    if total != hvd.size() * (hvd.size() + 1) // 2:
        sys.exit(f"rank {hvd.rank()}: the all-reduce is wrong: {total}")


def load_data():
    pixels, digits = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(
        (pixels / 16.0).astype("float32"), digits,
        test_size=0.2, random_state=0, stratify=digits)
    return (TensorDataset(torch.tensor(train_x), torch.tensor(train_y)),
            torch.tensor(test_x), torch.tensor(test_y))


def train(model, data, epochs):
    sampler = DistributedSampler(data, num_replicas=hvd.size(),
                                 rank=hvd.rank(), seed=0)
    loader = DataLoader(data, sampler=sampler,
                        batch_size=max(1, GLOBAL_BATCH // hvd.size()))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    hvd.broadcast_parameters(model.state_dict(), root_rank=0)
    hvd.broadcast_optimizer_state(optimizer, root_rank=0)
    optimizer = hvd.DistributedOptimizer(
        optimizer, named_parameters=model.named_parameters())
    loss_of = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        for x, y in loader:
            optimizer.zero_grad()
            loss = loss_of(model(x), y)
            loss.backward()
            optimizer.step()
        if hvd.rank() == 0:
            say(f"epoch {epoch + 1}/{epochs} loss {loss.item():.4f}")


def save(model, score):
    os.makedirs("outputs", exist_ok=True)
    torch.save(model.state_dict(), "outputs/model.pt")
    with open("outputs/accuracy.txt", "w", encoding="ascii") as file:
        file.write(f"{score:.4f}\n")


def main():
    args = parse_args()
    torch.set_num_threads(1)
    hvd.init()
    check_place()
    torch.manual_seed(hvd.rank())  # the broadcast makes them alike

    data, test_x, test_y = load_data()
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    train(model, data, args.epochs)
    with torch.no_grad():
        score = (model(test_x).argmax(dim=1) == test_y).float().mean().item()
    if hvd.rank() == 0:
        save(model, score)
    say(f"rank {hvd.rank()} of {hvd.size()} (local {hvd.local_rank()} of "
        f"{hvd.local_size()}): test accuracy {score:.4f}")
    hvd.shutdown()
    if score < NEEDED_ACCURACY:
        sys.exit(f"the accuracy is under {NEEDED_ACCURACY}")


if __name__ == "__main__":
    main()
