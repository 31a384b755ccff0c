"""What the live service answers, held against its own OpenAPI document."""

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from kato_panel.simulator import EmbeddedSimulator
from tests.service import ServiceProcess

CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture
def service(tmp_path):
    """In a process of its own, with everything allowed that can be."""
    place = {"KATO_PANEL_HISTORY_URL": f"sqlite:///{tmp_path}/history.db"}
    with EmbeddedSimulator(rate=5, initial=30) as simulator:
        flags = ("--kato-url", simulator.url, "--allow-actions")
        service = ServiceProcess(tmp_path, *flags, **place)
        yield service
        assert service.end() == 0
    assert "Traceback" not in service.log.read_text()


def takes_something(operation):
    """Whether there is something that can be wrong."""
    told = operation.definition.raw
    return "parameters" in told or "requestBody" in told


def test_answers_are_as_the_document_says(service, size):
    """To what it allows and to what it does not: no 5xx but the 503 in words, no other body."""
    cases = size.n(100, 2_000)
    document = httpx.get(f"{service.base}/api/v1/openapi.json", trust_env=False).json()
    schema = schemathesis.openapi.from_dict(document)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == sum(map(len, document["paths"].values()))
    seen = []

    with requests.Session() as session:
        session.trust_env = False

        def answers(case):
            answer = case.call(base_url=service.base, session=session)
            assert answer.status_code < 500 or answer.status_code == 503
            case.validate_response(answer, checks=CHECKS)
            seen.append((case.operation.label, answer.status_code))

        for operation in operations:
            if not takes_something(operation):
                answers(operation.Case())
        takers = list(filter(takes_something, operations))
        each = -(-cases // len(takers))
        trial = settings(max_examples=each, database=None, suppress_health_check=list(HealthCheck))
        for operation in takers:
            modes = [operation.as_strategy(generation_mode=mode) for mode in GenerationMode]
            trial(given(st.one_of(modes))(answers))()
    statuses = {status for _, status in seen}
    assert {label for label, _ in seen} == {operation.label for operation in operations}
    assert {200, 422} <= statuses
    size.record(
        "Requests made of the OpenAPI document against the live service",
        seed="derandomized",
        n=len(seen),
        result=f"0 undocumented answers; statuses {', '.join(map(str, sorted(statuses)))}",
    )
