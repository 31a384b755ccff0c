"""
A report of two million events, in time and memory.

``python -m benchmarks.report [--events 2000000]`` makes a history of a week with as many events,
once with the million sessions that they are of and once without any, as without Redis. Each report
runs in a process of its own. It prints a table, and holds reports to 20 s of a
processor and 1 GB: what else runs on the machine is not at test.
"""

import argparse
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import churn as sessions
from kato_panel import Report, open_history

LIMIT_SECONDS = 20.0
LIMIT_BYTES = 1e9
WEEK_SECONDS = 7 * 86_400


def make(path, events, *, with_records):
    """Make a history, and put the events of a week into it with SQL: the writer is not at test."""
    sessions.DAY_SECONDS = WEEK_SECONDS
    sessions.make(path, events // 2 if with_records else 0)
    began = sessions.micros(sessions.BEGAN)
    step = WEEK_SECONDS * 1_000_000 // events
    with sqlite3.connect(path) as connection:
        (epoch,) = connection.execute("SELECT max(id) FROM epochs").fetchone()
        connection.executemany(
            "INSERT INTO events (epoch_id, seq, at, ordered_at, kind, previous, current, delta, "
            "source, names) SELECT ?1, ?2, ?3, ?3, iif(?2 % 2, 'session_created', "
            "'session_destroyed'), 100, 101, 1, ?4, ?5",
            (
                (
                    epoch,
                    number + 1,
                    began + number * step,
                    "redis" if with_records else "http",
                    f'[["session-{number:032x}", "node-{number % 8}"]]',
                )
                for number in range(events)
            ),
        )
        if not with_records:
            connection.execute("DELETE FROM notes WHERE key IN ('records since', 'keys seen')")
        connection.execute("INSERT OR REPLACE INTO notes (key, value) VALUES ('looked', ?)",
                           (began + WEEK_SECONDS * 1_000_000,))  # fmt: skip
    connection.close()


def report(path, target):
    """Make one report, and say what it took."""
    began, used = time.perf_counter(), time.process_time()
    with open_history(path) as history:
        Report(history).save(target)
    took, used = time.perf_counter() - began, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(took, used, peak, Path(target).stat().st_size)


def main():
    """Measure and print; fail where a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--report", nargs=2)
    options = parser.parse_args()
    if options.report:
        report(*options.report)
        return
    missed = []
    print("| report of | s | of a processor, s | MB at the highest | KB of the file | limits |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for what, with_records in (("events of known sessions", True), ("events alone", False)):
            path, target = Path(folder) / "h.db", Path(folder) / "r.html"
            path.unlink(missing_ok=True)
            make(path, options.events, with_records=with_records)
            told = subprocess.run(
                [sys.executable, "-m", "benchmarks.report", "--report", path, target],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
            took, used, peak, size = map(float, told.split())
            is_met = used <= LIMIT_SECONDS and peak <= LIMIT_BYTES
            missed += [] if is_met else [what]
            print(
                f"| {options.events:,} {what} | {took:.1f} | {used:.1f} | {peak / 1e6:,.0f} "
                f"| {size / 1e3:,.0f} | 20 s, 1,000 MB: {'met' if is_met else 'missed'} |",
                flush=True,
            )
    sys.exit(f"missed: {', '.join(missed)}" if missed else 0)


if __name__ == "__main__":
    main()
