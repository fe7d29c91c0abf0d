#!/usr/bin/env python3
"""Trains a small classifier of handwritten digits with DistributedDataParallel.

An ordinary PyTorch script: it knows nothing of what starts it. Each process
needs --dist-url, --rank and --world-size, or MASTER_ADDR, MASTER_PORT, RANK
and WORLD_SIZE in the environment. The data (scikit-learn's digits) comes with
the library, so nothing is downloaded.

Rank 0 prints "test accuracy: 0.97xx" and writes ./outputs/model.pt and
./outputs/accuracy.txt; every rank writes ./logs/rank<k>.log.
"""

import argparse
import os
import sys

import torch
import torch.distributed as dist
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

GLOBAL_BATCH = 64


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dist-backend", choices=("gloo", "nccl"),
                        default="nccl" if torch.cuda.is_available() else "gloo")
    parser.add_argument("--dist-url", default="env://")
    parser.add_argument("--rank", type=int, default=-1)
    parser.add_argument("--world-size", type=int, default=-1)
    parser.add_argument("--epochs", type=int, default=15)
    return parser.parse_args()


def pick_device():
    if not torch.cuda.is_available():
        return torch.device("cpu")
    local_rank = int(os.environ.get("LOCAL_RANK", dist.get_rank()))
    device = torch.device("cuda", local_rank % torch.cuda.device_count())
    torch.cuda.set_device(device)
    return device


def load_data():
    pixels, digits = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(
        (pixels / 16.0).astype("float32"), digits,
        test_size=0.2, random_state=0, stratify=digits)
    return (TensorDataset(torch.tensor(train_x), torch.tensor(train_y)),
            torch.tensor(test_x), torch.tensor(test_y))


def train(model, data, epochs, device, log):
    sampler = DistributedSampler(data, shuffle=True, seed=0)
    loader = DataLoader(data, sampler=sampler,
                        batch_size=max(1, GLOBAL_BATCH // dist.get_world_size()))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    loss_of = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        total = torch.zeros(1, device=device)
        for x, y in loader:
            optimizer.zero_grad()
            loss = loss_of(model(x.to(device)), y.to(device))
            loss.backward()
            optimizer.step()
            total += loss.detach()
        dist.all_reduce(total)
        mean = total.item() / (len(loader) * dist.get_world_size())
        print(f"epoch {epoch + 1}/{epochs} loss {mean:.4f}", file=log,
              flush=True)
        if dist.get_rank() == 0:
            print(f"epoch {epoch + 1}/{epochs} loss {mean:.4f}", flush=True)


def accuracy(model, x, y, device):
    model.eval()
    with torch.no_grad():
        guess = model(x.to(device)).argmax(dim=1).cpu()
    return (guess == y).float().mean().item()


def save(model, score):
    os.makedirs("outputs", exist_ok=True)
    torch.save(model.state_dict(), "outputs/model.pt")
    with open("outputs/accuracy.txt", "w", encoding="ascii") as file:
        file.write(f"{score:.4f}\n")


def barrier(device):
    # NCCL guesses the device of a plain barrier(), and may guess wrong.
    dist.all_reduce(torch.zeros(1, device=device))
    if device.type == "cuda":
        torch.cuda.synchronize()


def main():
    args = parse_args()
    torch.set_num_threads(1)
    dist.init_process_group(args.dist_backend, init_method=args.dist_url,
                            rank=args.rank, world_size=args.world_size)
    rank, device = dist.get_rank(), pick_device()
    torch.manual_seed(0)

    data, test_x, test_y = load_data()
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    model = DistributedDataParallel(
        model.to(device), device_ids=[device] if device.type == "cuda" else None)

    os.makedirs("logs", exist_ok=True)
    with open(f"logs/rank{rank}.log", "w", encoding="ascii") as log:
        print(f"rank {rank} of {dist.get_world_size()} on {device}", file=log,
              flush=True)
        train(model, data, args.epochs, device, log)
    if rank == 0:
        score = accuracy(model.module, test_x, test_y, device)
        save(model.module, score)
        print(f"test accuracy: {score:.4f}", flush=True)
    barrier(device)


if __name__ == "__main__":
    main()
    # Some releases of PyTorch abort now and then while the interpreter and
    # Gloo's threads are torn down. All is written and every rank has passed
    # the barrier, so leave without the teardown.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
