"""Cells whose gates see the input alone: step by step, and by a scan.

``python -m benchmarks.cells`` prints the table of docs/cells.md.
"""

import statistics
import time

import torch

from learnability.cells import CELLS
from learnability.cells.inputs import Advancing
from learnability.study import load_settings
from learnability.unroll import Network

SEQUENCES, TURNS = 64, 5


def seconds(network: Network, x: torch.Tensor) -> float:
    """Give the CPU time of a forward and a backward pass."""
    start = time.process_time()
    network(x).pow(2).sum().backward()
    return time.process_time() - start


def main() -> None:
    """Print a row a cell: both ways in turns, the medians."""
    torch.set_num_threads(1)
    settings = load_settings("today")
    x = torch.randn(SEQUENCES, settings.task.steps, settings.task.inputs)
    for one in settings.networks:
        if not issubclass(CELLS[one.cell], Advancing):
            continue
        ways = {
            engine: Network(one.architecture.build(x.shape[-1], 0), engine=engine)
            for engine in ("reference", "auto")
        }
        for network in ways.values():
            seconds(network, x)
        found = {engine: [] for engine in ways}
        for _ in range(TURNS):
            for engine, network in ways.items():
                found[engine].append(1000 * seconds(network, x))
        slow, fast = (statistics.median(times) for times in found.values())
        print(f"| `{one.cell}`, H {one.units} | {slow:.0f} ms | {fast:.0f} ms |")


if __name__ == "__main__":
    main()
