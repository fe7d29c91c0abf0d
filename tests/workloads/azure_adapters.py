#!/usr/bin/env python3
"""Finds its peers as scripts for Azure ML's MPI jobs did, by helper code.

Such a script runs under mpirun but talks through torch.distributed: a helper
that everyone copied turns Azure's and Open MPI's variables into those that
PyTorch reads. There are two families of it, which differ in the port of a job
of several nodes: (a) takes it from AZ_BATCH_MASTER_NODE, (b) keeps MASTER_PORT
or takes 6105. On one node both use AZ_BATCHAI_MPI_MASTER_NODE and port 54965.
A variable that is missing ends the script with a KeyError, as it did there.

Each rank prints what the helper made of the variables, "rank 0 of 4 (node 0,
local 0): master 10.0.0.4:6105, NCCL_SOCKET_IFNAME was eth0", and then "rank 0
of 4: all-reduce of 4 ranks is right".
"""

import argparse
import os
import sys

import torch
import torch.distributed as dist


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--family", choices=("a", "b"), required=True)
    return parser.parse_args()


def say(line):
    # In one piece: mpirun gives its ranks a terminal, on which print() writes
    # the end of the line apart, so that the lines of two ranks could mix.
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def adapt(env, family):
    """Gives PyTorch's variables to `env`; says what NCCL's was before."""
    for name in ("RANK", "LOCAL_RANK"):
        env[name] = env[f"OMPI_COMM_WORLD_{name}"]
    env["WORLD_SIZE"] = env["OMPI_COMM_WORLD_SIZE"]
    local_size = env["OMPI_COMM_WORLD_LOCAL_SIZE"]
    env["NODE_RANK"] = str(int(env["RANK"]) // int(local_size))

    if local_size == env["WORLD_SIZE"]:
        env["MASTER_ADDR"] = env["AZ_BATCHAI_MPI_MASTER_NODE"]
        env["MASTER_PORT"] = "54965"
    else:
        master = env["AZ_BATCH_MASTER_NODE"].split(":")
        env["MASTER_ADDR"] = master[0]
        if family == "a":
            env["MASTER_PORT"] = master[1]
        else:
            env.setdefault("MASTER_PORT", "6105")

    before = env.get("NCCL_SOCKET_IFNAME", "not set")
    env["NCCL_SOCKET_IFNAME"] = "^docker0,lo"
    return before


def main():
    env = os.environ
    interface = adapt(env, parse_args().family)
    say(f"rank {env['RANK']} of {env['WORLD_SIZE']} (node {env['NODE_RANK']}, "
        f"local {env['LOCAL_RANK']}): master {env['MASTER_ADDR']}:"
        f"{env['MASTER_PORT']}, NCCL_SOCKET_IFNAME was {interface}")

    dist.init_process_group("gloo", init_method="env://")
    rank, size = dist.get_rank(), dist.get_world_size()
    total = torch.tensor([rank + 1])
    dist.all_reduce(total)
    if total.item() != size * (size + 1) // 2:
        sys.exit(f"rank {rank}: the all-reduce is wrong: {total.item()}")
    say(f"rank {rank} of {size}: all-reduce of {size} ranks is right")
    dist.barrier()


if __name__ == "__main__":
    main()
    # Without the teardown, in which some releases of PyTorch abort now and
    # then: every rank has passed the barrier.
    sys.stdout.flush()
    os._exit(0)
