"""The engine's answers, as recorded from Podman and as Docker's reference has them."""

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kato_panel.domain.container_readings import Counters
from kato_panel.domain.containers import ContainerHealth, ContainerState, Of
from kato_panel.domain.roster import Roster
from kato_panel.errors import PayloadError
from kato_panel.sources import engine_payloads
from kato_panel.sources.engine_payloads import Listed
from tests.conftest import moment
from tests.sources.engine_records import DOCKER_V1, DOCKER_V2, PODMAN

KATO = Listed("a1", "kato", "kato:1", {}, ContainerState.RUNNING)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def figures_of(recorded):
    """What two looks at a recorded container come to, 3 s apart."""
    roster = Roster("docker")
    (listed,) = engine_payloads.containers(recorded["list"])
    has_network = engine_payloads.has_own_network(recorded["inspect"])
    for seconds, stats in zip((0, 3), recorded["stats"], strict=True):
        reading = engine_payloads.reading(listed, recorded["inspect"], moment(seconds))
        counters = engine_payloads.counters(stats, has_network=has_network)
        seen = roster.look(moment(seconds), [replace(reading, counters=counters)])
    return seen.containers[0]


def test_dockers_answers_under_cgroup_v1_give_known_figures():
    """1.5 s of processor time in 3 s, on four processors; 8 MiB of 64; over two devices."""
    figures = figures_of(DOCKER_V1)
    assert (figures.name, figures.image, figures.state) == ("kato", "kato:3.10.1", "running")
    assert (figures.health, figures.restarts) == (ContainerHealth.HEALTHY, 2)
    assert figures.cpu_percent == pytest.approx(50)
    assert (figures.cpu_share_percent, figures.cpu_of) == (pytest.approx(12.5), Of.HOST)
    assert (figures.memory_bytes, figures.memory_limit_bytes) == (8 << 20, 64 << 20)
    assert (figures.memory_percent, figures.memory_of) == (12.5, Of.LIMIT)
    assert (figures.rx_bytes, figures.tx_bytes) == (12_979, 4_338)
    assert (figures.rx_rate, figures.tx_rate) == (1_000, 1_000)
    assert (figures.read_bytes, figures.written_bytes) == (1_000, 5_600)
    assert (figures.read_rate, figures.written_rate) == (0, 1_200)


def test_dockers_answers_under_cgroup_v2_give_known_figures():
    """2.25 s of processor time in 3 s, of 1.5 processors; no limit of memory."""
    figures = figures_of(DOCKER_V2)
    assert (figures.health, figures.restarts) == (None, 0)
    assert figures.cpu_percent == pytest.approx(75)
    assert (figures.cpu_share_percent, figures.cpu_of) == (pytest.approx(50), Of.LIMIT)
    assert (figures.memory_bytes, figures.memory_of) == (7_864_320, Of.HOST)
    assert figures.memory_percent == pytest.approx(100 * 7_864_320 / (8 << 30))
    assert (figures.rx_rate, figures.tx_rate) == (100, 100)
    assert (figures.read_rate, figures.written_rate) == (0, 4_096)


def test_dockers_own_formula_gives_the_same():
    """As ``docker stats`` computes it, from the host's processor time."""
    for recorded in (DOCKER_V1, DOCKER_V2):
        first, second = (stats["cpu_stats"] for stats in recorded["stats"])
        used = second["cpu_usage"]["total_usage"] - first["cpu_usage"]["total_usage"]
        host = second["system_cpu_usage"] - first["system_cpu_usage"]
        percent = 100 * used / host * second["online_cpus"]
        assert figures_of(recorded).cpu_percent == pytest.approx(percent)


def test_podmans_recorded_answers_give_its_own_figures():
    """Its stream tells a percentage too; its host's time would give another."""
    (listed,) = engine_payloads.containers(PODMAN["list"])
    assert (listed.name, listed.state, listed.labels) == ("kato", ContainerState.RUNNING, {})
    roster, told, expected = Roster("docker"), [], []
    for number, stats in enumerate(PODMAN["stats_stream"]):
        counters = engine_payloads.counters(stats)
        at = moment(5 * number)
        reading = engine_payloads.reading(listed, {"State": {"Status": "running"}}, at)
        (figures,) = roster.look(at, [replace(reading, counters=counters)]).containers
        told.append(figures.cpu_percent)
        expected.append(stats["cpu_stats"]["cpu"])
        assert figures.memory_bytes == stats["memory_stats"]["usage"]
        assert (figures.read_bytes, figures.written_bytes, figures.cpus) == (None, None, 2)
    assert told[0] is None
    assert told[1:] == pytest.approx(expected[1:], rel=0.01)


