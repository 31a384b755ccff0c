"""The figures for Prometheus, read by its own parser and held against what is true."""

import asyncio
from importlib.metadata import version
from types import SimpleNamespace

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from kato_panel.domain.alert_book import AlertBoard
from kato_panel.domain.events import Moment
from kato_panel.domain.health import Health, SourceState
from kato_panel.domain.rules import Rule, RuleState, Stage
from kato_panel.domain.snapshot import SessionSnapshot
from kato_panel.domain.surroundings import Surroundings
from kato_panel.domain.tally import LIFETIME_SECONDS
from kato_panel.hub import Hub
from kato_panel.simulator import EmbeddedSimulator
from kato_panel.watcher import now
from tests.asking import asking, still_runtime
from tests.directory_rig import KATO_AWAY, running
from tests.following import Caller, Reader
from tests.server.test_service import service_in_thread
from tests.sources.redis_rig import RedisRig, Writer

PREFIX = "kato_panel_"


def parsed(text):
    """Each sample's value, by its name and its labels' values."""
    samples = {}
    for family in text_string_to_metric_families(text):
        assert family.name.startswith(PREFIX)
        assert family.documentation
        for sample in family.samples:
            key = (sample.name.removeprefix(PREFIX), *sample.labels.values())
            assert key not in samples
            samples[key] = sample.value
    return samples


async def read(client):
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return parsed(answer.text)


def names(samples):
    return {key[0] for key in samples}


async def test_nothing_is_known_before_the_start():
    """No sample is 0 for want of knowledge."""
    async with asking(still_runtime(tally=None)) as client:
        assert names(await read(client)) == {"info"}


async def test_what_is_stale_has_no_sample():
    """A gap in the graph; the source's own figures say why."""
    at = now()
    before = Moment(at.wall, at.tick - 60)
    http = SourceState("http", "KATO", Health.DOWN, before, 5, "no answer")
    hub = Hub()
    hub.publish(
        SessionSnapshot(before, 7, 9, at=before, drift=2, stale_after_seconds=9, sources=(http,)),
        (),
    )
    async with asking(still_runtime(hub=hub, tally=None)) as client:
        samples = await read(client)
    assert names(samples) == {"info", "source_up", "source_age_seconds"}
    assert samples["source_up", "http"] == 0
    assert samples["source_age_seconds", "http"] == pytest.approx(60, abs=5)


async def test_sources_that_do_not_run_have_no_sample():
    """Nor those of which nothing is known yet."""
    states = [
        SourceState("http", "KATO"),
        SourceState("stream", "Stream", Health.OFF, now()),
        SourceState("redis", "Redis", Health.DEGRADED, now(), 1),
    ]
    hub = Hub()
    hub.publish(SessionSnapshot(now(), sources=tuple(states)), ())
    async with asking(still_runtime(hub=hub, tally=None)) as client:
        samples = await read(client)
    told = {key[1] for key in samples if key[0].startswith("source_")}
    assert told == {"redis"}
    assert samples["source_up", "redis"] == 0


async def test_rules_are_counted_by_their_state():
    """No label holds what others choose; where nothing is judged there is none."""
    rule = Rule("down", "source_down", ">=", 1)
    states = tuple(
        RuleState(rule, name, stage, 1.0, now())
        for name, stage in (("a", Stage.FIRING), ("b", Stage.FIRING), ("c", Stage.NO_DATA))
    )
    hub = Hub()
    async with asking(still_runtime(hub=hub, tally=None)) as client:
        assert "alerts" not in names(await read(client))
        hub.publish(None, (), None, Surroundings(alerts=AlertBoard(1, states, (rule,))))
        samples = await read(client)
    told = {key[1:]: value for key, value in samples.items() if key[0] == "alerts"}
    assert told == {
        ("down", "firing"): 2,
        ("down", "inactive"): 0,
        ("down", "no data"): 1,
        ("down", "pending"): 0,
    }


