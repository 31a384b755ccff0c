"""The object of notebooks and scripts."""

import asyncio
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pandas as pd
import pytest
from bokeh.document import Document
from pandas.testing import assert_frame_equal
from panel.io.state import set_curdoc

from kato_panel import Monitor, churn, open_history
from kato_panel import runtime as runtimes
from kato_panel.config import load
from kato_panel.errors import ConfigError
from kato_panel.history import Reader
from kato_panel.hub import MAX_KEPT_EVENTS
from kato_panel.simulator import EmbeddedSimulator
from tests.following import Caller
from tests.history.making import at, event


@pytest.fixture
def simulator():
    with EmbeddedSimulator(rate=0, initial=5) as simulator:
        yield simulator


def until(monitor, is_enough):
    """Wait for a change of the models."""
    changed = threading.Event()
    watcher = monitor.event_log.param.watch(lambda _: changed.set(), "events")
    for _ in range(40):
        if is_enough():
            break
        changed.wait(0.25)
        changed.clear()
    monitor.event_log.param.unwatch(watcher)
    assert is_enough()


def settle(monitor):
    """Wait for the stream, and for what may be told just after the baseline and be in it."""
    until(monitor, lambda: monitor.connection.state == "live")
    threading.Event().wait(1)


def test_monitor_knows_the_count_and_ends_all_it_began(simulator):
    """As a context manager, in a script without a loop."""
    before = threading.active_count()
    with Monitor(simulator.url) as monitor:
        assert monitor.wait()
        assert monitor.summary.active == 5
        assert monitor.connection.state == "polling"
    assert not monitor.is_running
    monitor.stop()
    assert threading.active_count() == before


def test_events_and_counts_are_frames(simulator):
    """With documented columns and kinds."""
    caller = Caller(simulator.url)
    with Monitor(simulator.url, stream=True, interval_seconds=0.5) as monitor:
        assert monitor.wait()
        settle(monitor)
        session_id = caller.create("planner-7")
        caller.delete(session_id)
        until(monitor, lambda: len(monitor.events()) == 2)
        events = monitor.events()
        assert list(events["kind"]) == ["session_created", "session_destroyed"]
        assert list(events["delta"]) == [1, 1]
        assert events["session_ids"].iloc[0] == [session_id]
        assert list(events["reason"]) == [None, "deleted"] or events["reason"].isna().iloc[0]
        assert len(monitor.events(since=timedelta(hours=1))) == 2
        assert len(monitor.events(since=datetime.now(UTC) + timedelta(hours=1))) == 0
        until(monitor, lambda: len(monitor.counts()) >= 1)
        assert monitor.counts()["active"].iloc[-1] >= 5


def test_rates_without_a_history_are_of_what_was_watched(simulator):
    """A chart of a day or a week begins before it, at a whole minute or more."""
    began = datetime.now(UTC)
    for how in ({"history": "off"}, {}):
        monitor = Monitor(simulator.url, stream=True, interval_seconds=0.5, **how).start()
        assert monitor.wait()
        settle(monitor)
        Caller(simulator.url).create("planner-7")
        until(monitor, lambda: len(monitor.events()) == 1)  # noqa: B023 - at once
        told = monitor.events().index[0].timestamp()
        until(
            monitor,
            lambda: [one for one in monitor.chart.series.values() if one.until > told],  # noqa: B023
        )
        monitor.stop()
        found = churn(monitor)
        assert began < found.since < found.until < datetime.now(UTC)
        assert found.total.arrivals[0] == 1


def test_empty_frames_have_their_columns_and_kinds():
    """So that code written on them works before anything happened."""
    monitor = Monitor("http://127.0.0.1:1")
    events, counts = monitor.events(), monitor.counts()
    for frame in (events, counts):
        assert isinstance(frame.index, pd.DatetimeIndex)
        assert (frame.index.name, str(frame.index.tz)) == ("time", "UTC")
        assert frame.empty
    assert {name: str(kind) for name, kind in events.dtypes.items()} == {
        "kind": "category",
        "delta": "Int64",
        "previous": "Int64",
        "current": "Int64",
        "source": "category",
        "reason": "category",
        "session_ids": "object",
        "node_ids": "object",
        "after_gap_seconds": "Float64",
    }
    assert str(counts["active"].dtype) == "Int64"


