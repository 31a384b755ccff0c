"""
A history of 2 million events: each page and the day's overview, beside raw `sqlite3`.

``python benchmarks/history.py [--events 2000000]`` makes a history through the same writer that
the service has, then reads it twice in the same process: through `Reader`, and with the leanest
SQL by hand on a connection that stays open, rows left as SQLite gives them. No reader can be
faster than the second. It prints a table and holds p95 to the limit: what else runs on the
machine makes the slowest read what it is.
"""

import argparse
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kato_panel.domain.events import Kind, Name, SessionEvent
from kato_panel.domain.recorded import Sample
from kato_panel.domain.records import Ending, Reason, Record, Witness
from kato_panel.history import History, Reader, Retention

BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
CHUNK = 20_000
ROWS = 50
SAMPLES = 60
ALL = Retention(raw_days=36_500, minute_days=36_500, max_bytes=2**40)
SEED = 1
LIMITS = {"page": 20, "overview": 200}


def items(count):
    """Make so many events, two thirds births, with their records and some samples."""
    random_, active = random.Random(SEED), 100
    step = timedelta(seconds=6 * 86_400 / count)
    for seq in range(1, count + 1):
        at = BEGAN + seq * step
        kind = Kind.CREATED if seq % 3 else Kind.DESTROYED
        active += 1 if kind is Kind.CREATED else -1
        session, node = f"session-{random_.getrandbits(128):032x}-{seq}", f"node-{seq % 500}"
        yield SessionEvent(
            seq, kind, at, active - 1, active, 1, "redis", (Name(session, node),), None, None, 0.5
        )
        if seq % 4 == 0:
            late = at + timedelta(hours=1)
            ending = Ending(late, late, Reason.EXPIRED, Witness.KEY_EVENT) if seq % 100 else None
            yield Record(session, at, node, at, at, 3600.0, late, Witness.KEY_EVENT, ending)
        if seq % 10 == 0:
            yield Sample(at, active, active, 0)


def make(path, count):
    """Write a history; return the seconds it took, and the items."""
    history = History.open(f"sqlite:///{path}", "http://kato", is_demo=False, retention=ALL)
    began, group = time.perf_counter(), []
    for item in items(count):
        group.append(item)
        if len(group) == CHUNK:
            history.record(group)
            assert history.flush(60), history.status
            group = []
    history.record(group)
    assert history.flush(60), history.status
    took = time.perf_counter() - began
    written = history.status.written
    history.close()
    return took, written


def micros(at):
    """Write a time as the tables have it."""
    return round(at.timestamp() * 1e6)


def measure(read):
    """Read often; return the median, p95 and the slowest, in milliseconds."""
    took = []
    for _ in range(SAMPLES):
        began = time.perf_counter()
        found = read()
        took.append(1000 * (time.perf_counter() - began))
        assert found
    return statistics.median(took), statistics.quantiles(took, n=20)[18], max(took)


