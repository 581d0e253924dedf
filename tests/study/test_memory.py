"""How much memory there is: the machine's, its container's, what the system says."""

import math
import os
import subprocess
import sys

import pytest

from learnability import machine
from learnability.machine import container_limits, machine_bytes
from learnability.study import processes

GB = 10**9
FREE = 9223372036854771712  # what version 1 says where there is no limit


@pytest.mark.parametrize(
    ("listed", "files", "limits"),
    [
        # Version 2: in a container, and with the groups of the host above it.
        ("0::/\n", {"memory.max": 2 * GB}, [2 * GB]),
        ("0::/\n", {"memory.max": "max"}, []),
        (
            "0::/user/job\n",
            {"user/job/memory.max": "max", "user/memory.max": GB, "memory.max": 3 * GB},
            [GB, 3 * GB],
        ),
        ("0::/not/in/sight\n", {"memory.max": GB}, [GB]),
        # Version 1, and both at once.
        (
            "4:cpu,memory:/job\n1:name=systemd:/job\n",
            {"memory/job/memory.limit_in_bytes": GB, "job/memory.max": 5},
            [GB],
        ),
        (
            "9:memory:/docker/a1\n0::/\n",
            {"memory/memory.limit_in_bytes": FREE},
            [FREE],
        ),
        ("", {"memory.max": GB}, []),
        (None, {"memory.max": GB}, []),
    ],
)
def test_a_container_s_limit_is_read(tmp_path, listed, files, limits):
    (tmp_path / "proc/self").mkdir(parents=True)
    if listed is not None:
        (tmp_path / "proc/self/cgroup").write_text(listed)
    for name, text in files.items():
        file = tmp_path / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")
    assert list(container_limits(tmp_path)) == limits


def test_the_least_of_all_limits_counts(monkeypatch):
    monkeypatch.setattr(machine, "container_limits", lambda: iter([GB, 3 * GB]))
    assert machine_bytes() == GB
    with pytest.raises(ValueError, match=r"4 workers .* 1.0 GB .* at most 3"):
        processes(4)
    monkeypatch.setattr(machine, "container_limits", lambda: iter([float(FREE)]))
    assert machine_bytes() < FREE


def test_a_system_that_says_nothing_refuses_nothing(monkeypatch):
    monkeypatch.setattr(machine, "resource", None)
    monkeypatch.setattr(machine, "container_limits", lambda: iter(()))
    monkeypatch.setattr(os, "sysconf_names", {})
    assert machine_bytes() == math.inf
    processes(1000)


ELSEWHERE = """
import os, sys
import numba, psutil, torch  # they ask what system it is
for name in ("fcntl", "resource"):
    sys.modules[name] = None
for name in ("fork", "register_at_fork", "sched_getaffinity", "sched_setaffinity"):
    delattr(os, name)
os.sysconf_names = {}
import learnability as lw
import learnability.cli
from learnability.callbacks import lightning
from learnability.study import Store, cost, processes, run_study
from learnability.study.store import part_of
from learnability.study.sweep import outlook
from tests.study.small import Watcher, small_settings
settings = part_of(small_settings(), ["GRU"], None)
cost.check_memory(settings.runs())
print(outlook(settings, Store(sys.argv[1])))
print(sorted(run_study(settings, Store(sys.argv[1]), Watcher())))
print(processes(2).threads)
task = lw.MultiLag(lags=(1, 4), coefficients=(0.6, 0.5), inputs=2, steps=16)
data = task.draw(64, seed=1, direction=task.direction(seed=0))
found = lw.diagnose(lw.Network(lw.GRU(2, 4)), data, "mse", [1, 2, 4])
print(found.explain(4).lag)
"""


@pytest.mark.filterwarnings("ignore")
def test_a_study_needs_no_linux(tmp_path):
    """What other systems lack is taken away before the library is loaded."""
    words = [sys.executable, "-c", ELSEWHERE, str(tmp_path / "study")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told, labels, threads, lag = done.stdout.splitlines()
    assert told.startswith("small: 1 of 1 runs to do")
    assert labels == "['GRU']"
    assert int(threads) >= 1
    assert lag == "4"
