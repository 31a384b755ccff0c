"""The doors of the whole service, over raw sockets: each route, each verb, each kind of visitor."""

import base64
import json
import logging
import os
import re
import socket
import stat
import subprocess
import sys
import zlib
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx
import pytest
from bokeh.util.token import generate_jwt_token, generate_session_id
from tornado.routing import PathMatches

from kato_panel.config import load
from kato_panel.domain.actions import VISITOR
from kato_panel.errors import ConfigError
from kato_panel.runtime import Runtime
from kato_panel.server.guard import PAGES_AT_ONCE, PAGES_PER_SECOND, guard_of
from kato_panel.server.limits import Throttle
from kato_panel.server.secret import usual_place
from kato_panel.server.service import Service
from kato_panel.simulator import EmbeddedSimulator
from kato_panel.views.dashboard import page
from tests.following import Caller, Reader
from tests.openid_provider import OpenidProvider
from tests.server.test_service import service_in_thread

TOKEN = "a-token-that-nobody-guesses"
CANARY = "canary7f3a"
UNKNOWN = "session-" + "ab" * 16 + "-1795381221106"
VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


@pytest.fixture(scope="module")
def simulator():
    with EmbeddedSimulator(rate=0, initial=5) as simulator:
        yield simulator


@pytest.fixture(scope="module", autouse=True)
def _own_home(tmp_path_factory):
    """A data directory without a secret."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("doors")))
        yield


class Door:
    """Knocks at a service."""

    def __init__(self, box):
        self.service = box["service"]
        self.base = self.service.url.removesuffix("/app")
        self.port = urlsplit(self.base).port
        self._cookie = None

    def ask(self, verb, path, **options):
        return httpx.request(verb, self.base + path, trust_env=False, **options)

    def raw(self, verb, path, headers):
        """Send a head as it is; return the status and the head of the answer."""
        given = {"Host": f"127.0.0.1:{self.port}", "Connection": "close", **headers}
        lines = [
            f"{verb} {path} HTTP/1.1",
            *(f"{k}: {v}" for k, v in given.items() if v is not None),
        ]
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as link:
            link.sendall("\r\n".join([*lines, "", ""]).encode())
            head = b""
            while b"\r\n\r\n" not in head:
                got = link.recv(65_536)
                if not got:
                    break
                head += got
        return int(head.split(b" ", 2)[1]), head.decode(errors="replace")

    def socket(self, headers, protocols="bokeh, x"):
        """Open Bokeh's socket; return the status."""
        upgrade = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Protocol": protocols,
        }
        return self.raw("GET", "/app/ws", {**upgrade, **headers})[0]

    def log_in(self, secret=TOKEN, **more):
        return self.ask("POST", "/login", data={"secret": secret, **more})

    def cookie(self):
        if self._cookie is None:  # tries are limited
            self._cookie = {"Cookie": self.log_in().headers["Set-Cookie"].partition(";")[0]}
        return dict(self._cookie)


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


ELSEWHERE = {
    "KATO_PANEL_OAUTH_PROVIDER": "github",
    "KATO_PANEL_OAUTH_KEY": "key",
    "KATO_PANEL_OAUTH_SECRET": f"{CANARY}oauth",
    "KATO_PANEL_OAUTH_USERS": "anna",
}


@pytest.fixture(scope="module")
def locked(simulator):
    """A service with a token, and a login elsewhere; wrong tokens are not counted."""
    options = {"pages_per_second": 1_000}
    settings = {"KATO_PANEL_AUTH_TOKEN": TOKEN, **ELSEWHERE}
    with service_in_thread(simulator.url, options=options, **settings) as box:
        guard_of(box["service"].runtime).wrong_tokens = Throttle(10_000, 60)
        Reader(box["service"].runtime.hub).until(lambda seen: seen.active is not None)
        yield Door(box)


@pytest.fixture(scope="module")
def unlocked(simulator):
    """A service on loopback without a login, which may delete."""
    options = {"pages_per_second": 1_000}
    with service_in_thread(simulator.url, options=options, KATO_PANEL_ALLOW_ACTIONS="true") as box:
        Reader(box["service"].runtime.hub).until(lambda seen: seen.active is not None)
        yield Door(box)