@pytest.mark.parametrize("name", ["stats_stream_false", "stats_one_shot"])
def test_single_sample_is_read_without_the_one_before(name):
    """Podman's zeros in ``precpu_stats`` are nobody's figures."""
    counters = engine_payloads.counters(PODMAN[name])
    assert counters.cpu_seconds == pytest.approx(0.362, abs=0.001)
    assert counters.memory_limit_bytes == 25_276_510_208
    assert counters.rx_bytes == 0


def test_container_without_a_network_of_its_own_has_no_network_figures():
    """Podman tells zeros there, and Docker nothing."""
    counters = engine_payloads.counters(PODMAN["stats_one_shot"], has_network=False)
    assert (counters.rx_bytes, counters.tx_bytes) == (None, None)
    assert not engine_payloads.has_own_network({"HostConfig": {"NetworkMode": "host"}})
    assert engine_payloads.has_own_network({"HostConfig": {"NetworkMode": []}})
    assert engine_payloads.has_own_network(None)


@pytest.mark.parametrize(
    ("stats", "expected"),
    [
        ({}, Counters()),
        ({"cpu_stats": None, "memory_stats": [], "networks": 3, "blkio_stats": ""}, Counters()),
        ({"cpu_stats": {"online_cpus": 0, "cpu_usage": {"percpu_usage": None}}}, Counters()),
        ({"cpu_stats": {"online_cpus": 1 << 20}}, Counters()),
        ({"cpu_stats": {"cpu_usage": {"percpu_usage": [1, 2]}}}, Counters(cpus=2)),
        ({"cpu_stats": {"cpu_usage": {"total_usage": -1}}}, Counters()),
        ({"cpu_stats": {"cpu_usage": {"total_usage": True}}}, Counters()),
        ({"cpu_stats": {"cpu_usage": {"total_usage": 1 << 64}}}, Counters()),
        ({"memory_stats": {"usage": 5}}, Counters(memory_bytes=5)),
        ({"memory_stats": {"limit": 0}}, Counters()),
        ({"memory_stats": {"limit": 9_223_372_036_854_771_712}}, Counters()),
        (
            {"memory_stats": {"usage": 5, "stats": {"total_inactive_file": 9, "inactive_file": 2}}},
            Counters(memory_bytes=3),
        ),
        ({"memory_stats": {"usage": 5, "stats": {"inactive_file": 5}}}, Counters(memory_bytes=5)),
        ({"networks": {"a": {"rx_bytes": 5}, "b": {}}}, Counters()),
        ({"networks": {"a": {"rx_bytes": 5}, "b": {"rx_bytes": 6}}}, Counters(rx_bytes=11)),
        ({"blkio_stats": {"io_service_bytes_recursive": None}}, Counters()),
        ({"blkio_stats": {"io_service_bytes_recursive": [7]}}, Counters()),
        (
            {"blkio_stats": {"io_service_bytes_recursive": [{"op": "Read", "value": 7}]}},
            Counters(read_bytes=7),
        ),
        ({"blkio_stats": {"io_service_bytes_recursive": [{"op": "Read"}]}}, Counters()),
        ({"read": "0001-01-01T00:00:00Z"}, Counters()),
        ({"read": "1970-01-01T00:00:02.25Z"}, Counters(read_seconds=2.25)),
        ({"read": "1970-01-01T01:00:02+01:00"}, Counters(read_seconds=2.0)),
        ({"read": "2026-99-01T00:00:00Z"}, Counters()),
        ({"read": 7}, Counters()),
    ],
)
def test_missing_and_odd_counters_are_unknown(stats, expected):
    """One by one: the others still count."""
    assert engine_payloads.counters(stats) == expected


@pytest.mark.parametrize("answer", [None, [], "x", 3])
def test_what_is_no_object_is_no_answer(answer):
    """Neither figures nor a description."""
    with pytest.raises(PayloadError, match="figures of a container"):
        engine_payloads.counters(answer)
    with pytest.raises(PayloadError, match="has no State"):
        engine_payloads.reading(KATO, answer, moment(0))


def test_list_leaves_out_who_has_no_name():
    """And is an array, or no answer."""
    rows = [
        3,
        {"Id": "a1"},
        {"Id": 3, "Names": ["/a"]},
        {"Id": "", "Names": ["/a"]},
        {"Id": "a1", "Names": [3]},
        {"Id": "a1", "Names": ["/"]},
        {"Id": "a1", "Names": "kato"},
        {"Id": "b2", "Names": ["/other/alias", "/kato"], "State": "Running", "Labels": {"a": 3}},
        {"Id": "c3", "Names": ["/only/alias"], "State": "no word", "Image": ""},
    ]
    assert engine_payloads.containers(rows) == [
        Listed("b2", "kato", None, {}, ContainerState.RUNNING),
        Listed("c3", "only/alias", None, {}, ContainerState.UNKNOWN),
    ]
    with pytest.raises(PayloadError, match="list of containers is a JSON dict"):
        engine_payloads.containers({})


