"""Tokens, passwords and cookies."""

import json
from pathlib import Path

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from kato_panel.config import load
from kato_panel.domain.identity import Identity
from kato_panel.errors import ConfigError
from kato_panel.server.credentials import Credentials

TOKEN = "a-token-that-nobody-guesses"


def request(**headers):
    line = RequestStartLine("GET", "/", "HTTP/1.1")
    return HTTPServerRequest(start_line=line, headers=HTTPHeaders({"Host": "h", **headers}))


@pytest.fixture
def users(tmp_path):
    place = tmp_path / "users.json"
    place.write_text(json.dumps({"anna": "anna's password", "bob": "bob's password"}))
    return str(place)


def credentials(secret=b"s", **settings):
    named = {f"KATO_PANEL_{name}": value for name, value in settings.items()}
    return Credentials(load(named), secret)


def test_users_have_a_password_each(users):
    """And are called by their names."""
    known = credentials(BASIC_AUTH=users)
    assert known.has_users
    assert known.check("anna", "anna's password") == "user anna"
    assert known.check("anna", "bob's password") is None
    for stranger in ("", "eve"):
        assert known.check(stranger, "anna's password") is None
        assert known.check(stranger, "") is None


def test_users_may_be_the_content_of_the_secret_s_file(users):
    """Or of the setting itself; the JSON text is nobody's password."""
    content = Path(users).read_text()
    for known in (credentials(BASIC_AUTH_FILE=users), credentials(BASIC_AUTH=content)):
        assert known.check("anna", "anna's password") == "user anna"
        assert known.check("", content) is None


def test_password_alone_asks_for_no_name():
    """Whoever knows it is let in."""
    known = credentials(BASIC_AUTH="a password")
    assert not known.has_users
    assert known.check("whoever", "a password") == "password"
    assert known.check("", "another") is None
    assert known.visitor_of(request(Authorization="Bearer a password")) is None


def test_token_and_users_go_together(users):
    """Either opens."""
    known = credentials(BASIC_AUTH=users, AUTH_TOKEN=TOKEN)
    assert known.check("", TOKEN) == "token"
    assert known.visitor_of(request(Authorization=f"bearer  {TOKEN} ")) == "token"
    for wrong in (f"Bearer {TOKEN}x", "Bearer", "Basic " + TOKEN, TOKEN):
        assert known.visitor_of(request(Authorization=wrong)) is None


def test_cookie_stands_for_its_visitor_until_something_changes(users):
    """Another secret or another token makes it worthless."""
    known = credentials(BASIC_AUTH=users, AUTH_TOKEN=TOKEN)
    cookie = f'{known.cookie_name}="{known.write_cookie("user anna")}"'
    assert known.visitor_of(request(Cookie=cookie)) == "user anna"
    for other in (
        credentials(b"t", BASIC_AUTH=users, AUTH_TOKEN=TOKEN),
        credentials(BASIC_AUTH=users, AUTH_TOKEN=TOKEN + "2"),
        credentials(AUTH_TOKEN=TOKEN),
    ):
        assert other.visitor_of(request(Cookie=cookie)) is None
    for forged in (
        cookie.replace("dXNlciBhbm5h", "dXNlciBib2Ig"),
        f"{known.cookie_name}=anna",
        f"{known.cookie_name}=",
    ):
        assert known.visitor_of(request(Cookie=forged)) is None


def test_login_elsewhere_is_admitted_by_the_list():
    """Another list, another provider or another key ends the logins of before."""
    given = {
        "OAUTH_PROVIDER": "github",
        "OAUTH_KEY": "key",
        "OAUTH_SECRET": "secret",
        "OAUTH_USERS": "Anna, @example.org",
    }
    known = credentials(**given)
    assert not known.takes_secrets
    assert known.admit(Identity(("anna",))) == "user anna"
    assert known.admit(Identity(("bob", "bob@example.org"), ("example.org",))) == "user bob"
    assert known.admit(Identity(("eve",))) is None
    assert known.check("anna", "") is None
    assert known.visitor_of(request(Authorization="Bearer secret")) is None
    cookie = f'{known.cookie_name}="{known.write_cookie("user anna")}"'
    same = {**given, "OAUTH_USERS": "@example.org,anna", "OAUTH_SECRET": "renewed"}
    assert credentials(**same).visitor_of(request(Cookie=cookie)) == "user anna"
    for changed in (
        {"OAUTH_USERS": "@example.org"},
        {"OAUTH_PROVIDER": "gitlab"},
        {"OAUTH_KEY": "k"},
    ):
        assert credentials(**{**given, **changed}).visitor_of(request(Cookie=cookie)) is None


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"anna": "short"}', '{"": "long enough"}', '{"anna": 12345678}']
)
def test_file_of_users_that_is_none_is_refused(tmp_path, content):
    """Without a word of what it holds."""
    place = tmp_path / "users.json"
    place.write_text(content)
    with pytest.raises(ConfigError, match="KATO_PANEL_BASIC_AUTH that is set is wrong, must be"):
        load({"KATO_PANEL_BASIC_AUTH": str(place)})