@dataclass(frozen=True)
class Row:
    """
    What a route answers: to whoever is let in, and to whoever is not.

    A verb that is not named answers 405 to the first and 401 to the others.
    """

    path: str
    inside: dict = field(default_factory=dict)
    outside: dict = field(default_factory=dict)
    is_page: bool = False
    is_open: bool = False

    def expected(self, verb, *, is_in, has_token):
        if is_in:
            return self.inside.get(verb, 405)
        if self.is_open:
            return self.outside.get(verb, self.inside.get(verb, 405))
        if self.is_page and not has_token and verb in {"GET", "HEAD"}:
            return 302
        return 401


STATIC = READ = {"GET": 200, "HEAD": 200}
LED = {"GET": 302, "HEAD": 302}
TOLD = {"OPTIONS": 204}
ASKED = {**READ, **TOLD}
ANY = dict.fromkeys(VERBS, 404)
ABSENT = {**ANY, "OPTIONS": 405}
# One row for each route of the live router, Panel's among them.
TABLE = {
    "/favicon.ico$": Row("/favicon.ico", {"GET": 200}),
    "/app/ws$": Row("/app/ws", {"GET": 400}),
    "/app/metadata$": Row("/app/metadata", {"GET": 200}),
    "/app/autoload.js$": Row("/app/autoload.js", {"GET": 400}),
    "/app/?$": Row("/app", {"GET": 200}, is_page=True),
    "/app/static/(.*)$": Row("/app/static/js/bokeh.min.js", STATIC),
    "/$": Row("/", LED, is_page=True),
    "/login$": Row("/login", {"GET": 302, "POST": 401}, {"GET": 200}, is_open=True),
    "/login/oauth$": Row("/login/oauth", {"GET": 302}, is_open=True),
    "/login/callback$": Row("/login/callback", {"GET": 400}, is_open=True),
    "/logout$": Row("/logout", {"POST": 303}),
    "/healthz$": Row("/healthz", ASKED, is_open=True),
    "/readyz$": Row("/readyz", ASKED),
    "/metrics$": Row("/metrics", ASKED),
    "/ws$": Row("/ws", {"GET": 400}),
    "/api/v1/openapi\\.json$": Row("/api/v1/openapi.json", ASKED),
    "/api/v1/containers$": Row("/api/v1/containers", ASKED),
    "/api/v1/events$": Row("/api/v1/events", ASKED),
    "/api/v1/alerts$": Row("/api/v1/alerts", ASKED),
    "/api/v1/alerts/acknowledge$": Row("/api/v1/alerts/acknowledge", {"POST": 422, **TOLD}),
    "/api/v1/alerts/silences$": Row("/api/v1/alerts/silences", {"POST": 422, **TOLD}),
    "/api/v1/metrics$": Row("/api/v1/metrics", ASKED),
    "/api/v1/sessions/count$": Row("/api/v1/sessions/count", ASKED),
    "/api/v1/sessions$": Row("/api/v1/sessions", ASKED),
    "/api/v1/sessions/bulk-delete$": Row("/api/v1/sessions/bulk-delete", {"POST": 403, **TOLD}),
    "/api/v1/sessions/([^/]+)$": Row(
        f"/api/v1/sessions/{UNKNOWN}", {"GET": 503, "HEAD": 503, "DELETE": 403, **TOLD}
    ),
    "/api/.*$": Row("/api/v1/nothing", ANY),
    "/static/extensions/(.*)$": Row("/static/extensions/panel/panel.min.js", STATIC),
    "/static/(.*)$": Row("/static/js/bokeh.min.js", STATIC),
    "/components/(.*)$": Row("/components/x", {"GET": 400, "HEAD": 400}),
    "/widget/(?P<name>[^/]+)/ws$": Row("/widget/count/ws", {"GET": 400}),
    "/widget/(?P<name>[^/]+)/metadata$": Row("/widget/count/metadata", ABSENT),
    "/widget/(?P<name>[^/]+)/autoload.js$": Row("/widget/count/autoload.js", ABSENT),
    "/widget/(?P<name>[^/]+)/?$": Row("/widget/count", {"GET": 200}),
    "/widget/(?:[^/]+)/static/(.*)$": Row("/widget/count/static/js/bokeh.min.js", ABSENT),
    "/?$": Row("/", LED, is_page=True),
    None: Row("/nothing/at/all", ABSENT),
}


def patterns(router):
    """List the patterns of all routes, whatever lies in what."""
    for rule in router.rules:
        if hasattr(rule.target, "rules"):
            yield from patterns(rule.target)
        elif isinstance(rule.matcher, PathMatches):
            yield rule.matcher.regex.pattern
        else:
            yield repr(rule.matcher)


