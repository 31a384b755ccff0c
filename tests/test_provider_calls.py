"""What is asked of a login provider, over real sockets; and whatever it may answer."""

import hashlib
import json
import logging
from base64 import urlsafe_b64encode
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from kato_panel.domain.identity import Identity
from kato_panel.errors import PayloadError, SourceError, SourceUnavailable
from kato_panel.provider_calls import LoginProvider
from kato_panel.providers import GITHUB, Provider, choose_provider
from kato_panel.sources.calls import Answer, KatoCalls
from tests.openid_provider import KEY, SECRET, OpenidProvider

VERIFIER = "a-verifier-that-is-long-enough-for-the-standard"
BACK = "http://127.0.0.1:5006/login/callback"


@pytest.fixture
def provider():
    with OpenidProvider() as provider:
        yield provider


def asking(provider, key=KEY, secret=SECRET, **other):
    chosen = choose_provider("generic", json.dumps({**provider.params, **other}))
    return LoginProvider(chosen, key, secret, deadline_seconds=0.5)


def question(asked, nonce="n"):
    challenge = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
    return asked.address(state="s", nonce=nonce, challenge=challenge, redirect_uri=BACK)


def bring(provider, asked, nonce="n"):
    """Come back with a code."""
    back = provider.approve(urlsplit(question(asked, nonce)).query)
    return dict(parse_qsl(urlsplit(back).query))["code"]


async def identify(asked, code, verifier=VERIFIER, nonce="n", redirect_uri=BACK):
    return await asked.identify(
        code=code, verifier=verifier, nonce=nonce, redirect_uri=redirect_uri
    )


async def test_code_tells_who_somebody_is(provider):
    """Once; with the verifier, and with our secret where only the provider reads it."""
    asked = asking(provider)
    code = bring(provider, asked)
    seen = await identify(asked, code)
    assert seen == Identity(("anna@example.org",), ("example.org",))
    (_, path, _, form), (*_, headers, _) = provider.seen
    assert (path, form["code_verifier"]) == ("/token/", VERIFIER)
    assert SECRET not in str(form)
    assert headers["Authorization"].startswith("Bearer ")
    with pytest.raises(PayloadError, match="the code is refused: 'invalid_grant'"):
        await identify(asked, code)


@pytest.mark.parametrize("wrong", ["verifier", "redirect_uri", "nonce"])
async def test_code_alone_is_worth_nothing(provider, wrong):
    """Whoever has caught it lacks the rest."""
    asked = asking(provider)
    with pytest.raises(PayloadError):
        await identify(asked, bring(provider, asked), **{wrong: f"http://{wrong}"})


@pytest.mark.parametrize("step", ["token", "user"])
@pytest.mark.parametrize(
    "fault", [500, 404, 302, 204, "garbage", "list", "empty", "huge", "deep", "hang", "redirect",
              "gzip"],
)  # fmt: skip
async def test_whatever_is_answered_it_is_nobody(provider, step, fault):
    """In time, in bounds, and without a word of the code, the token or the secret."""
    asked = asking(provider)
    code = bring(provider, asked)
    provider.faults[step] = fault
    with pytest.raises(SourceError) as caught:
        await identify(asked, code)
    for secret in (code, SECRET, VERIFIER, *provider.tokens):
        assert secret not in str(caught.value)
    assert not any(path == "/elsewhere" for _, path, *_ in provider.seen)


