"""How much memory there is: the machine's, its container's, what the system says."""

import math
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from learnability.study import memory, processes
from learnability.study.memory import container_limits, held_bytes, machine_bytes

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
    monkeypatch.setattr(memory, "container_limits", lambda: iter([GB, 3 * GB]))
    assert machine_bytes() == GB
    with pytest.raises(ValueError, match=r"4 workers .* 1.0 GB .* at most 3"):
        processes(4)
    monkeypatch.setattr(memory, "container_limits", lambda: iter([float(FREE)]))
    assert machine_bytes() < FREE


def test_a_system_that_says_nothing_refuses_nothing(monkeypatch):
    monkeypatch.setattr(memory, "resource", None)
    monkeypatch.setattr(memory, "container_limits", lambda: iter(()))
    monkeypatch.setattr(os, "sysconf_names", {})
    assert machine_bytes() == math.inf
    assert held_bytes() == memory.WORKER_BYTES
    processes(1000)


@pytest.mark.parametrize(("platform", "unit"), [("linux", 1024), ("darwin", 1)])
def test_each_system_has_its_unit(monkeypatch, platform, unit):
    fake = SimpleNamespace(
        RUSAGE_SELF=0, getrusage=lambda who: SimpleNamespace(ru_maxrss=7)
    )
    monkeypatch.setattr(memory, "resource", fake)
    monkeypatch.setattr(sys, "platform", platform)
    assert held_bytes() == 7 * unit


ELSEWHERE = """
import os, sys
import numba, torch  # they ask what system it is
for name in ("fcntl", "resource"):
    sys.modules[name] = None
for name in ("fork", "register_at_fork", "sched_getaffinity", "sched_setaffinity"):
    delattr(os, name)
os.sysconf_names = {}
import learnability.cli
from learnability.study import Store, memory, processes, run_study
from learnability.study.estimate import estimate
from tests.study.small import Watcher, small_settings
small = small_settings()
gru = [a.model_dump(mode="json") for a in small.architectures if a.cell == "GRU"]
settings = small.changed(architectures=gru)
memory.check_memory(settings.runs())
print(estimate(settings, settings.runs()).sentence())
print(sorted(run_study(settings, Store(sys.argv[1]), Watcher())))
print(processes(2).threads)
"""


@pytest.mark.filterwarnings("ignore")
def test_a_study_needs_no_linux(tmp_path):
    """What other systems lack is taken away before the library is loaded."""
    words = [sys.executable, "-c", ELSEWHERE, str(tmp_path / "study")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    estimated, labels, threads = done.stdout.splitlines()
    assert estimated.startswith("1 run, about")
    assert labels == "['GRU']"
    assert int(threads) >= 1
