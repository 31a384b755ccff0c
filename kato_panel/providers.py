"""Login providers by name: their addresses, and what has to be known of each."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from kato_panel.allowed import check_url, split
from kato_panel.domain.actions import is_loopback
from kato_panel.domain.identity import HAS_LOGINS, Kind, read_users

ProviderName = Literal["google", "github", "gitlab", "azure", "okta", "auth0", "generic"]
CALLBACK: Final = "/login/callback"
"""Where a provider sends people back to."""
MAX_PARAM: Final = 2_000
MAX_LABEL: Final = 40
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(:[0-9]{1,5})?")
_GUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_SERVER: Final = re.compile(r"[A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Provider:
    """
    Where somebody logs in, and where we ask who he is.

    Parameters
    ----------
    label
        As people call it.
    kind
        In which words it tells of a person.
    authorize_url
        Where browsers are sent.
    token_url, user_url, mails_url
        Where we ask; the last is empty where the one before tells the mail too.
    scope
        What we want to know.
    issuer
        Who makes its ID tokens; empty where it makes none, or that is not known.
    has_basic
        Whether our secret is sent as HTTP's, as the standard has it, and not in the form.
    """

    label: str
    kind: Kind
    authorize_url: str
    token_url: str
    user_url: str
    scope: str = "openid email"
    mails_url: str = ""
    issuer: str = ""
    has_basic: bool = False


GOOGLE: Final = Provider(
    "Google",
    Kind.GOOGLE,
    "https://accounts.google.com/o/oauth2/v2/auth",
    "https://oauth2.googleapis.com/token",
    "https://openidconnect.googleapis.com/v1/userinfo",
    issuer="https://accounts.google.com",
)
GITHUB: Final = Provider(
    "GitHub",
    Kind.GITHUB,
    "https://github.com/login/oauth/authorize",
    "https://github.com/login/oauth/access_token",
    "https://api.github.com/user",
    scope="read:user user:email",
    mails_url="https://api.github.com/user/emails",
)


@dataclass(frozen=True, slots=True)
class _Recipe:
    """What a provider needs beside its name, what it takes, and what comes of it."""

    make: Callable[[Mapping[str, str]], Provider]
    needed: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


def choose_provider(name: ProviderName, params: str) -> Provider:
    """
    Find what has to be known of a provider.

    Parameters
    ----------
    name
        Which one.
    params
        What it takes beside its name: a JSON object, or nothing.

    Raises
    ------
    ValueError
        If they are not enough, or not right: what they must be.
    """
    given, recipe = read_params(params), _RECIPES[name]
    missing = [key for key in recipe.needed if key not in given]
    if missing:
        raise ValueError(f"must hold {' and '.join(missing)} for {name}")
    known = (*recipe.needed, *recipe.optional)
    unknown = sorted(given.keys() - {*known})
    if unknown:
        raise ValueError(
            f"must hold {', '.join(known) or 'nothing'} for {name}, and not {unknown[0][:40]!r}"
        )
    return recipe.make(given)


def read_params(text: str) -> dict[str, str]:
    """
    Read what a provider takes beside its name; the names may be written large, as Panel's are.

    Raises
    ------
    ValueError
        If it is no JSON object of texts.
    """
    allowed = 'must be a JSON object of texts, as {"tenant": "…"}'
    try:
        given = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise ValueError(allowed) from error
    if not isinstance(given, dict) or not all(
        isinstance(value, str) and len(value) <= MAX_PARAM for value in given.values()
    ):
        raise ValueError(allowed)
    return {key.lower(): value for key, value in given.items()}


def check_params(text: str) -> str:
    """Refuse what is no JSON object of texts."""
    read_params(text)
    return text


def check_redirect(url: str) -> str:
    """Refuse an address that no provider can send people back to."""
    if not urlsplit(check_url(url)).path.endswith(CALLBACK):
        raise ValueError(f"must be the address of {CALLBACK} here, as browsers reach it")
    return url


def check_users(text: str) -> str:
    """Refuse what names nobody."""
    read_users(split(text))
    return text


def find_problems(name: ProviderName | None, given: Mapping[str, Any], params: str) -> list[str]:
    """
    Say what a login elsewhere lacks, or what is set for one that there is not.

    Parameters
    ----------
    name
        The provider's; ``None`` where there is none.
    given
        ``KEY``, ``SECRET``, and ``USERS`` as a set; empty where they are not set.
    params
        As for `choose_provider`.

    Returns
    -------
    list of str
        One sentence for each; each begins with the end of a setting's name.
    """
    if name is None:
        is_set = next((one for one, value in given.items() if value), None)
        lead = "PROVIDER is not set, must name who lets people log in"
        return [f"{lead}: {is_set} is set"] if is_set else []
    lacking = [one for one, value in given.items() if not value]
    problems = [f"{one} is not set, must be, with a PROVIDER: {_NEEDED[one]}" for one in lacking]
    try:
        provider = choose_provider(name, params)
    except ValueError as error:
        return [*problems, f"EXTRA_PARAMS {error}"]
    strangers = sorted(user for user in given["USERS"] if "@" not in user)
    if strangers and provider.kind not in HAS_LOGINS:
        lead = f"USERS names {strangers[0]!r}, must name mails or @domain"
        problems.append(f"{lead}: {name} tells nothing else for sure")
    return problems


_NEEDED: Final = {
    "KEY": "the client id that the provider gave",
    "SECRET": "the client secret that goes with it",
    "USERS": "who may come in, as mails, @domain or logins, separated by commas",
}


def _make_gitlab(given: Mapping[str, str]) -> Provider:
    base = f"https://{_fit(given.get('url', 'gitlab.com'), _HOST, 'url', 'a host')}"
    return _below(f"{base}/oauth", "GitLab", Kind.GITLAB, issuer=base)


def _make_azure(given: Mapping[str, str]) -> Provider:
    # Not "common": anybody may have a tenant, and be called there what he likes.
    tenant = _fit(given["tenant"], _GUID, "tenant", "the id of a tenant")
    base = f"https://login.microsoftonline.com/{tenant}"
    return Provider(
        "Microsoft",
        Kind.AZURE,
        f"{base}/oauth2/v2.0/authorize",
        f"{base}/oauth2/v2.0/token",
        "https://graph.microsoft.com/v1.0/me",
        scope="openid User.Read",
        issuer=f"{base}/v2.0",
    )


def _make_okta(given: Mapping[str, str]) -> Provider:
    server = _fit(given.get("server", "default"), _SERVER, "server", "a name")
    base = f"https://{_fit(given['url'], _HOST, 'url', 'a host')}"
    below = f"{base}/oauth2/{server}" if server else f"{base}/oauth2"
    return _below(f"{below}/v1", "Okta", issuer=below if server else base)


def _make_auth0(given: Mapping[str, str]) -> Provider:
    base = f"https://{_fit(given['subdomain'], _HOST, 'subdomain', 'a name')}.auth0.com"
    return Provider(
        "Auth0",
        Kind.OPENID,
        f"{base}/authorize",
        f"{base}/oauth/token",
        f"{base}/userinfo",
        issuer=base,
    )


def _make_generic(given: Mapping[str, str]) -> Provider:
    for key in ("authorize_url", "token_url", "user_url", "issuer"):
        if key in given:
            _check_address(key, given[key])
    return Provider(
        given.get("name", "single sign-on")[:MAX_LABEL],
        Kind.OPENID,
        given["authorize_url"],
        given["token_url"],
        given["user_url"],
        scope=given.get("scope", "openid email"),
        issuer=given.get("issuer", ""),
        has_basic=True,
    )


_RECIPES: Final[Mapping[ProviderName, _Recipe]] = {
    "google": _Recipe(lambda _: GOOGLE),
    "github": _Recipe(lambda _: GITHUB),
    "gitlab": _Recipe(_make_gitlab, optional=("url",)),
    "azure": _Recipe(_make_azure, ("tenant",)),
    "okta": _Recipe(_make_okta, ("url",), ("server",)),
    "auth0": _Recipe(_make_auth0, ("subdomain",)),
    "generic": _Recipe(
        _make_generic, ("authorize_url", "token_url", "user_url"), ("issuer", "scope", "name")
    ),
}


def _below(base: str, label: str, kind: Kind = Kind.OPENID, *, issuer: str) -> Provider:
    """Describe one whose addresses are called as they mostly are."""
    return Provider(
        label, kind, f"{base}/authorize", f"{base}/token", f"{base}/userinfo", issuer=issuer
    )


def _fit(value: str, form: re.Pattern[str], name: str, what: str) -> str:
    if form.fullmatch(value) is None:
        raise ValueError(f"must name {what} in {name}")
    return value


def _check_address(name: str, url: str) -> None:
    """Refuse one that somebody between could read, or answer for."""
    allowed = "must be https:// with a host, or http:// on loopback, without login, query or blanks"
    if any(sign.isspace() or not sign.isprintable() or not sign.isascii() for sign in url):
        raise ValueError(f"{name} {allowed}")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ValueError(f"{name} {allowed}") from error
    is_near = parts.scheme == "http" and (host == "localhost" or is_loopback(host))
    is_odd = parts.query or parts.fragment or parts.username is not None or port == 0
    if not host or is_odd or not (parts.scheme == "https" or is_near):
        raise ValueError(f"{name} {allowed}")
