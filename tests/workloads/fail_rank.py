#!/usr/bin/env python3
"""One rank fails after all have met; the others wait for it in a collective.

What a real failure looks like to a launcher: the failing rank prints a
traceback and exits with --exit-code; the others hang, or fail with 1 a moment
later because their peer is gone. Only the first one is the cause.
"""

import argparse
import os
import sys
import traceback

import torch
import torch.distributed as dist


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dist-backend", default="gloo")
    parser.add_argument("--dist-url", default="env://")
    parser.add_argument("--rank", type=int, default=-1)
    parser.add_argument("--world-size", type=int, default=-1)
    parser.add_argument("--fail-rank", type=int, required=True)
    parser.add_argument("--exit-code", type=int, default=1)
    return parser.parse_args()


class Failure(RuntimeError):
    """What the failing rank raises."""


def main(args):
    dist.init_process_group(args.dist_backend, init_method=args.dist_url,
                            rank=args.rank, world_size=args.world_size)
    dist.all_reduce(torch.zeros(1))
    print(f"rank {dist.get_rank()} met the others", flush=True)
    if dist.get_rank() == args.fail_rank:
        raise Failure(f"rank {args.fail_rank} fails on purpose")
    dist.all_reduce(torch.zeros(1))


if __name__ == "__main__":
    arguments = parse_args()
    exit_code = 0
    try:
        main(arguments)
    except Failure:
        traceback.print_exc()
        exit_code = arguments.exit_code
    except RuntimeError:
        traceback.print_exc()
        exit_code = 1
    sys.stderr.flush()
    # Without the interpreter's teardown, in which Gloo's threads may turn the
    # exit code into an abort.
    os._exit(exit_code)
