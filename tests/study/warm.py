"""Loaded by the server of children: their compiled loops are ready when they begin."""

import torch

from learnability.study import Store, run_study
from tests.study.small import Watcher, small_settings

torch.set_num_threads(1)
run_study(small_settings(), Store("memory://warm"), Watcher())