@pytest.mark.parametrize(
    ("granted", "words"),
    [
        ({"access_token": None}, "no access_token"),
        ({"access_token": ""}, "no access_token"),
        ({"access_token": "a b"}, "no access_token"),
        ({"access_token": "a\r\nX: y"}, "no access_token"),
        ({"access_token": "x" * 20_000}, "no access_token"),
        ({"token_type": "mac"}, "token_type must be bearer"),
        ({"token_type": None}, "token_type must be bearer"),
        ({"id_token": None}, "id_token is no token"),
        ({"error": "bad_verification_code"}, "the code is refused: 'bad_verification_code'"),
        ({"error": {"a": ["\x1b[31m" * 99]}}, "the code is refused"),
        ({"access_token": "another"}, "answered 401"),
    ],
)
async def test_odd_grant_is_none(provider, granted, words):
    """Down to its header."""
    asked = asking(provider)
    provider.granted = granted
    with pytest.raises(PayloadError, match=words) as caught:
        await identify(asked, bring(provider, asked))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "claims", [{"iss": "https://evil.example"}, {"aud": "other"}, {"exp": 1}, {"sub": "2"}]
)
async def test_id_token_has_to_be_the_answer(provider, claims):
    """Of this provider, for us, now, and about whom it tells."""
    asked = asking(provider)
    provider.claims = claims
    with pytest.raises(PayloadError, match="id_token is"):
        await identify(asked, bring(provider, asked))


async def test_provider_without_an_issuer_needs_no_id_token(provider):
    """OAuth alone tells by its users' address; no nonce is sent then."""
    chosen = choose_provider(
        "generic",
        json.dumps({key: url for key, url in provider.params.items() if key != "issuer"}),
    )
    asked = LoginProvider(chosen, KEY, SECRET)
    assert "nonce" not in question(asked)
    provider.granted = {"id_token": "x"}
    assert (await identify(asked, bring(provider, asked))).names == ("anna@example.org",)


async def test_mails_are_asked_for_where_they_stand_apart(provider, monkeypatch):
    """As GitHub has them; its secret goes in the form."""
    seen = []
    bodies = {
        "/login/oauth/access_token": b'{"access_token": "t", "token_type": "bearer"}',
        "/user": b'{"login": "Anna"}',
        "/user/emails": b'[{"email": "a@b.example", "verified": true}]',
    }

    async def answer(self, method, path, *, form=None, **how):
        seen.append(form)
        return Answer(200, bodies[path])

    monkeypatch.setattr(KatoCalls, "call", answer)
    asked = LoginProvider(GITHUB, KEY, SECRET)
    assert (await identify(asked, "code")).names == ("anna", "a@b.example")
    assert seen[0]["client_secret"] == SECRET
    for odd in (b"{}", b"<", b"[" * 100_000):
        bodies["/user/emails"] = odd
        with pytest.raises(PayloadError, match="the list of mails"):
            await identify(asked, "code")


async def test_probe_tells_a_wrong_secret_from_a_wrong_code(provider):
    """Without anybody having logged in, and without changing anything."""
    assert await asking(provider).probe(BACK) == []
    with pytest.raises(PayloadError, match="refuses the key, or the secret"):
        await asking(provider, secret="another").probe(BACK)
    odd = await asking(provider, user_url=f"{provider.url}/nothing").probe(BACK)
    assert odd == ["its users' address answers 404 to a wrong token"]
    provider.faults["token"] = "empty"
    assert await asking(provider).probe(BACK) == ["its token's address refuses no wrong code"]


async def test_who_does_not_answer_is_named():
    """By host and port."""
    nowhere = Provider("X", GITHUB.kind, *["http://localhost:1/x"] * 3)
    with pytest.raises(SourceUnavailable, match="localhost:1: connection refused"):
        await LoginProvider(nowhere, KEY, SECRET).probe(BACK)


async def test_nothing_secret_is_logged(provider, caplog):
    """At the most talkative."""
    asked = asking(provider)
    with caplog.at_level(logging.DEBUG):
        code = bring(provider, asked)
        await identify(asked, code)
    for secret in (code, SECRET, "s3cret", VERIFIER, *provider.tokens):
        assert secret not in caplog.text


def test_stand_in_refuses_what_a_provider_refuses(provider):
    """A test of the tests: no code without a question, no answer without a token."""
    assert httpx.get(f"{provider.url}/userinfo", trust_env=False).status_code == 401
    form = {"code": "x", "redirect_uri": BACK}
    assert httpx.post(f"{provider.url}/token/", data=form, trust_env=False).status_code == 401
