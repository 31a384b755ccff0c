"""Logins elsewhere, from the button to the cookie, against a provider over real sockets."""

import html
import logging
import re
import time
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest
from tornado.web import create_signed_value

from kato_panel.server.guard import guard_of
from kato_panel.server.limits import Throttle
from kato_panel.server.oauth import NOT_BEGUN, WAY_SECONDS, Ways
from kato_panel.simulator import EmbeddedSimulator
from tests.following import Reader
from tests.openid_provider import SECRET, OpenidProvider
from tests.server.test_service import service_in_thread

TOKEN = "a-token-that-nobody-guesses"


@pytest.fixture(scope="module", autouse=True)
def _own_home(tmp_path_factory):
    """A data directory without a secret."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("oauth")))
        yield


@pytest.fixture(scope="module")
def simulator():
    with EmbeddedSimulator(rate=0, initial=5) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def module_provider():
    with OpenidProvider() as provider:
        yield provider


@pytest.fixture
def provider(module_provider):
    """The provider, in its senses."""
    before = dict(module_provider.person)
    yield module_provider
    module_provider.person = before
    for ordered in (module_provider.faults, module_provider.claims, module_provider.granted):
        ordered.clear()


@pytest.fixture(scope="module")
def service(simulator, module_provider):
    """A service that lets people log in there, and whose tries are not limited."""
    with (
        pytest.MonkeyPatch.context() as patch,
        service_in_thread(simulator.url, **module_provider.settings) as box,
    ):
        guard = guard_of(box["service"].runtime)
        patch.setattr(guard, "tries", Throttle(10_000, 60))
        patch.setattr(guard.credentials.provider, "_deadline_seconds", 0.5)
        Reader(box["service"].runtime.hub).until(lambda seen: seen.active is not None)
        yield box["service"]


class Browser:
    """One that keeps cookies, and follows nobody unasked."""

    def __init__(self, service):
        self.base = service.url.removesuffix("/app")
        self.http = httpx.Client(base_url=self.base, trust_env=False)

    def get(self, path, **options):
        return self.http.get(path, **options)

    def leave(self, path="/login/oauth"):
        """Take the way to the provider; return where it leads."""
        left = self.get(path)
        assert left.status_code == 302
        return left.headers["Location"]

    def approved(self, provider, path="/login/oauth"):
        """Log in at the provider; return the address that it sends back to."""
        back = provider.approve(urlsplit(self.leave(path)).query)
        assert back.startswith(f"{self.base}/login/callback?")
        return back

    def come_back(self, provider, **changed):
        question = dict(parse_qsl(urlsplit(self.approved(provider)).query)) | changed
        return self.get(f"/login/callback?{urlencode(question)}")


@pytest.fixture
def browser(service):
    browser = Browser(service)
    yield browser
    browser.http.close()


def logged(caplog):
    """All that the service says; this test's own client tells the addresses that it asks."""
    told = (one for one in caplog.records if not one.name.startswith(("httpx", "httpcore")))
    return "\n".join(one.getMessage() for one in told)


def trouble(answer):
    """The sentence of the login page."""
    assert answer.headers["Content-Type"].startswith("text/html")
    (told,) = re.findall(r'<p role="alert">(.*?)</p>', answer.text)
    return html.unescape(told)


def test_login_leads_to_the_page_that_was_asked_for(browser, provider):
    """By a link of the login page; what lets in is our own cookie."""
    asked = browser.get("/app?tab=sessions")
    form = browser.get("/" + asked.headers["Location"]).text
    (link,) = re.findall(r'<a class="button" href="([^"]*)">Log in with Example</a>', form)
    assert "<form" not in form
    entered = browser.get(browser.approved(provider, "/" + html.unescape(link)))
    assert (entered.status_code, entered.headers["Location"]) == (302, ".././app?tab=sessions")
    given = entered.headers.get_list("Set-Cookie")
    (login,) = [cookie for cookie in given if "_way=" not in cookie]
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= {part.strip() for part in login.split(";")}
    assert not any(token in str(entered.headers) for token in provider.tokens)
    assert browser.get("/app").status_code == 200
    assert browser.get("/api/v1/sessions/count").status_code == 200
    assert {name.endswith("_way") for name in browser.http.cookies} == {False}
    assert browser.http.post("/logout").status_code == 303
    assert browser.get("/api/v1/sessions/count").status_code == 401


def test_way_there_tells_the_provider_no_more_than_it_needs(browser, provider):
    """And its cookie no script, no other site, and nobody for long."""
    left = browser.get("/login/oauth?next=app%3Ftab%3Dsessions")
    asked = dict(parse_qsl(urlsplit(left.headers["Location"]).query))
    assert set(asked) == {
        "response_type", "client_id", "redirect_uri", "scope", "state", "nonce",
        "code_challenge", "code_challenge_method",
    }  # fmt: skip
    assert "sessions" not in left.headers["Location"]
    parts = {part.strip() for part in left.headers["Set-Cookie"].split(";")}
    assert {"HttpOnly", "SameSite=Lax", f"Max-Age={WAY_SECONDS}"} <= parts
    again = dict(parse_qsl(urlsplit(browser.leave()).query))
    for name in ("state", "nonce", "code_challenge"):
        assert again[name] != asked[name]


