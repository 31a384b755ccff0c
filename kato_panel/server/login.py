"""The login page, and the way out."""

import html
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

from tornado.web import RequestHandler

from kato_panel.domain.text import safe
from kato_panel.server.credentials import LOGIN_DAYS, Credentials
from kato_panel.server.guard import LOGIN, LOGOUT, WAY, Guard, guarded
from kato_panel.views.nonces import MARK
from kato_panel.views.theme import ASSETS, DARK, LIGHT, variables

DASHBOARD: Final = "app"
MAX_NEXT: Final = 2_000
MAX_TROUBLE: Final = 400
_PRINTABLE: Final = re.compile(r"[!-\[\]-~]*")


class LoginRequest(RequestHandler):
    """``/login``: one form, as the token or a password opens everything, and a way elsewhere."""

    def initialize(self, guard: Guard, credentials: Credentials) -> None:
        """Take what the route was made with."""
        self._guard_of_doors = guard
        self._credentials = credentials

    def get(self) -> None:
        """Show the form; whoever is logged in goes on."""
        target = choose_target(self.get_query_argument("next", ""))
        if self._credentials.visitor_of(self.request) is not None:
            self.redirect(target)
        else:
            self._show(target)

    def post(self) -> None:
        """Let in, or say that it was wrong."""
        target = choose_target(self.get_body_argument("next", ""))
        wait = self._guard_of_doors.tries.wait_seconds(self.request.remote_ip or "")
        if wait:
            self.set_status(429)
            self.set_header("Retry-After", str(wait))
            self._show(target, f"Too many tries. Wait {wait} s.")
            return
        visitor = self._credentials.check(
            self.get_body_argument("user", "", strip=False),
            self.get_body_argument("secret", "", strip=False),
        )
        if visitor is None:
            self.set_status(401)
            self._show(target, "That is not right.")
            return
        let_in(self, self._credentials, visitor)
        self.redirect(target, status=303)

    def _show(self, target: str, trouble: str = "") -> None:
        show_page(self, self._credentials, target, trouble)


class LogoutRequest(RequestHandler):
    """``POST /logout``."""

    def initialize(self, credentials: Credentials) -> None:
        """Take what the route was made with."""
        self._credentials = credentials

    def post(self) -> None:
        """Take the cookie away, and show the login."""
        self.clear_cookie(self._credentials.cookie_name, httponly=True, samesite="Lax")
        self.redirect(LOGIN[1:], status=303)


def login_routes(guard: Guard) -> list[Any]:
    """List the routes of the login; none where there is none."""
    if guard.credentials is None:
        return []
    credentials = {"credentials": guard.credentials}
    listed = [
        (LOGIN, LoginRequest, {"guard": guard, **credentials}),
        (LOGOUT, LogoutRequest, credentials),
    ]
    return guarded(listed, guard)


def let_in(answer: RequestHandler, credentials: Credentials, visitor: str) -> None:
    """Give somebody the cookie that stands for his login."""
    answer.set_cookie(
        credentials.cookie_name,
        credentials.write_cookie(visitor),
        httponly=True,
        samesite="Lax",
        secure=answer.request.protocol == "https",
        max_age=LOGIN_DAYS * 86_400,
    )


def show_page(
    answer: RequestHandler, credentials: Credentials, target: str, trouble: str, up: str = ""
) -> None:
    """Answer with the login page; see `write_page`."""
    answer.set_header("Content-Type", "text/html; charset=utf-8")
    answer.set_header("Cache-Control", "no-store")
    answer.finish(write_page(credentials, target, trouble, up))


def choose_target(wanted: str) -> str:
    """
    Choose where to go after the login: within this service, whatever the address said.

    Parameters
    ----------
    wanted
        Relative to the login; anything else is the dashboard.
    """
    wanted = wanted.removeprefix("./")
    if not wanted or len(wanted) > MAX_NEXT or wanted.startswith("/"):
        return DASHBOARD
    if not _PRINTABLE.fullmatch(wanted):
        return DASHBOARD
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return DASHBOARD
    if parts.scheme or parts.netloc or parts.path.lstrip("./").startswith(LOGIN[1:]):
        return DASHBOARD
    return f"./{wanted}"


def write_page(credentials: Credentials, target: str, trouble: str, up: str = "") -> str:
    """
    Write the login page, in the look of the dashboard.

    Parameters
    ----------
    credentials
        Say what there is to type, and where else people log in.
    target
        Where to go after the login.
    trouble
        Why they are here again; empty where nothing went wrong.
    up
        Leads from the page's address to where the login is.
    """
    noun = "Password" if not credentials.has_token else "Access token"
    if credentials.has_token and credentials.has_users:
        noun = "Password, or access token"
    user = '<label>User<input name="user" autocomplete="username" maxlength="200"></label>'
    filled = {
        "light": variables(LIGHT),
        "dark": variables(DARK),
        "mark": MARK,
        "up": up,
        "next": html.escape(target),
        "user": user if credentials.has_users else "",
        "noun": safe(noun),
        "trouble": f'<p role="alert">{safe(trouble, MAX_TROUBLE)}</p>' if trouble else "",
        "way": f"{WAY[1:]}?next={quote(target, safe='')}",
        "provider": safe(credentials.provider.provider.label) if credentials.provider else "",
    }
    parts = {
        "form": "login_form" if credentials.takes_secrets else "",
        "elsewhere": "login_elsewhere" if credentials.provider else "",
    }
    filled |= {name: _fill(part, filled) if part else "" for name, part in parts.items()}
    return _fill("login", filled)


def _fill(name: str, filled: Mapping[str, str]) -> str:
    """Fill the gaps of a template; what fills them is markup by now."""
    template = (ASSETS / f"{name}.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: filled[found[1]], template)
