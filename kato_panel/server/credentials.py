"""Tokens, passwords, logins elsewhere, and the cookie that stands for them."""

import hashlib
import hmac
from typing import Final

from tornado.httputil import HTTPServerRequest
from tornado.web import create_signed_value, decode_signed_value

from kato_panel.allowed import read_passwords
from kato_panel.config import Settings
from kato_panel.domain.identity import Identity, admit
from kato_panel.provider_calls import LoginProvider
from kato_panel.server.secret import derive

LOGIN_DAYS: Final = 7
COOKIE: Final = "kato_panel_login"
"""Begins the cookie's name; its end tells services of one host with other tokens apart."""
BY_TOKEN: Final = "token"  # noqa: S105 - a visitor's name
BY_PASSWORD: Final = "password"  # noqa: S105 - the same


class Credentials:
    """
    What people and programs show to be let in.

    Parameters
    ----------
    settings
        With a login.
    secret
        Signs the cookies. Another token or password, another provider, or another list of who may
        come in by it makes the cookies of before worthless.

    Attributes
    ----------
    has_users
        Whether a password alone is not enough.
    has_token
        Whether programs have something to send.
    takes_secrets
        Whether there is something to type.
    provider
        Where else people log in; ``None`` where they do not.
    redirect_uri
        Where they come back to from there; ``None`` where that is as they came.
    way_key
        Signs what stands for somebody who is on the way there.
    cookie_name
        Of the cookie that stands for a login.
    """

    def __init__(self, settings: Settings, secret: bytes) -> None:
        token, basic = settings.auth_token, settings.basic_auth
        self._token = None if token is None else _digest(token.get_secret_value())
        given = {} if basic is None else read_passwords(basic.get_secret_value())
        self._passwords = {user: _digest(password) for user, password in given.items()}
        self.has_users = bool(given) and "" not in given
        self.has_token = token is not None
        self.takes_secrets = settings.takes_secrets
        self.provider = _provider_of(settings)
        self.redirect_uri = settings.oauth_redirect_uri
        self._users = settings.users
        shown = [f"{user}:{digest.hex()}" for user, digest in self._passwords.items()]
        if self.provider is not None:
            # Whoever is taken from the list is out at once.
            shown += [repr(self.provider.provider), str(settings.oauth_key), *sorted(self._users)]
        self._key = derive(secret, "login", (self._token or b"").hex(), *shown)
        self.way_key = derive(self._key, "way")
        self.cookie_name = f"{COOKIE}_{derive(self._key, 'name').hex()[:8]}"

    def check(self, user: str, given: str) -> str | None:
        """
        Check what a person typed.

        Parameters
        ----------
        user
            A name, or nothing.
        given
            A password, or the token.

        Returns
        -------
        str or None
            How the visitor is called from now on; ``None`` if it is wrong.
        """
        pasted = _digest(given.strip())  # a token has no blanks; a password may
        if self._token is not None and hmac.compare_digest(pasted, self._token):
            return BY_TOKEN
        digest = _digest(given)
        named = user if self.has_users else ""
        # Compared in any case: how long it takes tells nobody which users there are.
        kept = self._passwords.get(named, _digest(""))
        if hmac.compare_digest(digest, kept) and named in self._passwords:
            return f"user {user}" if named else BY_PASSWORD
        return None

    def admit(self, identity: Identity) -> str | None:
        """Say how somebody who logged in elsewhere is called; ``None`` if he may not come in."""
        name = admit(identity, self._users)
        return None if name is None else f"user {name}"

    def write_cookie(self, visitor: str) -> str:
        """Write the cookie's value for a visitor."""
        return create_signed_value(self._key, self.cookie_name, visitor).decode()

    def visitor_of(self, request: HTTPServerRequest) -> str | None:
        """Say who sent a request, by its bearer token or its cookie; ``None`` if that is nobody."""
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            is_right = self._token is not None and hmac.compare_digest(
                _digest(given.strip()), self._token
            )
            return BY_TOKEN if is_right else None
        cookie = request.cookies.get(self.cookie_name)
        if cookie is None:
            return None
        named = decode_signed_value(
            self._key, self.cookie_name, cookie.value, max_age_days=LOGIN_DAYS
        )
        return None if named is None else named.decode()


def _provider_of(settings: Settings) -> LoginProvider | None:
    provider, secret = settings.login_provider, settings.oauth_secret
    if provider is None or settings.oauth_key is None or secret is None:
        return None
    return LoginProvider(provider, settings.oauth_key, secret.get_secret_value())


def _digest(text: str) -> bytes:
    """Make texts comparable without telling how long they are."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