def test_hostile_name_is_a_text():
    """It is bounded, and can be encoded; nothing else is done to it here."""
    html, colour = "<img src=x onerror=alert(1)>", "\x1b[31mred"
    rows = [{"Id": "a", "Names": [name]} for name in (html, colour, "\ud800x", "n" * 1_000)]
    names = [one.name for one in engine_payloads.containers(rows)]
    assert names == [html, colour, "\ufffdx", "n" * 256]


def test_path_leads_nowhere_else():
    """Whatever an engine calls an id."""
    assert engine_payloads.stats_path("../../x?y#z") == "/containers/..%2F..%2Fx%3Fy%23z/stats"
    assert engine_payloads.container_path("a/b") == "/containers/a%2Fb/json"


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"Status": "exited", "ExitCode": 137}, (ContainerState.EXITED, 137)),
        ({"Status": "running", "ExitCode": 0}, (ContainerState.RUNNING, None)),
        ({"Status": "dead", "ExitCode": "x"}, (ContainerState.DEAD, None)),
        ({"Status": "configured"}, (ContainerState.CREATED, None)),
        ({"Status": "stopping"}, (ContainerState.RUNNING, None)),
        ({"Status": "gone"}, (ContainerState.RUNNING, None)),
        ({}, (ContainerState.RUNNING, None)),
    ],
)
def test_state_is_read_in_both_engines_words(state, expected):
    """What it does not say, the list does; an exit code is one of a run that is over."""
    reading = engine_payloads.reading(KATO, {"State": state}, moment(0))
    assert (reading.state, reading.exit_code) == expected


def test_description_is_read():
    """Its own name has a slash in front; the year 1 is never."""
    state = {
        "Status": "exited",
        "OOMKilled": True,
        "Health": {"Status": ""},
        "StartedAt": "0001-01-01T00:00:00Z",
        "FinishedAt": "2026-11-22T12:00:00Z",
    }
    answer = {"Name": "/new", "State": state, "RestartCount": -1, "HostConfig": {"Memory": 0}}
    reading = engine_payloads.reading(KATO, answer, moment(0))
    assert (reading.name, reading.image, reading.container_id) == ("new", "kato:1", "a1")
    assert (reading.started, reading.finished) == (None, moment(0).wall)
    assert (reading.was_oom_killed, reading.health, reading.restarts) == (True, None, None)
    assert reading.has_memory_limit is False
    bare = engine_payloads.reading(KATO, {"State": {"OOMKilled": "yes"}}, moment(0))
    assert (bare.name, bare.was_oom_killed, bare.has_memory_limit) == ("kato", None, None)


@pytest.mark.parametrize(
    ("host", "limit"),
    [
        ({}, None),
        ({"NanoCpus": 0, "CpuQuota": -1, "CpusetCpus": ""}, None),
        ({"NanoCpus": 1_500_000_000}, 1.5),
        ({"NanoCpus": 500_000_000, "CpuQuota": 50_000, "CpuPeriod": 100_000}, 0.5),
        ({"CpuQuota": 25_000, "CpuPeriod": 50_000}, 0.5),
        ({"CpuQuota": 25_000, "CpuPeriod": 0}, 0.25),
        ({"CpusetCpus": "0-2,7"}, 4.0),
        ({"CpusetCpus": "3-1"}, None),
        ({"CpusetCpus": "0,x"}, None),
        ({"CpusetCpus": "1", "NanoCpus": 2_000_000_000}, 1.0),
    ],
)
def test_processor_limit_is_the_least_of_all(host, limit):
    """By share of time, and by which processors; a quota of -1 is none."""
    answer = {"State": {}, "HostConfig": host}
    assert engine_payloads.reading(KATO, answer, moment(0)).cpu_limit == limit


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"message": "no\\u001bway"}', "no\\x1bway"),
        (b'{"message": 3}', ""),
        (b"[]", ""),
        (b"<html>", ""),
        (b"\xff", ""),
        (b"[" * 100_000, ""),
        (b'{"message": NaN}', ""),
    ],
)
def test_refusal_is_read_where_there_is_one(body, words):
    """It is printable and short."""
    assert engine_payloads.refusal(body) == words


@given(JSON)
def test_no_answer_breaks_the_reading(answer):
    """It is read, or it is no answer."""
    for read in (
        engine_payloads.containers,
        engine_payloads.counters,
        lambda one: engine_payloads.reading(KATO, one, moment(0)),
        lambda one: engine_payloads.reading(KATO, {"State": one, "HostConfig": one}, moment(0)),
    ):
        with contextlib.suppress(PayloadError):
            read(answer)