def test_frames_of_a_monitor_are_those_of_its_history(simulator, tmp_path):
    """Whether they are asked for here, or of the file."""
    caller = Caller(simulator.url)
    place = tmp_path / "h.db"
    with Monitor(simulator.url, stream=True, interval_seconds=0.5, history=place) as monitor:
        assert monitor.wait()
        settle(monitor)
        caller.create("planner-7")
        until(monitor, lambda: len(monitor.events()) == 1)
        with open_history(place) as opened:
            for name in ("sessions", "events", "alerts", "containers", "gaps"):
                assert_frame_equal(getattr(monitor, name)(), getattr(opened, name)())
            assert monitor.watched() == opened.watched() == (None, None)
        assert monitor.counts()["active"].tolist()[-1] == 6
        assert len(monitor.events(node="planner-7")) == 1
        assert monitor.events(node="planner-8").empty
        # What is heard after the newest look is of the next range.
        until(monitor, lambda: churn(monitor).total.arrivals[0] == 1)
        assert churn(monitor).total.is_lower_bound


def test_events_in_memory_are_complete_from_the_oldest_once_some_were_given_up():
    """The count is known from before."""
    monitor = Monitor("http://127.0.0.1:1")
    for kept, since in ((MAX_KEPT_EVENTS - 1, None), (MAX_KEPT_EVENTS, at(1))):
        monitor.event_log.begin(tuple(event(n, n) for n in range(1, kept + 1)))
        assert monitor.events_since() == since


def test_without_a_history_memory_is_all_there_is(simulator, caplog):
    """Switched off, or where it cannot be read."""
    caller = Caller(simulator.url)
    with Monitor(simulator.url, stream=True, interval_seconds=0.5, history="off") as monitor:
        assert monitor.wait()
        settle(monitor)
        caller.create("planner-7")
        until(monitor, lambda: len(monitor.events()) == 1)
        assert len(monitor.events(node="planner-7")) == 1
        assert monitor.events(until=timedelta(hours=1)).empty
        until(monitor, lambda: 6 in monitor.counts(timedelta(minutes=1))["active"].tolist())
        assert monitor.watched() == (None, None)
        for name in ("sessions", "alerts", "containers", "gaps"):
            assert getattr(monitor, name)().empty
    with Monitor(simulator.url) as monitor:
        monitor._runtime.history.reader = Reader(None, "the disk is away")
        assert monitor.sessions().empty
    assert "the history cannot be read, what is in memory is given: the disk is" in caplog.text


def test_time_without_a_zone_is_refused(simulator):
    """Which hour it means, nobody knows."""
    monitor = Monitor(simulator.url)
    with pytest.raises(ValueError, match="must have a time zone"):
        monitor.events(since=datetime(2026, 1, 1))  # noqa: DTZ001 - the point


def test_wrong_address_is_refused_in_words():
    """As everywhere."""
    with pytest.raises(ConfigError, match="KATO_API_URL is 'kato'"):
        Monitor("kato")
    with pytest.raises(ConfigError, match=r"must be a number from 0\.5 to 60"):
        Monitor("http://kato", interval_seconds=0)


def test_cell_that_is_run_again_replaces_its_monitor(simulator):
    """No thread and no watcher is left of the former."""
    before = threading.active_count()
    for _ in range(3):
        monitor = Monitor(simulator.url).start()
        assert monitor.wait()
        ours = [one.name for one in threading.enumerate() if one.name.startswith("kato-panel")]
        assert sorted(ours) == ["kato-panel-history", "kato-panel-models", "kato-panel-watcher"]
    monitor.stop()
    with pytest.raises(RuntimeError, match="make another one"):
        monitor.start()
    assert threading.active_count() == before


