"""The experiments' command line: its sentences and exit codes."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from experiments.cli import main
from tests.test_cli import call as call_product
from tests.test_cli import check_wrong_call

ROOT = Path(__file__).parents[2]
call = partial(call_product, command=main)


def test_a_process_ends_in_the_same_way():
    command = [sys.executable, "-m", "experiments", "calibrate", "medium"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT
    )
    check_wrong_call(done, "experiments: there is no preset 'medium'")


def test_the_product_knows_no_experiments():
    for word in ("claims", "calibrate"):
        check_wrong_call(call_product(word), f'Unknown command "{word}"')


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["calibrate", "small", "--workers", "1.5"], "'1.5': input should be a valid"),
        (["claims", "--seed", "0.5"], "'0.5': input should be a valid"),
        (["claims", "--output", ""], "an empty path names no place"),
        (["claims", "--output", "foo://x"], "foo://x cannot be reached"),
        (["calibrate", "tiny", "--output", ""], "an empty path names no place"),
        (
            ["interventions", "both"],
            "both is no part; give one of developed, held-out, far, shapes",
        ),
        (
            [
                "interventions",
                "developed",
                "--seeds",
                "0",
                "1",
                "--score",
                "-o",
                "none",
            ],
            "holds no trainings; make some first",
        ),
        (["calibrate", "tiny", "--output", "memory://x"], "no folder of this machine"),
        (["calibrate", "tiny", "--workers", "100000"], "100000 workers do not fit"),
        (["calibrate", "tiny", "--diagnoses", "9" * 15], "give at most 1000000"),
        (["calibrate", "confirm", "--laws", ""], "an empty path names no place"),
        (["claims", "--seed", "9" * 23], "the seed is 99999999999999999999999; give"),
        (["claims", "--seed", "-1"], "the seed is -1; give"),
    ],
)
def test_wrong_call_ends_in_one_line(tmp_path, words, message):
    check_wrong_call(call(*words, cwd=tmp_path), message)
    assert list(tmp_path.iterdir()) == []
