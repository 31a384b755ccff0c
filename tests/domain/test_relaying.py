"""What may be handed on of a body from outside."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kato_panel.domain.relaying import MAX_ITEMS, relayable
from tests.sources.test_payloads import JSON

CANARY = "canary7f3a"


@pytest.mark.parametrize(
    "name",
    [
        *("password", "redis_password", "PASSWD", "dbPwd", "secret", "clientSecret", "credentials"),
        *("token", "authToken", "access-token", "api_key", "apiKey", "privateKey", "Authorization"),
        *("cookie", "sentry_dsn", "auth"),
    ],
)
def test_what_is_named_as_a_secret_is_not_handed_on(name):
    """Whatever it is, and however deep."""
    for value in (CANARY, [CANARY], {"x": CANARY}, 12345):
        assert relayable({"a": [{name: value}]}) == {"a": [{name: None}]}


@pytest.mark.parametrize(
    "text",
    [
        f"redis://:{CANARY}@redis:6379/0",
        f"see redis://user:{CANARY}@redis",
        f"http://{CANARY}@kato:8000/",
        f"redis://u:{CANARY}/with/slash@redis",
        f"Bearer {CANARY}",
        f"password={CANARY}",
        f"api_key : {CANARY}",
        f"?access_token={CANARY}",
    ],
)
def test_text_that_holds_a_secret_is_not_handed_on(text):
    """As an address with a password does."""
    assert relayable({"error": text, "list": [text]}) == {"error": None, "list": [None]}


def test_what_holds_none_stays_as_it_is():
    """Names and texts that only look a little like one, too."""
    body = {
        "max_tokens": 5,
        "tokenizer": "x",
        "keys": 3,
        "monkey": "b",
        "author": "c",
        "url": "http://kato:8000/sessions",
        "mail": "a@b",
        "deep": [{"ok": True, "none": None, "part": 0.5}],
    }
    assert relayable(body) == body


def test_numbers_that_not_every_reader_takes_are_not_known():
    """1e999 is legal JSON, and is read as infinity."""
    body = json.loads('{"a": 1e999, "b": -1e999, "c": 9007199254740992, "d": 9007199254740991}')
    assert relayable(body) == {"a": None, "b": None, "c": None, "d": 9007199254740991}


def test_what_is_long_wide_or_deep_is_cut():
    """A body of 1 MiB does not become one of every frame."""
    assert relayable({"a": "x" * 10_000, "b" * 999: 1}) == {"a": "x" * 200, "b" * 200: 1}
    assert len(relayable({str(at): at for at in range(10_000)})) == MAX_ITEMS
    assert len(relayable({"a": [0] * 10_000})["a"]) == MAX_ITEMS - 1
    deep = body = {}
    for _ in range(100):
        body["a"] = body = {}
    assert len(json.dumps(relayable(deep))) < 100
    assert relayable({"a": [[[[[[[[[[[1]]]]]]]]]]]})["a"] != []


@settings(max_examples=40)
@given(st.dictionaries(st.text(), JSON))
def test_copy_can_always_be_written(body):
    """As JSON without infinities, in UTF-8."""
    json.dumps(relayable(body), allow_nan=False, ensure_ascii=False).encode()