def test_every_route_of_the_live_router_is_in_the_table(locked):
    """One that is added has to say here whom it answers."""
    application = locked.service._server._tornado
    assert {*patterns(application.default_router)} | {None} == {*TABLE}


def wrong_cookie(door):
    """A right cookie with another signature."""
    name, _, value = door.cookie()["Cookie"].partition("=")
    head, _, signature = value.strip('"').rpartition("|")
    return f'{name}="{head}|{signature[::-1]}"'


@pytest.mark.parametrize("visitor", ["nobody", "wrong token", "wrong cookie", "cookie", "token"])
def test_every_route_and_verb_answers_as_the_table_says(locked, visitor):
    """Nothing but the named routes answers whoever shows nothing."""
    headers = {
        "nobody": {},
        "wrong token": bearer(TOKEN + "x"),
        "wrong cookie": {"Cookie": wrong_cookie(locked)},
        "token": bearer(TOKEN),
    }.get(visitor) or (locked.cookie() if visitor == "cookie" else {})
    is_in, has_token = visitor in {"cookie", "token"}, "token" in visitor
    wrong = []
    with httpx.Client(base_url=locked.base, headers=headers, trust_env=False) as client:
        for row in TABLE.values():
            for verb in VERBS:
                if (row.path, verb) == ("/login", "POST"):
                    continue  # limited in tries; has tests of its own
                answer = client.request(verb, row.path)
                expected = row.expected(verb, is_in=is_in, has_token=has_token)
                if answer.status_code != expected:
                    wrong.append((verb, row.path, answer.status_code, expected))
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
                assert "Access-Control-Allow-Origin" not in answer.headers
                if answer.status_code == 401 and verb != "HEAD":
                    assert answer.json()["error"]["code"] == "unauthorized"
    assert wrong == []


