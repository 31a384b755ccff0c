"""What the history keeps of alerts: they come back as they were, and the newest word counts."""

import sqlite3
from dataclasses import replace

import numpy as np
import pytest

from kato_panel.domain.recorded import AlertEntry, Figure, Lapse, OutboxEntry, Silence
from kato_panel.domain.rules import Rule
from kato_panel.history import schema
from tests.history.making import alert, at, event, open_history


@pytest.fixture
def history(tmp_path):
    history = open_history(tmp_path / "h.db")
    yield history
    history.close()


def test_alerts_come_back_with_their_rule(history):
    """Whatever became of the rule since; what is told of one later takes its place."""
    odd = Rule("odd", "disk_percent", "<=", 0.1, 3.0, 4.0, 5, message="\ud800 {value}")
    told = [AlertEntry(alert(n)) for n in range(3)]
    history.record(told)
    history.record(AlertEntry(alert(5, rule=odd, subject="")))
    assert history.flush()
    seen = AlertEntry(alert(1), at(9), "ann")
    over = AlertEntry(alert(2, ended=8, reason="its rule was removed"))
    history.record([AlertEntry(alert(1)), seen, over])
    assert history.flush()
    first = history.reader.alerts(limit=2)
    second = history.reader.alerts(limit=2, cursor=first.next)
    rows = [*first.rows, *second.rows]
    assert rows[1:] == [over, seen, told[0]]
    assert rows[0].alert.rule == odd
    assert second.next is None
    assert [entry.alert.fired_at.wall for entry in history.reader.firing_alerts()] == [
        at(0),
        at(1),
        at(5),
    ]
    assert history.reader.alerts(at(1), at(2)).rows == (seen,)


def test_silence_lasts_until_its_end(history):
    """A later one of the same rule and subject takes its place."""
    history.record(
        [Silence("cpu", "", at(60), at(0), "ann"), Silence("cpu", "k", at(9), at(0), "")]
    )
    history.record(Silence("cpu", "", at(30), at(5), "bob"))
    assert history.flush()
    assert history.reader.silences(at(20)) == (Silence("cpu", "", at(30), at(5), "bob"),)
    assert history.reader.silences(at(30)) == ()


def test_figures_are_kept_singly_and_by_the_minute(history):
    """For each metric and subject."""
    figures = [Figure(at(n), "disk_percent", "", float(n % 40)) for n in range(0, 120, 15)]
    history.record([*figures, Figure(at(1), "container_cpu_percent", "kato", 7.0)])
    assert history.flush()
    history.record(Figure(at(119), "disk_percent", "", -1.0))
    assert history.flush()
    assert history.reader.figures("disk_percent", "", at(0), at(110)) == tuple(figures)
    with history._store._engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT last, lowest, highest FROM figure_minutes WHERE metric = 'disk_percent' "
            "ORDER BY start"
        ).all()
    assert [tuple(row) for row in rows] == [(5.0, 0.0, 30.0), (-1.0, -1.0, 35.0)]


def test_outbox_waits_until_it_is_sent_or_given_up(history):
    """In the order in which it was filled."""
    entries = [OutboxEntry(f"n{n}", at(n), "ops", "{}") for n in range(4)]
    history.record(entries)
    history.record(replace(entries[0], attempts=1, sent_at=at(9)))
    history.record(replace(entries[1], attempts=9, given_up="refused: 404"))
    history.record(replace(entries[2], attempts=2))
    assert history.flush()
    assert history.reader.unsent() == (replace(entries[2], attempts=2), entries[3])


def test_file_of_the_first_version_gets_its_tables(tmp_path):
    """With a copy first, and nothing lost."""
    path = tmp_path / "h.db"
    history = open_history(path)
    history.record(event(1))
    assert history.flush()
    history.close()
    with sqlite3.connect(path) as old:
        for table in ("alerts", "silences", "figures", "figure_minutes", "outbox"):
            old.execute(f"DROP TABLE {table}")
        old.execute(
            "CREATE TABLE outbox (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, "
            "body TEXT NOT NULL, attempts INTEGER NOT NULL, sent_at INTEGER)"
        )
        old.execute("CREATE INDEX outbox_by_sent ON outbox (sent_at)")
        old.execute("PRAGMA user_version = 1")
    old.close()
    history = open_history(path)
    assert history.status.trouble is None
    history.record([AlertEntry(alert(1)), OutboxEntry("n", at(0), "ops", "{}")])
    assert history.flush()
    assert len(history.reader.events().rows) == len(history.reader.unsent()) == 1
    history.close()
    assert (tmp_path / "h.db.backup-v1").exists()
    assert schema.VERSION >= 2


def test_whether_an_alert_was_told_is_kept(tmp_path):
    """And of rows of a version that did not know it, it is taken as told."""
    path = tmp_path / "h.db"
    history = open_history(path)
    history.record([AlertEntry(alert(1), told=False), AlertEntry(alert(2))])
    assert history.flush()
    assert [entry.told for entry in history.reader.firing_alerts()] == [False, True]
    history.close()
    with sqlite3.connect(path) as old:
        old.execute("ALTER TABLE alerts DROP COLUMN told")
        old.execute("PRAGMA user_version = 2")
    old.close()
    history = open_history(path)
    assert history.status.trouble is None
    assert [entry.told for entry in history.reader.firing_alerts()] == [True, True]
    history.record(AlertEntry(alert(1), told=False))
    assert history.flush()
    assert [entry.told for entry in history.reader.firing_alerts()] == [False, True]
    history.close()
    assert (tmp_path / "h.db.backup-v2").exists()


def test_lapses_are_kept_with_figures(history):
    """Since when a figure is not known, and whether its subject is gone."""
    key = "container_cpu_percent", "kato"
    history.record([Figure(at(0), *key, 7.0), Lapse(at(3), *key), Figure(at(9), *key, 8.0)])
    history.record(Lapse(at(20), *key, is_gone=True))
    assert history.flush()
    (looks,) = history.reader.looks([key[0]], at(0), at(60))
    offsets = (looks.times - looks.times[0]) // 1_000_000
    assert [*offsets] == [0, 3, 9, 20]
    assert np.array_equal(looks.series[key], [7.0, np.nan, 8.0, np.nan], equal_nan=True)
    assert [*looks.gone[key]] == [looks.times[3]]


def test_file_that_knew_no_lapses_gets_them(tmp_path):
    """It has none."""
    path = tmp_path / "h.db"
    history = open_history(path)
    history.record(Figure(at(0), "disk_percent", "", 7.0))
    assert history.flush()
    history.close()
    with sqlite3.connect(path) as old:
        old.execute("DROP TABLE lapses")
        old.execute("PRAGMA user_version = 3")
    old.close()
    history = open_history(path)
    assert history.status.trouble is None
    history.record(Lapse(at(3), "disk_percent", ""))
    assert history.flush()
    (looks,) = history.reader.looks(["disk_percent"], at(0), at(60))
    assert len(looks.times) == 2
    history.close()
    assert (tmp_path / "h.db.backup-v3").exists()
