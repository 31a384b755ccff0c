"""
Seven days of figures as a service keeps them, held against its rules.

``python benchmarks/backtest.py [--days 7]`` makes a history with a figure each 15 s of every metric
and of four containers, of which each metric is wrong for some minutes a day and one flaps, and
judges all built-in rules and two of a user over it. It prints a table, and holds that to 10 s of a
processor: what else runs on the machine is not at test. Beside it stands the leanest loop over the
raw rows.
"""

import argparse
import sqlite3
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from kato_panel import backtest
from kato_panel.demo_week import demo_rules
from kato_panel.domain.metrics import METRICS
from kato_panel.domain.recorded import FIGURE_SECONDS
from kato_panel.history import History
from kato_panel.history.rows import micros

BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
DAY_SECONDS = 86_400
LIMIT_SECONDS = 10.0
SUBJECTS = {"": [""], "container": ["kato", "redis", "mongo", "qdrant"], "source": ["http"]}
WRONG = 1_000.0
FLAPS = "loop_lag_seconds"
SEED = 1
SAMPLES = 3


def make(path, days):
    """Make a history, and put figures into it with SQL: the writer is not at test."""
    History.open(f"sqlite:///{path}", "http://kato", is_demo=False).close()
    random = np.random.default_rng(SEED)
    steps = np.arange(days * DAY_SECONDS / FIGURE_SECONDS)
    times = (micros(BEGAN) + steps * FIGURE_SECONDS * 1e6).astype(int).tolist()
    count = 0
    with sqlite3.connect(path) as connection:
        for metric in METRICS.values():
            for subject in SUBJECTS[metric.subject]:
                is_wrong = random.random(len(steps) // 20 + 1).repeat(20)[: len(steps)] < 0.005
                if metric.name == FLAPS:
                    is_wrong = random.random(len(steps)) < 0.5
                values = np.where(is_wrong, WRONG, 0.0).tolist()
                connection.executemany(
                    "INSERT INTO figures (at, metric, subject, value) VALUES (?, ?, ?, ?)",
                    ((at, metric.name, subject, value)
                     for at, value in zip(times, values, strict=True)),
                )  # fmt: skip
                count += len(values)
    connection.close()
    return count


def measure(do):
    """Do it often; return the median and the slowest, in seconds of a processor."""
    took = []
    for _ in range(SAMPLES):
        began = time.process_time()
        do()
        took.append(time.process_time() - began)
    return sorted(took)[SAMPLES // 2], max(took)


def main():
    """Measure and print; fail where the limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=7)
    days = parser.parse_args().days
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "h.db"
        count = make(path, days)
        until = BEGAN + timedelta(days=days)
        raw = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        beside = measure(lambda: sum(1 for _ in raw.execute("SELECT at, value FROM figures")))
        raw.close()
        found = backtest(path, demo_rules(), BEGAN, until)
        assert len(found) > 100 * days, len(found)
        took = measure(lambda: backtest(path, demo_rules(), BEGAN, until))
    is_met = took[1] <= LIMIT_SECONDS
    print("| what | n | beside p50 / max s | ours p50 / max s | limit |")
    print("|---|---|---|---|---|")
    what = f"{days} days, {count:,} figures, {len(demo_rules())} rules, {len(found):,} alerts"
    limit = f"{LIMIT_SECONDS:.0f} s: {'met' if is_met else 'missed'}"
    print(
        f"| {what}, beside a loop over raw rows | {SAMPLES} | {beside[0]:.2f} / {beside[1]:.2f} | "
        f"{took[0]:.2f} / {took[1]:.2f} | {limit} |"
    )
    sys.exit(0 if is_met else "missed: the backtest")


if __name__ == "__main__":
    main()