async def test_figures_are_the_truth_without_redis():
    """After births and deletes: count, churn, polls; what nobody can know is absent."""
    with (
        EmbeddedSimulator(rate=0, initial=5) as simulator,
        running(simulator.url) as runtime,
    ):
        runtime.reader.until(lambda seen: seen.link == "live")
        # What is named right after the first count may be in it.
        runtime.reader.until(lambda _: sum(runtime.tally.tallied.polls.counts) >= 2)
        caller = Caller(simulator.url)
        made = [caller.create() for _ in range(7)]
        for session_id in made[:3]:
            caller.delete(session_id)
        runtime.reader.until(lambda seen: seen.active == 9 and len(seen.names()) == 10)
        async with asking(runtime) as client:
            samples = await read(client)
            assert samples["sessions_active",] == caller.health_count() == 9
            assert samples["sessions_created_total",] == 7
            assert samples["sessions_ended_total", "deleted"] == 3
            assert samples["sessions_ended_total", "unknown"] == 0
            assert samples["source_up", "http"] == samples["source_up", "stream"] == 1
            assert samples["poll_duration_seconds_count",] >= 1
            assert samples["poll_duration_seconds_bucket", "+Inf"] >= 1
            assert samples["info", "false", version("kato-panel")] == 1
            unknown = {"sessions_drift", "session_lifetime_seconds_count", "visits", "ws_clients"}
            assert not names(samples) & (unknown | {"ws_dropped_total"})
            assert ("sessions_ended_total", "expired") not in samples


async def test_figures_are_the_truth_with_redis(tmp_path):
    """After births, deletes and expiries, by reason, with the lifetimes; under load, exactly."""
    rig = RedisRig(tmp_path)
    writer = Writer(rig)
    kept = writer.create()
    try:
        with running(KATO_AWAY, rig.url) as runtime:
            runtime.reader.until(lambda seen: seen.active == 1)
            made = [writer.create() for _ in range(300)]
            for session_id in made[:120]:
                writer.delete(session_id)
            for _ in range(40):
                writer.create(ttl_seconds=0.05)
            count = 1 + 300 - 120
            runtime.reader.until(lambda seen: (seen.active, seen.snapshot.drift) == (count, 40))
            async with asking(runtime) as client:
                samples = await read(client)
            writer.delete(kept)
    finally:
        writer.close()
        rig.kill()
    ended = {reason: samples["sessions_ended_total", reason] for reason in ("deleted", "expired")}
    assert ended == {"deleted": 120, "expired": 40}
    assert samples["sessions_ended_total", "evicted"] == 0
    assert samples["sessions_active",] == count
    assert samples["sessions_created_total",] == 340
    assert samples["session_lifetime_seconds_count",] == 160
    assert samples["session_lifetime_seconds_bucket", f"{LIFETIME_SECONDS[-1]:g}"] == 160
    assert 0 < samples["session_lifetime_seconds_sum",] < 160 * 60
    assert samples["source_up", "redis"] == 1
    assert ("sessions_reported",) not in samples


async def test_clients_of_the_feed_are_told_where_there_is_one():
    """As it counts them."""
    feed = SimpleNamespace(clients=3, dropped=2)
    async with asking(still_runtime(tally=None), feed=feed) as client:
        samples = await read(client)
    assert samples["ws_clients",] == 3
    assert samples["ws_dropped_total",] == 2


async def test_lag_of_the_server_s_loop_is_measured_once_somebody_asks():
    """Its first turn ends after the first answer."""
    async with asking(still_runtime(tally=None)) as client:
        assert ("loop_lag_seconds", "server") not in await read(client)
        samples = {}
        async with asyncio.timeout(20):
            while ("loop_lag_seconds", "server") not in samples:
                samples = await read(client)
    assert 0 <= samples["loop_lag_seconds", "server"] < 60


def test_open_pages_are_counted(chromium):
    """One with its socket; one that was loaded and is gone counts no more."""
    with (
        EmbeddedSimulator(rate=0, initial=5) as simulator,
        service_in_thread(simulator.url) as box,
    ):
        url, reader = box["service"].url, Reader(box["service"].runtime.hub)

        def visits():
            text = httpx.get(url.removesuffix("/app") + "/metrics", trust_env=False).text
            return parsed(text)["visits",]

        assert visits() == 0
        context = chromium.new_context()
        tab = context.new_page()
        tab.goto(url)
        tab.wait_for_selector('[data-figure="active"]')
        assert visits() == 1
        context.close()
        reader.until(lambda _: visits() == 0)
