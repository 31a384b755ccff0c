"""Tokens, passwords, and the cookie that stands for them."""

import hashlib
import hmac
from typing import Final

from tornado.httputil import HTTPServerRequest
from tornado.web import create_signed_value, decode_signed_value

from kato_panel.allowed import read_passwords
from kato_panel.config import Settings
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
        Signs the cookies. Another token or password makes the cookies of before worthless.

    Attributes
    ----------
    has_users
        Whether a password alone is not enough.
    has_token
        Whether programs have something to send.
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
        shown = (f"{user}:{digest.hex()}" for user, digest in self._passwords.items())
        self._key = derive(secret, "login", (self._token or b"").hex(), *shown)
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
        digest = _digest(given)
        if self._token is not None and hmac.compare_digest(digest, self._token):
            return BY_TOKEN
        named = user if self.has_users else ""
        # Compared in any case: how long it takes tells nobody which users there are.
        kept = self._passwords.get(named, _digest(""))
        if hmac.compare_digest(digest, kept) and named in self._passwords:
            return f"user {user}" if named else BY_PASSWORD
        return None

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


def _digest(text: str) -> bytes:
    """Make texts comparable without telling how long they are."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
