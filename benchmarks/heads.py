"""Heads at the size of GLD-v2: what sampling classes saves.

Speed: a step (loss, backward, update) of the full head and of sampled ones, in turn, in one
process, on the GPU if there is one. The embeddings are given, so this is the head alone.

Memory: a fresh process each takes a few steps. On the processor it is watched from outside (memory
of its own, less that of a process that only loads torch); on a GPU torch says what it had at most.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from typing import Any

import torch

from common import alternate, median_ratio, new_parser, print_table, report, run_measured
from steeple.training.heads import Head, create_head

RATE, MOMENTUM, DECAY = 1e-3, 0.9, 1e-5
STEPS = 3  # whose memory is watched


def device() -> torch.device:
    """The GPU, if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def wait() -> None:
    """Until the GPU has done what it was given."""
    if device().type == "cuda":
        torch.cuda.synchronize()


def make_step(arguments: argparse.Namespace, share: float) -> tuple[Head, Callable[[], None]]:
    """A head, and a step of its training; a share of 0 stands for the full head."""
    head = create_head(
        arguments.head,
        arguments.classes,
        arguments.dimension,
        sampled=share or None,
        momentum=MOMENTUM,
        decay=DECAY,
    ).to(device())
    parameters = list(head.parameters())
    optimizer = (
        torch.optim.SGD(parameters, lr=RATE, momentum=MOMENTUM, weight_decay=DECAY)
        if parameters
        else None
    )
    random = torch.Generator().manual_seed(1)

    def step() -> None:
        embeddings = torch.randn(arguments.batch, arguments.dimension, generator=random)
        targets = torch.randint(arguments.classes, (arguments.batch,), generator=random)
        embeddings = embeddings.to(device()).requires_grad_()
        loss: Any = head(embeddings, targets)
        loss.backward()
        if optimizer is not None:
            optimizer.step()
            optimizer.zero_grad()
        head.step(RATE)
        wait()

    return head, step


def measure_in_child(arguments: argparse.Namespace, share: float) -> None:
    """Takes a few steps and prints the most memory of the GPU, in MB."""
    if share >= 0:
        head, step = make_step(arguments, share)
        for name, table in head.named_buffers():
            if name.endswith("_momentum"):
                table.fill_(1e-9)  # pages of zeros take no memory before they are written
        for _ in range(STEPS):
            step()
    peak = torch.cuda.max_memory_allocated() / 2**20 if device().type == "cuda" else 0.0
    print(json.dumps({"gpu_mb": peak}))


def measure_memory(arguments: argparse.Namespace, share: float) -> float:
    """The most memory of steps with such a share, in MB; -1 stands for no head at all."""
    size = [str(arguments.classes), str(arguments.dimension), str(arguments.batch)]
    options = ["--classes", size[0], "--dimension", size[1], "--batch", size[2]]
    options += ["--head", arguments.head, "--child", str(share)]
    done = run_measured([sys.executable, sys.argv[0], *options])
    if done.code:
        raise SystemExit(f"a step with a share of {share} failed")
    on_gpu: float = json.loads(done.output)["gpu_mb"]
    return on_gpu if device().type == "cuda" else done.own_mb


def main() -> None:
    """Runs the benchmark."""
    parser = new_parser(__doc__)
    parser.add_argument("--head", default="arcface")
    parser.add_argument("--classes", type=int, default=203_094)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.1, 0.02])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--child", type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child is not None:
        measure_in_child(arguments, arguments.child)
        return

    shares = [0.0, *arguments.shares]
    bare = measure_memory(arguments, -1)
    memory = [measure_memory(arguments, share) - bare for share in shares]
    seconds = alternate(arguments.rounds, *(make_step(arguments, share)[1] for share in shares))
    rows = [
        {
            "classes": f"{share:.0%} a step" if share else "all",
            "peak_mb": peak,
            "of_full_memory": peak / memory[0],
            "step_ms": 1000 * statistics.median(times),
            "of_full_time": median_ratio(times, seconds[0]),
        }
        for share, peak, times in zip(shares, memory, seconds, strict=True)
    ]
    print(
        f"{arguments.head}, {arguments.classes:,} classes x {arguments.dimension}, batches of "
        f"{arguments.batch}, on {device()}\n"
    )
    print_table([name.replace("_", " ") for name in rows[0]], [list(row.values()) for row in rows])
    report("heads", {"device": str(device()), "rows": rows}, arguments.json)


if __name__ == "__main__":
    main()
