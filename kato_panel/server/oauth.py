"""Logins elsewhere: the way to a provider and back, which ends in a cookie of our own."""

import hashlib
import logging
import re
import secrets
import time
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tornado.web import RequestHandler, create_signed_value, decode_signed_value

from kato_panel.domain.identity import Identity
from kato_panel.errors import SourceError
from kato_panel.provider_calls import LoginProvider
from kato_panel.providers import CALLBACK
from kato_panel.server.credentials import Credentials
from kato_panel.server.guard import WAY, Guard, guarded
from kato_panel.server.login import choose_target, let_in, show_page
from kato_panel.server.secret import derive

logger = logging.getLogger(__name__)

WAY_SECONDS: Final = 600
"""For logging in there, with whatever that provider asks for."""
MAX_ENDED: Final = 10_000
UP: Final = "../"
"""From the address where people come back to that of the login."""
_CODE: Final = re.compile("[ -~]{1,4096}")
NOT_BEGUN: Final = "This login was not begun in this browser, or took too long. Try again."


@dataclass(frozen=True, slots=True)
class Way:
    """
    Somebody's way to a provider and back.

    Parameters
    ----------
    state
        Comes back from there, and stands in his cookie.
    target
        Where he wanted to go.
    nonce
        Comes back in an ID token.
    verifier
        What only we can know who sent him there.
    """

    state: str
    target: str
    nonce: str
    verifier: str

    @property
    def challenge(self) -> str:
        """What the provider holds the verifier against."""
        return _short(hashlib.sha256(self.verifier.encode()).digest())


class Ways:
    """
    Begins and ends them; nothing is kept of those that nobody ends.

    Parameters
    ----------
    key
        Signs the cookies, and makes nonces and verifiers of states: no cookie holds them.
    name
        Of the cookie.
    clock
        Gives monotonic seconds.
    """

    def __init__(self, key: bytes, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._key, self._clock = key, clock
        self._ended: OrderedDict[str, float] = OrderedDict()

    def begin(self, target: str) -> tuple[Way, str]:
        """Begin one; return what the cookie holds, too."""
        way = self._make(secrets.token_urlsafe(32), target)
        words = f"{way.state} {target}"
        return way, create_signed_value(self._key, self.name, words).decode()

    def find(self, cookie: str | None, state: str) -> Way | None:
        """Find the way that a browser comes back from; ``None`` if it is none, or has ended."""
        days = WAY_SECONDS / 86_400
        words = decode_signed_value(self._key, self.name, cookie, max_age_days=days)
        if words is None:
            return None
        begun, _, target = words.decode().partition(" ")
        if not secrets.compare_digest(begun.encode(), state.encode()) or begun in self._ended:
            return None
        return self._make(begun, target)

    def end(self, way: Way) -> None:
        """Let nobody come by it again."""
        now = self._clock()
        self._ended[way.state] = now
        while len(self._ended) > MAX_ENDED or next(iter(self._ended.values())) < now - WAY_SECONDS:
            self._ended.popitem(last=False)

    def _make(self, state: str, target: str) -> Way:
        nonce, verifier = (_short(derive(self._key, what, state)) for what in ("nonce", "verifier"))
        return Way(state, target, nonce, verifier)


class _OnTheWay(RequestHandler):
    """What both ends have."""

    def initialize(
        self, guard: Guard, credentials: Credentials, provider: LoginProvider, ways: Ways
    ) -> None:
        """Take what the route was made with."""
        self._guard_of_doors, self._credentials = guard, credentials
        self._provider, self._ways = provider, ways

    @property
    def _redirect_uri(self) -> str:
        if self._credentials.redirect_uri is not None:
            return self._credentials.redirect_uri
        # The guard has judged by which name it was asked; the provider knows ours, too.
        prefix = getattr(self.application, "prefix", "")
        return f"{self.request.protocol}://{self.request.host}{prefix}{CALLBACK}"


class WayRequest(_OnTheWay):
    """``GET /login/oauth``."""

    def get(self) -> None:
        """Send somebody to the provider."""
        way, cookie = self._ways.begin(choose_target(self.get_query_argument("next", "")))
        self.set_cookie(
            self._ways.name,
            cookie,
            httponly=True,
            samesite="Lax",  # goes along with the way back, which begins on the provider's page
            secure=self.request.protocol == "https",
            max_age=WAY_SECONDS,
        )
        where = self._provider.address(
            state=way.state,
            nonce=way.nonce,
            challenge=way.challenge,
            redirect_uri=self._redirect_uri,
        )
        self.redirect(where)


class CallbackRequest(_OnTheWay):
    """``GET /login/callback``."""

    async def get(self) -> None:
        """Let in who comes back, or say why not."""
        label = self._provider.provider.label
        way = self._ways.find(
            self.get_cookie(self._ways.name), self.get_query_argument("state", "")
        )
        if way is None:
            self._refuse(400, NOT_BEGUN, "no such login was begun, or it has ended")
            return
        # Not counted before: another site's page could send people here, and lock them out.
        wait = self._guard_of_doors.tries.wait_seconds(self.request.remote_ip or "")
        if wait:
            self.set_header("Retry-After", str(wait))
            self._refuse(429, f"Too many tries. Wait {wait} s.", "too many tries", way)
            return
        self._ways.end(way)
        self.clear_cookie(self._ways.name, httponly=True, samesite="Lax")
        code = self.get_query_argument("code", "")
        if not _CODE.fullmatch(code):
            word = self.get_query_argument("error", "no code")[:60]
            self._refuse(401, f"{label} did not let you in.", f"refused there: {word!a}", way)
            return
        try:
            identity = await self._provider.identify(
                code=code, verifier=way.verifier, nonce=way.nonce, redirect_uri=self._redirect_uri
            )
        except SourceError as error:
            words = (
                f"{label} did not say who you are. Try again, or tell whoever runs this service."
            )
            self._refuse(502, words, error.reason, way)
            return
        self._judge(identity, way)

    def _judge(self, identity: Identity, way: Way) -> None:
        label = self._provider.provider.label
        visitor = self._credentials.admit(identity)
        if visitor is not None:
            let_in(self, self._credentials, visitor)
            self.redirect(f"{UP}{way.target}")
        elif identity.names:
            name = identity.names[0]
            words = f"{name} may not come in here. Ask who runs this service."
            self._refuse(403, words, f"{name} is not on the list", way)
        else:
            self._refuse(
                403, f"{label} has not verified who you are.", "nothing is verified there", way
            )

    def _refuse(self, status: int, words: str, reason: str, way: Way | None = None) -> None:
        """Show the login again, and note why."""
        logger.warning(
            "login with %s from %s failed: %s",
            self._provider.provider.label,
            self.request.remote_ip,
            reason,
        )
        self.set_status(status)
        target = choose_target("" if way is None else way.target)
        show_page(self, self._credentials, target, words, UP)


def oauth_routes(guard: Guard) -> list[Any]:
    """List the routes of logins elsewhere; none where there are none."""
    credentials = guard.credentials
    if credentials is None or credentials.provider is None:
        return []
    ways = Ways(credentials.way_key, f"{credentials.cookie_name}_way")
    made = {
        "guard": guard,
        "credentials": credentials,
        "provider": credentials.provider,
        "ways": ways,
    }
    return guarded([(WAY, WayRequest, made), (CALLBACK, CallbackRequest, made)], guard)


def _short(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()
