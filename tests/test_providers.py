"""Login providers by name."""

import json
from dataclasses import astuple
from typing import get_args

import pytest

from kato_panel.config import load
from kato_panel.errors import ConfigError
from kato_panel.providers import ProviderName, choose_provider

TENANT = "0a1b2c3d-0000-4000-8000-0123456789ab"
GENERIC = {
    "authorize_url": "https://id.example/a",
    "token_url": "https://id.example/t/",
    "user_url": "https://id.example/u",
}
PARAMS = {
    "google": {},
    "github": {},
    "gitlab": {"url": "git.example:8443"},
    "azure": {"tenant": TENANT},
    "okta": {"url": "dev.okta.com"},
    "auth0": {"subdomain": "dev.eu"},
    "generic": GENERIC,
}
WHOLE = {
    "KATO_PANEL_OAUTH_PROVIDER": "github",
    "KATO_PANEL_OAUTH_KEY": "key",
    "KATO_PANEL_OAUTH_SECRET": "hunter2",
    "KATO_PANEL_OAUTH_USERS": "anna",
}


def test_each_provider_has_its_addresses():
    """All of them by TLS; what was given stands in them."""
    assert {*PARAMS} == {*get_args(ProviderName)}
    seen = {name: choose_provider(name, json.dumps(given)) for name, given in PARAMS.items()}
    for provider in seen.values():
        urls = [text for text in astuple(provider) if str(text).startswith("http")]
        assert len(urls) >= 3
        assert all(url.startswith("https://") for url in urls)
    assert seen["gitlab"].token_url == "https://git.example:8443/oauth/token"
    assert seen["azure"].issuer == f"https://login.microsoftonline.com/{TENANT}/v2.0"
    assert seen["okta"].user_url == "https://dev.okta.com/oauth2/default/v1/userinfo"
    assert seen["auth0"].authorize_url == "https://dev.eu.auth0.com/authorize"
    assert seen["generic"].token_url == "https://id.example/t/"
    assert choose_provider("gitlab", "").issuer == "https://gitlab.com"
    alone = choose_provider("okta", json.dumps({"url": "dev.okta.com", "server": ""}))
    assert (alone.issuer, alone.token_url) == (
        "https://dev.okta.com",
        "https://dev.okta.com/oauth2/v1/token",
    )


def test_params_may_be_named_as_panel_names_them():
    """In capitals."""
    large = {key.upper(): value for key, value in GENERIC.items()}
    assert choose_provider("generic", json.dumps(large)) == choose_provider(
        "generic", json.dumps(GENERIC)
    )


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("azure", {}, "must hold tenant for azure"),
        ("azure", {"tenant": "common"}, "the id of a tenant in tenant"),
        ("okta", {}, "must hold url for okta"),
        ("okta", {"url": "evil.example/x"}, "a host in url"),
        ("okta", {"url": "dev.okta.com", "server": "a/b"}, "a name in server"),
        ("auth0", {"subdomain": "x/y"}, "a name in subdomain"),
        ("gitlab", {"url": "u@h"}, "a host in url"),
        ("google", {"tenant": "x"}, "must hold nothing for google, and not 'tenant'"),
        ("generic", {**GENERIC, "logout_url": "x"}, "and not 'logout_url'"),
        ("generic", {"token_url": "https://h"}, "must hold authorize_url and user_url for"),
        ("generic", {**GENERIC, "token_url": "http://id.example/t"}, "token_url must be https://"),
        ("generic", {**GENERIC, "user_url": "https://u:p@id.example"}, "user_url must be https://"),
        ("generic", {**GENERIC, "user_url": "https://id.example/u?x=1"}, "user_url must be"),
        ("generic", {**GENERIC, "authorize_url": "javascript:alert(1)"}, "authorize_url must be"),
        ("generic", {**GENERIC, "authorize_url": "https://h/ x"}, "authorize_url must be"),
        ("generic", {**GENERIC, "authorize_url": "https://[h"}, "authorize_url must be"),
        ("generic", {**GENERIC, "issuer": "http://id.example"}, "issuer must be"),
    ],
)
def test_what_a_provider_lacks_or_does_not_take_is_named(name, given, words):
    """By the setting, at the start."""
    settings = {
        **WHOLE,
        "KATO_PANEL_OAUTH_USERS": "a@b.example",
        "KATO_PANEL_OAUTH_PROVIDER": name,
        "KATO_PANEL_OAUTH_EXTRA_PARAMS": json.dumps(given),
    }
    with pytest.raises(ConfigError) as caught:
        load(settings)
    (sentence,) = caught.value.problems
    assert sentence.startswith("KATO_PANEL_OAUTH_EXTRA_PARAMS ")
    assert words in sentence