# Host, Origin and Sec-Fetch of a request; then what page, API, socket and delete answer to it.
OK = (200, 200, 101, 404)
NO = (403, 403, 403, 403)
OWN, EVIL = "http://127.0.0.1:{port}", "http://evil.example"
COMBINATIONS = {
    "a program": ({}, OK),
    "our page": ({"Origin": OWN, "Sec-Fetch-Site": "same-origin"}, OK),
    "typed in": ({"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}, OK),
    "by another own name": ({"Host": "localhost:{port}"}, OK),
    "own name as origin": ({"Host": "localhost:{port}", "Origin": "http://localhost:{port}"}, OK),
    "another's page": ({"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}, NO),
    "another's page of old": ({"Origin": EVIL}, NO),
    "a sandbox": ({"Origin": "null"}, NO),
    "another port here": ({"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"}, NO),
    "its image": ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, NO),
    "its neighbour's image": ({"Sec-Fetch-Site": "same-site"}, NO),
    "a link": (
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
        (200, 200, 403, 403),
    ),
    "a name made to point here": ({"Host": "evil.example:{port}"}, NO),
    "the same with its page": ({"Host": "evil.example:{port}", "Origin": EVIL + ":{port}"}, NO),
    "the same, for a browser": (
        {
            "Host": "evil.example:{port}",
            "Origin": EVIL + ":{port}",
            "Sec-Fetch-Site": "same-origin",
        },
        NO,
    ),
    "an address that is not ours": ({"Host": "192.0.2.1:{port}"}, NO),
    "no name at all": ({"Host": "["}, NO),
    "through a proxy": ({"X-Forwarded-For": "192.0.2.1"}, (200, 200, 101, 403)),
    "a secure page": ({"Origin": "https://127.0.0.1:{port}"}, NO),
}


@pytest.mark.parametrize("case", COMBINATIONS)
def test_host_origin_and_fetch_decide_together(unlocked, case):
    """Over page, API and socket alike."""
    given, expected = COMBINATIONS[case]
    headers = {name: value.format(port=unlocked.port) for name, value in given.items()}
    seen = (
        unlocked.raw("GET", "/app", headers)[0],
        unlocked.raw("GET", "/api/v1/sessions/count", headers)[0],
        unlocked.socket(headers),
        unlocked.raw("DELETE", f"/api/v1/sessions/{UNKNOWN}", headers)[0],
    )
    assert seen == expected


def test_socket_of_a_locked_service_asks_for_login_and_origin(locked):
    """A cookie alone does not open it for another site's page."""
    own, cookie = {"Origin": locked.base}, locked.cookie()
    assert locked.socket({}) == 401
    assert locked.socket(own) == 401
    assert locked.socket(bearer("wrong")) == 401
    assert locked.socket(bearer(TOKEN)) == 101
    assert locked.socket(own | cookie) == 101
    assert locked.socket({"Origin": EVIL} | cookie) == 403
    assert locked.socket({"Origin": EVIL} | bearer(TOKEN)) == 403


@pytest.mark.parametrize(
    "door", [{"KATO_PANEL_ALLOWED_ORIGINS": "https://other.example"}], indirect=True
)
def test_site_that_is_listed_may_open_sockets(door):
    """Nobody else may; and it needs a login as everybody does."""
    listed = {"Origin": "https://other.example", "Sec-Fetch-Site": "cross-site"}
    assert door.socket(listed | bearer(TOKEN)) == 101
    assert door.socket(listed) == 401
    changing = door.ask("POST", "/logout", headers=listed | bearer(TOKEN))
    assert changing.status_code == 403
    assert door.socket(listed | {"Origin": "https://other.example:8443"} | bearer(TOKEN)) == 403


def test_health_answers_by_any_name(locked):
    """Who asks for it knows no name, and has no token."""
    assert locked.raw("GET", "/healthz", {"Host": "10.0.0.7"})[0] == 200


def test_login_leads_to_the_page_and_back_out(locked):
    """The page that was asked for; a cookie that no script reads and no other site sends."""
    asked = locked.ask("GET", "/app?tab=sessions")
    assert asked.headers["Location"] == "login?next=app%3Ftab%3Dsessions"
    form = locked.ask("GET", "/" + asked.headers["Location"]).text
    (target,) = re.findall(r'name="next" value="([^"]*)"', form)
    entered = locked.log_in(next=target)
    assert (entered.status_code, entered.headers["Location"]) == (303, "./app?tab=sessions")
    cookie = entered.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "Secure" not in cookie
    assert TOKEN not in cookie
    left = locked.ask("POST", "/logout", headers=locked.cookie())
    assert left.headers["Location"] == "login"
    assert left.headers["Set-Cookie"].startswith(cookie.partition("=")[0] + '=""')


@pytest.mark.parametrize(
    "wanted",
    ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)",
     "\\\\evil.example", "a\r\nSet-Cookie: x=1", "login", "./login?x", "x" * 3_000, "data:,x"],
)  # fmt: skip
def test_login_leads_nowhere_else(locked, wanted):
    """Whatever the address said."""
    form = locked.ask("GET", "/login", params={"next": wanted}).text
    assert 'name="next" value="app"' in form


@pytest.fixture
def door(simulator, request):
    """A service of its own, with the settings of a test."""
    settings = {"KATO_PANEL_AUTH_TOKEN": TOKEN, **getattr(request, "param", {})}
    with service_in_thread(simulator.url, **settings) as box:
        yield Door(box)


def test_guessing_is_slow(door):
    """Ten tries a minute from one address, the right one among them."""
    answers = [door.log_in(f"guess {number}") for number in range(10)]
    assert {answer.status_code for answer in answers} == {401}
    assert "That is not right." in answers[0].text
    late = door.log_in()
    assert late.status_code == 429
    assert 50 <= int(late.headers["Retry-After"]) <= 60
    assert door.ask("GET", "/app", headers=bearer(TOKEN)).status_code == 200


def test_wrong_tokens_are_told_to_wait_and_the_right_one_never_is(door):
    """A program that goes on with an old one is told so; nobody else here is held up by it."""
    count = "/api/v1/sessions/count"
    wrong = [door.ask("GET", count, headers=bearer(f"{TOKEN}{number}")) for number in range(11)]
    assert [one.status_code for one in wrong] == [401] * 10 + [429]
    assert 50 <= int(wrong[-1].headers["Retry-After"]) <= 60
    assert wrong[-1].json()["error"]["code"] == "too_many_tries"
    assert door.socket(bearer(TOKEN + "x")) == 429
    assert door.ask("GET", count, headers=bearer(TOKEN)).status_code in {200, 503}
    assert door.socket(bearer(TOKEN)) == 101
    assert door.ask("GET", count).status_code == 401
    assert door.log_in().status_code == 303


def test_other_sites_can_neither_log_in_nor_out(locked):
    """Their forms are refused before a password is looked at."""
    evil = {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}
    for path in ("/login", "/logout"):
        data = {"secret": TOKEN}
        answer = locked.ask("POST", path, data=data, headers=evil | locked.cookie())
        assert answer.status_code == 403
        assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("verb", ["POST", "DELETE", "PUT"])
def test_refusal_of_another_site_s_page_is_ours(unlocked, verb):
    """Whichever of us two sees it first: what is refused is told in one form."""
    for path in ("/api/v1/sessions/x", "/app", "/nothing"):
        refused = unlocked.ask(verb, path, headers={"Sec-Fetch-Site": "cross-site"})
        assert refused.status_code == 403
        assert refused.json()["error"]["code"] == "forbidden"


BLANKS = {"KATO_PANEL_AUTH_TOKEN": TOKEN, "KATO_PANEL_BASIC_AUTH": " blanks around it "}


@pytest.mark.parametrize("door", [BLANKS], indirect=True)
def test_blanks_belong_to_a_password_and_to_no_token(door):
    """Whoever has chosen such a one gets in, and whoever copied a blank with the token."""
    assert door.log_in("blanks around it").status_code == 401
    assert door.log_in(" blanks around it ").status_code == 303
    assert door.log_in(f" {TOKEN} ").status_code == 303


PROXY = {"KATO_PANEL_TRUSTED_PROXIES": "127.0.0.0/8", "KATO_PANEL_ALLOWED_HOSTS": "kato.example"}


@pytest.mark.parametrize("door", [PROXY], indirect=True)
def test_proxy_that_is_trusted_speaks_for_others(door):
    """Their address is limited and not its own; their protocol makes cookies secure."""
    headers = {"Host": "kato.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"}
    for _ in range(10):
        door.ask("POST", "/login", data={"secret": "x"}, headers=headers)
    assert door.ask("POST", "/login", data={"secret": "x"}, headers=headers).status_code == 429
    headers["X-Forwarded-For"] = "203.0.113.1, 192.0.2.8"
    headers["Origin"] = "https://kato.example"
    entered = door.ask("POST", "/login", data={"secret": TOKEN}, headers=headers)
    assert entered.status_code == 303
    assert "Secure" in entered.headers["Set-Cookie"]


@pytest.mark.parametrize("door", [{"KATO_PANEL_ALLOW_ACTIONS": "true"}], indirect=True)
def test_whoever_is_logged_in_may_delete_from_anywhere(door, simulator, caplog):
    """By a proxy too: the login says who it is, and the audit keeps it."""
    away = {"X-Forwarded-For": "192.0.2.1"}
    session_id = Caller(simulator.url).create()
    path = f"/api/v1/sessions/{session_id}"
    assert door.ask("DELETE", path, headers=away).status_code == 401
    assert (
        door.ask("DELETE", path, headers=away | {"Origin": EVIL} | door.cookie()).status_code == 403
    )
    with caplog.at_level(logging.INFO):
        assert door.ask("DELETE", path, headers=away | bearer(TOKEN)).status_code == 200
    assert f"delete of '{session_id}' by 'api, token, from 127.0.0.1': deleted" in caplog.text


NAMED = {
    "KATO_PANEL_AUTH_TOKEN": None,
    "KATO_PANEL_ALLOW_ACTIONS": "true",
    "KATO_PANEL_TRUSTED_PROXIES": "127.0.0.1",
}


@pytest.mark.parametrize("door", [NAMED], indirect=True)
@pytest.mark.parametrize("headers", [{}, {"X-Forwarded-Proto": "http"}, {"X-Forwarded-For": "::1"}])
def test_proxy_that_is_named_is_nobody_at_this_machine(door, headers):
    """Whatever it passes on of whom it speaks for; neither by the API nor on the page."""
    refused = door.ask("DELETE", f"/api/v1/sessions/{UNKNOWN}", headers=headers)
    assert refused.status_code == 403
    assert "through a proxy" in refused.json()["error"]["message"]
    (token,) = re.findall(r'"token":"([^"]+)"', door.ask("GET", "/app", headers=headers).text)
    assert "Via" in told_by(token)["headers"]


@pytest.mark.parametrize(
    "door",
    [{
        "KATO_PANEL_AUTH_TOKEN": None,
        "KATO_PANEL_HOST": "0.0.0.0",
        "KATO_PANEL_ALLOW_ANONYMOUS": "true",
        "KATO_PANEL_ALLOW_ACTIONS": "true",
    }],
    indirect=True,
)  # fmt: skip
def test_anonymous_visitors_look_and_change_nothing(door):
    """Not even from this machine."""
    assert door.ask("GET", "/app").status_code == 200
    refused = door.ask("DELETE", f"/api/v1/sessions/{UNKNOWN}")
    assert refused.status_code == 403
    assert "everybody may look" in refused.json()["error"]["message"]
    assert door.raw("GET", "/app", {"Host": "evil.example"})[0] == 403


def test_wide_address_needs_a_login_or_a_word(simulator):
    """It names what to set, and does not start."""
    settings = {"KATO_API_URL": simulator.url, "KATO_PANEL_HOST": "0.0.0.0", "KATO_PANEL_PORT": 0}
    with pytest.raises(ConfigError, match="KATO_PANEL_AUTH_TOKEN") as caught:
        Service(Runtime(load(settings)), page)
    assert "KATO_PANEL_ALLOW_ANONYMOUS=true" in str(caught.value)
    with pytest.raises(ConfigError, match="must be false where a login is set"):
        load({"KATO_PANEL_ALLOW_ANONYMOUS": "true", "KATO_PANEL_AUTH_TOKEN": TOKEN})


USERS = {"KATO_PANEL_AUTH_TOKEN": None, "KATO_PANEL_BASIC_AUTH": "hunter2hunter2"}


@pytest.mark.parametrize("door", [USERS], indirect=True)
def test_password_alone_locks_everything(door):
    """There is no token then that a program could send."""
    assert door.ask("GET", "/api/v1/sessions/count").status_code == 401
    assert door.ask("GET", "/app", headers=bearer("hunter2hunter2")).status_code == 401
    assert door.log_in("hunter2").status_code == 401
    assert door.log_in("hunter2hunter2", user="anybody").status_code == 303


def test_pages_are_opened_at_a_bounded_rate(simulator):
    """The others are told to come again; what builds no page counts for none."""
    assert (PAGES_PER_SECOND, PAGES_AT_ONCE) == (4.0, 8)
    with service_in_thread(simulator.url, options={"pages_per_second": 0.001}) as box:
        door = Door(box)
        script = "/app/autoload.js"
        with httpx.Client(base_url=door.base, trust_env=False, timeout=20) as client:
            vain = [client.get(script).status_code for _ in range(20)]
            element = {"bokeh-autoload-element": "x"}
            answers = [client.get(script, params=element).status_code for _ in range(10)]
            busy = client.get("/app")
            widget = client.get("/widget/count", headers={"Upgrade": "websocket"})
            absent = [client.get(f"/widget/{name}").status_code for name in ("x", "count?x=1")]
        assert door.ask("GET", "/healthz").status_code == 200
        assert door.ask("GET", "/api/v1/sessions/count").status_code == 200
    assert (widget.status_code, absent) == (503, [404, 422])
    assert vain == [400] * 20
    assert answers == [200] * 8 + [503] * 2
    assert busy.status_code == 503
    assert 2 <= int(busy.headers["Retry-After"]) <= 5


def test_page_s_session_is_nobody_s_to_choose(locked):
    """Neither by an address, nor by a token that this service has not signed."""
    headers = bearer(TOKEN)
    for address in ("/app?bokeh-session-id=mine", "/app?bokeh-token=mine"):
        assert locked.ask("GET", address, headers=headers).status_code == 403
    assert locked.ask("GET", "/app", headers=headers | {"Bokeh-Session-Id": "x"}).status_code == 403
    (real,) = re.findall(r'"token":"([^"]+)"', locked.ask("GET", "/app", headers=headers).text)
    assert len(locked.service._server.get_sessions("/app")) >= 1
    forged = generate_jwt_token(generate_session_id(signed=False), signed=False)
    other = generate_jwt_token("chosen", secret_key=b"guessed", signed=True)
    for token in (forged, other, f"{real[:-4]}AAAA", f"{forged}.{real.partition('.')[2]}"):
        assert opens(locked, token) is False
    assert opens(locked, real) is True


def opens(door, token):
    """Say whether Bokeh's socket takes a token: it then acknowledges."""
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    lines = [
        "GET /app/ws HTTP/1.1",
        f"Host: 127.0.0.1:{door.port}",
        f"Authorization: Bearer {TOKEN}",
        *("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"),
        f"Sec-WebSocket-Key: {key}",
        f"Sec-WebSocket-Protocol: bokeh, {token}",
    ]
    with socket.create_connection(("127.0.0.1", door.port), timeout=10) as link:
        link.sendall("\r\n".join([*lines, "", ""]).encode())
        got = b""
        while chunk := link.recv(65_536):
            got += chunk
            if b"ACK" in got:
                return True
    return False


def told_by(token):
    """Read what a page's token holds, as the page's scripts can."""
    body = token.partition(".")[0]
    told = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    hidden = told.pop("__bk__zlib_", "")
    packed = base64.urlsafe_b64decode(hidden + "=" * (-len(hidden) % 4))
    return told | json.loads(zlib.decompress(packed))


def test_page_tells_its_scripts_no_login(locked):
    """What a page knows of its own request is its host, and no cookie and no token."""
    page_ = locked.ask("GET", "/app", headers=locked.cookie() | bearer(TOKEN) | {VISITOR: "x"}).text
    (token,) = re.findall(r'"token":"([^"]+)"', page_)
    told = told_by(token)
    visitor = "token, from 127.0.0.1"
    assert told["headers"] == {"Host": f"127.0.0.1:{locked.port}", VISITOR: visitor}
    assert told["cookies"] == {}


def test_scripts_of_a_page_carry_its_nonce_alone(locked):
    """Another for each answer, named by the policy; the placeholder never leaves."""
    nonces = set()
    for path in ("/app", "/app", "/login"):
        answer = locked.ask("GET", path, headers=bearer(TOKEN) if path == "/app" else {})
        (nonce,) = re.findall(r"'nonce-(\w+)'", answer.headers["Content-Security-Policy"])
        scripts = re.findall(r"<script\b[^>]*>", answer.text)
        assert scripts
        assert all(f'nonce="{nonce}"' in script for script in scripts)
        nonces.add(nonce)
    assert len(nonces) == 3


def test_answers_are_not_kept_and_files_are(locked):
    """What is told is of the moment; what Panel is made of is loaded once."""
    for path in ("/app", "/login", "/api/v1/sessions/count", "/nothing"):
        assert locked.ask("GET", path, headers=bearer(TOKEN)).headers["Cache-Control"] == "no-store"
    file = locked.ask("GET", "/static/js/bokeh.min.js", headers=bearer(TOKEN))
    assert "no-store" not in file.headers.get("Cache-Control", "")
    again = {**bearer(TOKEN), "If-None-Match": file.headers["Etag"]}
    assert locked.ask("GET", "/static/js/bokeh.min.js", headers=again).status_code == 304


def test_logins_outlive_a_restart_and_end_with_their_token(simulator, locked):
    """The secret is kept, for this user alone."""
    assert stat.S_IMODE(usual_place().stat().st_mode) == 0o600
    cookie = locked.cookie()
    with service_in_thread(simulator.url, KATO_PANEL_AUTH_TOKEN=TOKEN, **ELSEWHERE) as box:
        assert Door(box).ask("GET", "/app", headers=cookie).status_code == 200
    with service_in_thread(simulator.url, KATO_PANEL_AUTH_TOKEN=TOKEN + "2", **ELSEWHERE) as box:
        assert Door(box).ask("GET", "/app", headers=cookie).status_code == 302


SECRETS = {
    "KATO_API_URL": f"http://user:{CANARY}url@127.0.0.1:1",
    "REDIS_URL": f"redis://user:{CANARY}redis@127.0.0.1:1/0",
    "KATO_PANEL_BASIC_AUTH": f"{CANARY}password",
    **ELSEWHERE,
}


def test_secrets_are_told_nowhere(tmp_path):
    """Neither in a log at its most talkative, nor in a page, an answer or an error."""
    with OpenidProvider(secret=f"{CANARY}:oauth") as provider:
        seen = hear_all_that_is_told(tmp_path, provider)
    assert all(CANARY not in text for text in seen)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", seen[-1]), "the log is of lines"
    for url in (f"http://h/?token={CANARY}", f"http://h/#{CANARY}", f"http://u:{CANARY}\n@h/?x"):
        for name in ("KATO_API_URL", "REDIS_URL", "KATO_PANEL_OAUTH_REDIRECT_URI"):
            with pytest.raises(ConfigError) as caught:
                load({name: url.replace("http", "redis") if name == "REDIS_URL" else url})
            assert CANARY not in str(caught.value)
    wrong = {"KATO_API_URL": f"http:/u:{CANARY}@h", "REDIS_URL": f"redis:/u:{CANARY}@h"}
    with pytest.raises(ConfigError) as caught:
        load({**wrong, "KATO_PANEL_AUTH_TOKEN": CANARY, "KATO_PANEL_BASIC_AUTH": CANARY[:7]})
    assert CANARY[:7] not in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        load({"KATO_PANEL_OAUTH_SECRET": CANARY})
    assert CANARY not in str(caught.value)
    assert CANARY not in repr(load(SECRETS))


def hear_all_that_is_told(tmp_path, provider):
    """Start a service, go in and out by every door; return whatever it said."""
    (tmp_path / "token").write_text(f"{CANARY}-token-file\n")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "KATO_PANEL_LOG_LEVEL": "DEBUG",
        "KATO_PANEL_AUTH_TOKEN_FILE": str(tmp_path / "token"),
        **SECRETS,
        **provider.settings,
    }
    command = [sys.executable, "-m", "kato_panel", "serve", "--port", "0"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
    url = process.stdout.readline().rsplit(" ", 1)[-1].strip().removesuffix("/app")
    token = bearer(f"{CANARY}-token-file")
    seen = []
    paths = ("/healthz", "/login", "/login/oauth", "/login/callback?code=x",
             "/app", "/", "/api/v1/sessions/count", "/api/v1/sessions",
             f"/api/v1/sessions/{UNKNOWN}", "/api/x", "/app/metadata", "/api/%C2%9B31m%0A",
             *(f"{path}?token={CANARY}&x=%FF{CANARY}"
               for path in ("/ws", "/api/x", "/app/autoload.js", "/nothing", "/app/ws")),
             )  # fmt: skip
    with httpx.Client(base_url=url, trust_env=False) as client:
        for path in paths:
            for headers in ({}, token):
                answer = client.get(path, headers=headers)
                seen.append(f"{answer.headers}{answer.text}")
        logged = client.post("/login", data={"secret": f"{CANARY}password"})
        assert logged.status_code == 303
        client.post("/login", data={"secret": f"{CANARY}wrong"})
        seen.append(client.get("/app").text)
        for fault in (None, 500, "garbage"):
            provider.faults["token"] = fault
            left = client.get("/login/oauth")
            back = client.get(provider.approve(urlsplit(left.headers["Location"]).query))
            assert back.status_code == (502 if fault else 302)
            seen += [f"{one.headers}{one.text}" for one in (left, back)]
    knock = f"GET /api/\x9b31m?token={CANARY} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with socket.create_connection(("127.0.0.1", urlsplit(url).port), timeout=10) as link:
        link.sendall(knock.encode("latin-1"))
        seen.append(link.recv(65_536).decode("latin-1"))
    process.terminate()
    assert process.wait(10) is not None
    process.stdout.close()
    seen.append((tmp_path / "log").read_text())
    return seen


def test_guard_that_is_taken_away_is_missed(simulator):
    """The sweep sees it: without the guard Panel's own routes answer everybody."""
    with service_in_thread(simulator.url, KATO_PANEL_AUTH_TOKEN=TOKEN) as box:
        application = box["service"]._server._tornado
        del application.find_handler
        door = Door(box)
        assert door.ask("GET", "/app").status_code == 200
        assert door.ask("GET", "/api/v1/sessions/count").status_code == 401  # brings its own


@pytest.mark.parametrize("token", ["x", "a.b", f"{CANARY}.{CANARY}"])
def test_page_s_socket_that_is_none_leaves_a_line(locked, caplog, token):
    """Nobody fills the log with tracebacks by what he sends."""
    with caplog.at_level(logging.INFO):
        assert locked.socket(bearer(TOKEN), f"bokeh, {token}") == 101
        locked.ask("GET", "/healthz")  # by then it is written
    ours = [one for one in caplog.records if one.name.startswith(("kato_panel", "tornado"))]
    assert [one.getMessage().partition(" failed")[0] for one in ours if "failed" in one.msg] == [
        "GET '/app/ws' (127.0.0.1)"
    ]
    assert not any(one.exc_info for one in caplog.records)


def test_refusals_are_no_errors(locked, caplog):
    """Who knocks in vain leaves no traceback behind."""
    with caplog.at_level(logging.ERROR):
        locked.ask("GET", "/api/v1/sessions", headers={"Authorization": b"Bearer \xc3\xa9"})
        locked.raw("POST", "/app", {"Content-Length": "0", "Cookie": "=;;;=\x01"})
    assert caplog.text == ""
