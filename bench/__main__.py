"""`python -m bench`: starts the stack, measures both sides of every comparison in this run, prints tables."""

import argparse
import tempfile
from pathlib import Path

from bench import calls, jobs, reads
from bench.stack import running_stack


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Madang measured against its peers.")
    parser.add_argument("--only", choices=("reads", "jobs", "calls"), help="one comparison instead of all")
    parser.add_argument("--quick", action="store_true", help="one short round: for trying the benchmark itself")
    options = parser.parse_args()
    rounds, seconds = (1, 1.5) if options.quick else (5, 3.0)
    with tempfile.TemporaryDirectory(prefix="madang-bench-") as folder, running_stack(Path(folder)) as stack:
        if options.only in (None, "reads"):
            reads.compare(stack, rounds=rounds, seconds=seconds)
        if options.only in (None, "jobs"):
            jobs.compare(stack, rounds=min(rounds, 3))
        if options.only in (None, "calls"):
            calls.compare(stack, rounds=rounds)


if __name__ == "__main__":
    main()