def test_loopback_needs_no_tls():
    """Nobody stands between."""
    near = {key: f"http://localhost:1/{key}" for key in GENERIC}
    assert choose_provider("generic", json.dumps(near)).user_url == "http://localhost:1/user_url"


@pytest.mark.parametrize("missing", ["KEY", "SECRET", "USERS"])
def test_provider_without_all_that_it_needs_does_not_start(missing):
    """One message, which names the field."""
    name = f"KATO_PANEL_OAUTH_{missing}"
    with pytest.raises(ConfigError, match=rf"1 setting is wrong:\n  {name} is not set, must be"):
        load({**WHOLE, name: None})
    with pytest.raises(ConfigError, match=f"{name} is not set"):
        load({**WHOLE, name: " , " if missing == "USERS" else ""})


def test_what_is_set_for_no_provider_is_no_login():
    """Whoever set it believes that there is one."""
    with pytest.raises(ConfigError, match=r"OAUTH_PROVIDER is not set, must .*: KEY is set"):
        load({**WHOLE, "KATO_PANEL_OAUTH_PROVIDER": None})
    with pytest.raises(ConfigError, match="OAUTH_PROVIDER is 'myspace', must be 'google'"):
        load({**WHOLE, "KATO_PANEL_OAUTH_PROVIDER": "myspace"})


def test_names_that_a_provider_cannot_tell_are_refused():
    """At GitHub people have logins, at Google they have mails."""
    assert load(WHOLE).users == {"anna"}
    with pytest.raises(ConfigError, match="OAUTH_USERS names 'anna', must name mails or @domain"):
        load({**WHOLE, "KATO_PANEL_OAUTH_PROVIDER": "google"})
    with pytest.raises(ConfigError, match=r"OAUTH_USERS is 'an na', must be mails, logins or"):
        load({**WHOLE, "KATO_PANEL_OAUTH_USERS": "an na"})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("EXTRA_PARAMS", "{", "a JSON object of texts"),
        ("EXTRA_PARAMS", "[]", "a JSON object of texts"),
        ("EXTRA_PARAMS", '{"tenant": 5}', "a JSON object of texts"),
        ("REDIRECT_URI", "kato.example/login/callback", "http:// or https://"),
        ("REDIRECT_URI", "https://kato.example/", "the address of /login/callback"),
    ],
)
def test_odd_setting_of_a_login_elsewhere_is_refused(name, value, words):
    """With what is allowed."""
    with pytest.raises(ConfigError, match=rf"KATO_PANEL_OAUTH_{name} is .*, must be {words}"):
        load({**WHOLE, f"KATO_PANEL_OAUTH_{name}": value})


def test_login_elsewhere_is_a_login(tmp_path):
    """Its secret may be in a file, and is shown nowhere."""
    (tmp_path / "secret").write_text("hunter2\n")
    given = {**WHOLE, "KATO_PANEL_OAUTH_SECRET": None}
    settings = load({**given, "KATO_PANEL_OAUTH_SECRET_FILE": str(tmp_path / "secret")})
    assert settings.has_login
    assert not settings.takes_secrets
    assert settings.oauth_secret.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(settings)
    with pytest.raises(ConfigError, match="ALLOW_ANONYMOUS is true, must be false"):
        load({**WHOLE, "KATO_PANEL_ALLOW_ANONYMOUS": "true"})
