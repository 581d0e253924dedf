"""Loaded by the server of children: their compiled loops are ready when they begin."""

import torch

from learnability.study import Store, run_study
from tests.study.children import KILLED, grid
from tests.study.small import Watcher

torch.set_num_threads(1)
run_study(grid(KILLED, seeds=[0]), Store("memory://warm"), Watcher())
