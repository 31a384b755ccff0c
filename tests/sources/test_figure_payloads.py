"""What upstream and its Redis say of themselves, read strictly."""

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kato_panel.domain.events import Service
from kato_panel.domain.upstream_figures import RedisFigures, WorkerMetrics
from kato_panel.errors import PayloadError
from kato_panel.sources import figure_payloads, payloads
from tests.conftest import Size
from tests.sources.test_payloads import JSON

RECORDED = Path(__file__).parents[1] / "recorded"
ODD = [None, True, "7", -1, float("inf"), float("nan"), 10**400, [3], {"n": 3}]


def recorded(name):
    text = (RECORDED / f"kato-3.10.1-2026-11-22-c584167-{name}.json").read_text(encoding="utf-8")
    return json.loads(text)["response"]["body"]


def test_recorded_health_is_read():
    """Beside the count."""
    told = figure_payloads.service(recorded("get_health"))
    assert told == Service("healthy", 34.99909329414368, ())


def test_recorded_metrics_are_read():
    """And kept as they are: they hold no secret."""
    body = recorded("get_metrics")
    told = figure_payloads.metrics(body)
    assert told == WorkerMetrics(
        requests=25.0,
        errors=0.0,
        requests_per_second=0.7012499423190999,
        response_seconds=0.002470674514770508,
        cpu_percent=0.0,
        memory_percent=2.8,
        disk_percent=24.4,
        body=body,
    )


@pytest.mark.parametrize("value", ODD)
def test_odd_figure_is_not_known(value):
    """The others still count."""
    body = recorded("get_metrics")
    body["performance"]["total_requests"] = body["resources"]["disk_percent"] = value
    told = figure_payloads.metrics(body)
    assert (told.requests, told.disk_percent, told.memory_percent) == (None, None, 2.8)
    assert figure_payloads.service({"uptime_seconds": value}).uptime_seconds is None
    info = {"used_memory": value, "maxmemory": value, "connected_clients": value}
    assert figure_payloads.redis_figures(info) == RedisFigures()


def test_percent_is_of_a_hundred():
    """What is beyond is a mistake, not a full disk."""
    body = {"resources": {"disk_percent": 100.1, "memory_percent": 100}}
    told = figure_payloads.metrics(body)
    assert (told.disk_percent, told.memory_percent) == (None, 100)


@pytest.mark.parametrize(
    "body", [{}, {"detail": "hello"}, {"performance": []}, {"resources": {"cpu_percent": "1"}}]
)
def test_body_without_any_figure_is_none_of_kato_s(body):
    """Somebody else answers there."""
    with pytest.raises(PayloadError, match="none of KATO's figures"):
        figure_payloads.metrics(body)


def test_words_are_bounded():
    """What upstream finds wrong is free text."""
    issues = ["x" * 999, 3, None, *("y" for _ in range(99))]
    told = figure_payloads.service({"status": "\ud800" + "s" * 999, "issues": issues})
    assert told.status == "?" + "s" * 63
    assert told.issues == ("x" * 200, *("y" for _ in range(7)))
    assert figure_payloads.service({"status": 3, "issues": "no"}) == Service()


def test_info_is_read():
    """No limit is no limit of 0."""
    info = {
        "used_memory": 1_234_567,
        "maxmemory": 0,
        "evicted_keys": 4,
        "connected_clients": 7,
        "redis_version": "7.0.15",
    }
    told = figure_payloads.redis_figures(info)
    assert told == RedisFigures(1_234_567, None, 4, 7, "7.0.15")
    assert figure_payloads.redis_figures({**info, "maxmemory": 8}).memory_limit_bytes == 8


@pytest.mark.parametrize("version", [7.2, "x", "7 <b>", "7" * 99])
def test_odd_version_is_not_known(version):
    """It is shown to people."""
    assert figure_payloads.redis_figures({"redis_version": version}).version is None


def test_no_body_breaks_the_reader(size: Size):
    """Every answer is read, or refused with a `PayloadError`."""
    n = size.n(120, 100_000)
    part = st.dictionaries(
        st.sampled_from(["total_requests", "total_errors", "cpu_percent", "disk_percent"]), JSON
    )
    body = st.dictionaries(
        st.sampled_from(["status", "uptime_seconds", "issues", "used_memory", "redis_version"]),
        JSON,
    ) | st.dictionaries(st.sampled_from(["performance", "resources", "rates", "x"]), part | JSON)

    @settings(max_examples=n)
    @given(st.binary(max_size=200) | (JSON | body).map(lambda value: json.dumps(value).encode()))
    def check(body):
        with contextlib.suppress(PayloadError):
            decoded = payloads.decode(body)
            figure_payloads.service(decoded)
            figure_payloads.redis_figures(decoded)
            told = figure_payloads.metrics(decoded)
            json.dumps(told.body, allow_nan=False, ensure_ascii=False).encode()

    check()
    size.record(
        "fuzzed bodies of figures", seed="derandomised", n=n, result="0 unhandled exceptions"
    )