def test_view_that_is_asked_for_again_replaces_the_former(simulator):
    """The models have one follower, however often the cell is run; the former says it is over."""
    with Monitor(simulator.url) as monitor:
        monitor.wait()
        views = [monitor.view() for _ in range(3)]
        for view in views:
            view.__panel__().get_root()
        watchers = monitor.models._param__private.watchers["revision"]["value"]
        assert len(watchers) == 1
        assert '"active_count": 5' in views[-1].__panel__().payload
        assert '"over": true' in views[0].__panel__().payload
        assert '"over": false' in views[-1].__panel__().payload
    assert '"over": true' in views[-1].__panel__().payload


def test_monitors_of_the_same_settings_share_one_watcher(simulator):
    """Who comes later finds what was seen before; the last to leave ends it."""
    settings = load({"KATO_API_URL": simulator.url, "KATO_PANEL_STREAM": "off"})
    runtime = runtimes.share(settings)
    assert runtimes.share(settings) is runtime
    runtimes.leave(runtime)
    assert runtime.trouble is None
    with Monitor(simulator.url) as monitor:
        assert monitor._runtime is runtime
        runtimes.leave(runtime)
        assert runtime.trouble is None
    assert runtime.trouble == "the watcher is not running"


def test_cell_that_is_run_again_keeps_what_was_seen(simulator):
    """The former monitor ends, the watching goes on."""
    first = Monitor(simulator.url).start()
    assert first.wait()
    with Monitor(simulator.url) as again:
        assert not first.is_running
        assert first._runtime is again._runtime
        assert again.summary.active == 5


def test_waiting_for_what_does_not_run_is_refused(simulator):
    """It would wait for ever."""
    with pytest.raises(RuntimeError, match="not running"):
        Monitor(simulator.url).wait()


async def test_models_change_on_the_loop_of_their_user(simulator):
    """As in a notebook: between cells, where its callbacks may do anything."""
    where, changed = [], asyncio.Event()

    def note(_):
        where.append(threading.current_thread())
        changed.set()

    with Monitor(simulator.url) as monitor:
        monitor.summary.param.watch(note, "active")
        async with asyncio.timeout(10):
            await changed.wait()
    assert where == [threading.main_thread()]


async def test_monitor_of_a_page_changes_in_its_turns_and_ends_with_its_visit(simulator):
    """And leaves the monitor of another visit alone."""
    pages = [Document(), Document()]
    for page in pages:
        context = SimpleNamespace(destroyed=False)
        page._session_context = lambda context=context: context
    asked = asyncio.Event()
    pages[0].add_next_tick_callback = lambda _: asked.set()
    monitors = []
    for page in pages:
        with set_curdoc(page):
            monitors.append(Monitor(simulator.url).start())
    assert [monitor.is_running for monitor in monitors] == [True, True]
    async with asyncio.timeout(10):
        await asked.wait()
    for end in pages[0].callbacks.session_destroyed_callbacks:
        end(None)
    assert [monitor.is_running for monitor in monitors] == [False, True]
    monitors[1].stop()


def test_broken_callback_of_a_user_does_not_break_the_watching(simulator, caplog):
    """It is told, and upstream stays watched."""
    with Monitor(simulator.url, interval_seconds=0.5) as monitor:
        assert monitor.wait()

        def break_(_):
            raise ValueError("broken on purpose")

        monitor.summary.param.watch(break_, "active")
        for _ in range(2):
            before = monitor.summary.active
            Caller(simulator.url).create()
            until(monitor, lambda before=before: monitor.summary.active == before + 1)
        assert monitor._runtime.trouble is None
    assert "a callback on the models broke" in caplog.text


def test_it_says_what_it_is(simulator):
    """Before, while and after; and for the eye in a notebook."""
    monitor = Monitor(simulator.url)
    assert "not running" in repr(monitor)
    with monitor:
        monitor.wait()
        assert repr(monitor) == f"<Monitor of {simulator.url}: 5 sessions, polling>"
        assert "<td>5</td>" in monitor._repr_html_()


def test_importing_it_loads_no_panel():
    """Who only watches pays for no view."""
    code = "import sys; from kato_panel import Monitor; print('panel' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