def cases(reader, raw, count):
    """Pair each question to the reader with the same one in SQL."""
    random_ = random.Random(SEED)
    end = BEGAN + timedelta(days=6)

    def somewhere():
        return random_.randrange(count // 10, count)

    def when():
        since = BEGAN + timedelta(seconds=random_.uniform(0, 5 * 86_400))
        return since, since + timedelta(hours=6)

    def sql(text, *values):
        return raw.execute(text, values).fetchall()

    page = "page"
    yield (
        f"newest {ROWS} events",
        page,
        lambda: reader.events(limit=ROWS).rows,
        lambda: sql("SELECT * FROM events ORDER BY id DESC LIMIT ?", ROWS),
    )
    yield (
        f"{ROWS} events after a cursor anywhere",
        page,
        lambda: reader.events(limit=ROWS, cursor=str(somewhere())).rows,
        lambda: sql(
            "SELECT * FROM events WHERE id < ? ORDER BY id DESC LIMIT ?", somewhere(), ROWS
        ),
    )

    def raw_range():
        since, until = map(micros, when())
        return sql(
            "SELECT * FROM events WHERE ordered_at >= ? AND ordered_at < ? "
            "ORDER BY ordered_at, id LIMIT ?",
            since,
            until,
            ROWS,
        )

    yield (
        f"{ROWS} events of six hours",
        page,
        lambda: reader.events(*when(), newest_first=False, limit=ROWS).rows,
        raw_range,
    )
    yield (
        f"{ROWS} events of a kind",
        page,
        lambda: reader.events(kind=Kind.DESTROYED, limit=ROWS, cursor=str(somewhere())).rows,
        lambda: sql(
            "SELECT * FROM events WHERE kind = 'session_destroyed' AND id < ? "
            "ORDER BY id DESC LIMIT ?",
            somewhere(),
            ROWS,
        ),
    )
    of_node = (
        "SELECT events.* FROM event_nodes JOIN events ON events.id = event_id "
        "WHERE event_nodes.node_id = ? AND event_id < ? ORDER BY event_id DESC LIMIT ?"
    )
    yield (
        f"{ROWS} events of one node of 500",
        page,
        lambda: reader.events(node="node-7", limit=ROWS, cursor=str(somewhere())).rows,
        lambda: sql(of_node, "node-7", somewhere(), ROWS),
    )
    yield (
        f"{ROWS} events of one node in six hours",
        page,
        lambda: reader.events(*when(), node="node-7", limit=ROWS).rows,
        lambda: sql(of_node, "node-7", somewhere(), ROWS),
    )
    yield (
        f"{ROWS} sessions after a cursor anywhere",
        page,
        lambda: reader.records(limit=ROWS, cursor=f"{micros(when()[1])}:1").rows,
        lambda: sql(
            "SELECT * FROM records WHERE began <= ? ORDER BY began DESC, id DESC LIMIT ?",
            micros(when()[1]),
            ROWS,
        ),
    )
    yield (
        f"{ROWS} sessions of one node",
        page,
        lambda: reader.records(node="node-8", limit=ROWS).rows,
        lambda: sql(
            "SELECT * FROM records WHERE node_id = ? ORDER BY began DESC, id DESC LIMIT ?",
            "node-8",
            ROWS,
        ),
    )
    minutes = "SELECT * FROM minutes WHERE start >= ? AND start < ? ORDER BY start"
    for name, span in (("day", 1), ("six days", 6)):
        since = end - timedelta(days=span)
        yield (
            f"overview of the {name}",
            "overview",
            lambda since=since: reader.counts(since, end).rows,
            lambda since=since: sql(minutes, micros(since), micros(end)),
        )
    yield (
        "a busy hour",
        "overview",
        lambda: reader.counts(end - timedelta(hours=1), end).rows,
        lambda: sql(minutes, micros(end - timedelta(hours=1)), micros(end)),
    )


def main():
    """Measure and print; fail where a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=2_000_000)
    options = parser.parse_args()
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "h.db"
        took, written = make(path, options.events)
        megabytes = path.stat().st_size / 1e6
        print(
            f"{written:,} items in {took:.0f} s, {written / took:,.0f} a second, "
            f"{megabytes:,.0f} MB for {options.events:,} events\n"
        )
        began = time.perf_counter()
        History.open(f"sqlite:///{path}", "http://kato", is_demo=False).close()
        print(f"a start with its check of the whole file: {time.perf_counter() - began:.1f} s\n")
        print(
            "| read | n | raw sqlite3 p50 / p95 ms | history p50 / p95 / max ms | ratio | limit |"
        )
        print("|---|---|---|---|---|---|")
        raw = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        with Reader.open(path) as reader:
            for name, kind, read, read_raw in cases(reader, raw, options.events):
                raw50, raw95, _ = measure(read_raw)
                own50, own95, slowest = measure(read)
                is_met = own95 <= LIMITS[kind]
                missed += [] if is_met else [name]
                print(
                    f"| {name} | {SAMPLES} | {raw50:.2f} / {raw95:.2f} "
                    f"| {own50:.2f} / {own95:.2f} / {slowest:.2f} | {own50 / raw50:.1f} "
                    f"| {LIMITS[kind]} ms: {'met' if is_met else 'missed'} |",
                    flush=True,
                )
        raw.close()
    sys.exit(f"missed: {', '.join(missed)}" if missed else 0)


if __name__ == "__main__":
    main()
