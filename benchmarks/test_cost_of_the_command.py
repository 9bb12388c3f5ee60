"""What a user waits for before anything happens."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("arguments", [("--help",), ("list",)], ids=" ".join)
def test_start_of_the_command(benchmark, arguments):
    benchmark.pedantic(subprocess.run, ([sys.executable, "-m", "suite", *arguments],), {"capture_output": True, "check": True}, rounds=10)