@pytest.mark.parametrize(
    "changed", [{"state": "x"}, {"state": ""}, {"state": "\N{SNOWMAN}"}, {"state": "x" * 5_000}]
)
def test_way_back_that_is_not_ours_ends_at_the_login(browser, provider, caplog, changed):
    """Its code is not even looked at."""
    before = len(provider.seen)
    with caplog.at_level(logging.DEBUG, "tornado"):
        answer = browser.come_back(provider, **changed)
    assert not any(code in logged(caplog) for code in provider.codes)
    assert (answer.status_code, trouble(answer)) == (400, NOT_BEGUN)
    assert 'href="../login/oauth?next=app"' in answer.text
    assert len(provider.seen) == before


def test_way_back_holds_for_the_browser_that_began_it(service, browser, provider):
    """Whoever is sent somebody else's is not logged in as him."""
    back = browser.approved(provider)
    other = Browser(service)
    assert trouble(other.get(back)) == NOT_BEGUN
    other.leave()
    assert trouble(other.get(back)) == NOT_BEGUN
    other.http.close()
    assert browser.get(back).status_code == 302


def test_way_back_is_taken_once(browser, provider):
    """With its cookie kept by force."""
    back = browser.approved(provider)
    cookies = "; ".join(f"{name}={value}" for name, value in browser.http.cookies.items())
    assert httpx.get(back, headers={"Cookie": cookies}, trust_env=False).status_code == 302
    again = httpx.get(back, headers={"Cookie": cookies}, trust_env=False)
    assert (again.status_code, trouble(again)) == (400, NOT_BEGUN)


@pytest.mark.parametrize(
    "case",
    [
        ("faults", {"token": 500}, 502, "Example did not say who you are."),
        ("faults", {"user": "huge"}, 502, "Example did not say who you are."),
        ("faults", {"token": "hang"}, 502, "Example did not say who you are."),
        ("claims", {"aud": "other"}, 502, "Example did not say who you are."),
        ("granted", {"error": "<script>alert(1)</script>"}, 502, "Example did not say"),
        ("person", {"email_verified": False}, 403, "Example has not verified who you are."),
        ("person", {"email": "eve@evil.example"}, 403, "eve@evil.example may not come in here."),
        ("person", {"email": "<b>@example.org"}, 403, "<b>@example.org may not come in here."),
    ],
)
def test_login_that_fails_says_so_and_may_be_tried_again(browser, provider, caplog, case):
    """In a plain sentence; why stands in the log, without secrets."""
    name, ordered, status, words = case
    getattr(provider, name).update(ordered)
    back = browser.approved(provider)
    with caplog.at_level(logging.DEBUG):
        answer = browser.get(back)
    assert answer.status_code == status
    assert words in trouble(answer)
    assert "<script>alert" not in answer.text
    assert "<b>" not in answer.text
    assert sum(one.startswith("login with Example from 127.") for one in caplog.messages) == 1
    code = dict(parse_qsl(urlsplit(back).query))["code"]
    for secret in (code, SECRET, *provider.tokens):
        assert secret not in logged(caplog)
    assert browser.get("/api/v1/sessions/count").status_code == 401
    getattr(provider, name).clear()
    provider.person.update({"sub": "1", "email": "anna@example.org", "email_verified": True})
    assert browser.get(browser.approved(provider)).status_code == 302


def test_provider_that_lets_nobody_in_is_believed(browser, provider, caplog):
    """Its word is told in the log, made harmless."""
    state = dict(parse_qsl(urlsplit(browser.leave()).query))["state"]
    question = {"state": state, "error": "access_denied\x1b[31m" + "x" * 200}
    answer = browser.get(f"/login/callback?{urlencode(question)}")
    assert (answer.status_code, trouble(answer)) == (401, "Example did not let you in.")
    assert "refused there: 'access_denied [31mxxx" in caplog.text
    assert "x" * 60 not in caplog.text


@pytest.mark.parametrize("wanted", ["//evil.example", "https://evil.example", "login/oauth", "/x"])
def test_way_back_leads_nowhere_else(browser, provider, wanted):
    """Whatever the address said."""
    back = browser.approved(provider, f"/login/oauth?{urlencode({'next': wanted})}")
    assert browser.get(back).headers["Location"] == "../app"


def test_page_of_another_site_may_neither_begin_nor_end_a_login(browser, provider, caplog):
    """But by a link that somebody follows."""
    foreign = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    back = browser.approved(provider)
    assert browser.get("/login/oauth", headers=foreign).status_code == 403
    assert browser.get(back, headers=foreign).status_code == 403
    assert browser.get(back, headers={"Origin": provider.url}).status_code == 403
    assert not any(code in logged(caplog) for code in provider.codes)
    assert browser.get(back, headers=followed).status_code == 302


