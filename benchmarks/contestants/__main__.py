"""Prepare one contestant for a farm that runs, and print the command that it is: for a profiler.

python -m benchmarks.contestants ours /dev/shm/bench-farm-... /tmp/somewhere
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from ..farm import listed
from . import CONTESTANTS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("contestant", choices=CONTESTANTS)
    parser.add_argument("farm", type=Path, help="the folder of farm.json")
    parser.add_argument("folder", type=Path, help="a new folder for what the contestant reads")
    arguments = parser.parse_args()
    arguments.folder.mkdir()
    start = CONTESTANTS[arguments.contestant].prepare(listed(arguments.farm), arguments.folder.resolve())
    if isinstance(start, str):
        sys.exit(start)
    words = [f"{name}={shlex.quote(value)}" for name, value in start.environment.items()]
    print(" ".join(["env", *words, f"HOME={shlex.quote(str(arguments.folder))}", shlex.join(start.argv)]))


if __name__ == "__main__":
    main()