def test_tries_are_limited_and_no_link_uses_them_up(simulator, provider):
    """Ten codes a minute and address; what was not begun here is not counted."""
    with service_in_thread(simulator.url, **provider.settings) as box:
        browser = Browser(box["service"])
        for _ in range(12):
            assert browser.get("/login/callback?state=x&code=y").status_code == 400
        for _ in range(10):
            assert browser.come_back(provider, code="guessed").status_code == 502
        before = len(provider.seen)
        back = browser.approved(provider)
        late = browser.get(back)
        assert late.status_code == 429
        assert 50 <= int(late.headers["Retry-After"]) <= 60
        assert trouble(late).startswith("Too many tries. Wait ")
        assert len(provider.seen) == before
        browser.http.close()


def test_address_that_is_set_is_the_one_that_people_come_back_to(simulator, provider):
    """As behind a proxy, under another path; and a token opens the same door."""
    settings = {
        **provider.settings,
        "KATO_PANEL_OAUTH_REDIRECT_URI": "https://kato.example/sessions/login/callback",
        "KATO_PANEL_OAUTH_USERS": "@example.org",
        "KATO_PANEL_AUTH_TOKEN": TOKEN,
        "KATO_PANEL_HOST": "0.0.0.0",
        "KATO_PANEL_TRUSTED_PROXIES": "127.0.0.1",
        "KATO_PANEL_ALLOWED_HOSTS": "kato.example",
    }
    proxied = {"Host": "kato.example", "X-Forwarded-Proto": "https"}
    with service_in_thread(simulator.url, **settings) as box:
        browser = Browser(box["service"])
        browser.http.headers.update(proxied)
        browser.base = "https://kato.example/sessions"
        form = browser.get("/login").text
        assert form.index("<form") < form.index("Log in with Example")
        left = browser.get("/login/oauth")
        assert "Secure" in left.headers["Set-Cookie"]
        back = provider.approve(urlsplit(left.headers["Location"]).query)
        assert back.startswith("https://kato.example/sessions/login/callback?")
        cookie = left.headers["Set-Cookie"].partition(";")[0]
        entered = browser.get(f"/login/callback?{urlsplit(back).query}", headers={"Cookie": cookie})
        assert (entered.status_code, entered.headers["Location"]) == (302, "../app")
        cookies = entered.headers.get_list("Set-Cookie")
        assert any("Secure" in one and "_way" not in one for one in cookies)
        right = {"Authorization": f"Bearer {TOKEN}"}
        assert browser.get("/api/v1/sessions/count", headers=right).status_code == 200
        browser.http.close()


def test_whoever_is_taken_from_the_list_is_out(simulator, provider):
    """At the next start, whatever cookie he has."""
    with service_in_thread(simulator.url, **provider.settings) as box:
        browser = Browser(box["service"])
        assert browser.get(browser.approved(provider)).status_code == 302
        cookies = "; ".join(f"{name}={value}" for name, value in browser.http.cookies.items())
        browser.http.close()
    for users, status in (("anna@example.org", 200), ("bob@example.org", 401)):
        settings = {**provider.settings, "KATO_PANEL_OAUTH_USERS": users}
        with service_in_thread(simulator.url, **settings) as box:
            url = box["service"].url.replace("/app", "/api/v1/sessions/count")
            seen = httpx.get(url, headers={"Cookie": cookies}, trust_env=False)
            assert seen.status_code in {status, 503 if status == 200 else status}


class TestWays:
    """What is kept of those who are on the way, alone."""

    def test_old_or_foreign_cookie_is_no_way(self):
        """Signed with another key, changed, for another cookie, or older than ten minutes."""
        ways = Ways(b"key", "way")
        way, cookie = ways.begin("app")
        assert ways.find(cookie, way.state) == way
        assert Ways(b"other", "way").find(cookie, way.state) is None
        assert Ways(b"key", "name").find(cookie, way.state) is None
        assert ways.find(cookie[:-1] + "01"[cookie[-1] == "0"], way.state) is None
        assert ways.find(None, way.state) is None
        for age, found in ((WAY_SECONDS - 30, way), (WAY_SECONDS + 30, None)):
            words, at = f"{way.state} app", time.time() - age
            old = create_signed_value(b"key", "way", words, clock=lambda at=at: at)
            assert ways.find(old.decode(), way.state) == found

    def test_ended_ways_are_remembered_as_long_as_they_would_hold(self):
        """And no longer."""
        seconds = [0.0]
        ways = Ways(b"key", "way", clock=lambda: seconds[0])
        way, cookie = ways.begin("app")
        ways.end(way)
        assert ways.find(cookie, way.state) is None
        for _ in range(3):
            seconds[0] += WAY_SECONDS / 2
            ways.end(ways.begin("app")[0])
        assert len(ways._ended) == 3
        assert way.state not in ways._ended

    def test_cookie_holds_nothing_that_the_provider_asks_for(self):
        """Neither nonce nor verifier."""
        ways = Ways(b"key", "way")
        way, cookie = ways.begin("app?tab=sessions")
        assert way.nonce not in cookie
        assert way.verifier not in cookie
        assert 43 <= len(way.verifier) <= 128
        assert ways.find(cookie, way.state).target == "app?tab=sessions"
