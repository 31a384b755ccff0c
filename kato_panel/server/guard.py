"""
The guard at every door: each request is judged before anything answers it.

In ``kato-panel serve`` it stands before the router, so that it judges Panel's routes as well as
ours, and whatever somebody adds. Our own routes bring it along wherever they are mounted.
"""

import secrets
from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import quote
from weakref import WeakKeyDictionary

from tornado.httputil import HTTPServerRequest
from tornado.web import RequestHandler

from kato_panel.domain.actions import VISITOR, comes_by_proxy, is_loopback, judge_request
from kato_panel.errors import ActionRefused
from kato_panel.providers import CALLBACK
from kato_panel.runtime import Runtime
from kato_panel.server.addresses import find_client, is_from_here, is_in, is_own_name, name_in
from kato_panel.server.credentials import Credentials
from kato_panel.server.discretion import Discreet
from kato_panel.server.headers import WIDGETS
from kato_panel.server.limits import Bucket, Throttle
from kato_panel.server.refusals import Refusal, Refused
from kato_panel.server.secret import derive, keep_secret, usual_place

OPEN: Final = frozenset({"/healthz"})
"""Answers everybody, by whatever name: it tells nothing, and whoever asks may have no token."""
LOGIN: Final = "/login"
LOGOUT: Final = "/logout"
WAY: Final = f"{LOGIN}/oauth"
"""Leads to where people log in elsewhere."""
ENTRANCES: Final = frozenset({LOGIN, WAY, CALLBACK})
"""Where people come who have nothing to show yet."""
PAGES: Final = frozenset({"/", "/app", "/app/"})
"""What people open: without a login they are led to it. Programs are told."""
OURS: Final = ("/api/", "/metrics", "/readyz")
"""What programs ask; its answers to OPTIONS name the methods, and allow nobody anything."""
COSTLY: Final = frozenset({"/app", "/app/"})
"""What builds a page; 200 of them at once would hold up everybody for 45 s."""
SCRIPT: Final = "/app/autoload.js"
"""The same, as a script that fills an element; it is answered where that is named."""
ELEMENT: Final = "bokeh-autoload-element"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
CHOOSING: Final = ("bokeh-session-id", "bokeh-token")
"""By these Bokeh lets a caller choose a page's session, or join another's."""
PAGES_PER_SECOND: Final = 4.0
PAGES_AT_ONCE: Final = 8
LOGIN_TRIES: Final = 10
LOGIN_SECONDS: Final = 60.0


class Guard:
    """
    Judges requests.

    Parameters
    ----------
    runtime
        Whose settings say who may do what, and which knows where it is listened.
    secret
        Of which the keys for cookies and pages are made.

    Attributes
    ----------
    credentials
        What has to be shown; ``None`` where nobody has to.
    tries
        How often an address may try to log in.
    wrong_tokens
        How often an address may show a wrong token; a right one always passes.
    page_key
        Signs what a page shows that it was asked for here.
    """

    def __init__(self, runtime: Runtime, secret: bytes) -> None:
        settings = runtime.settings
        self._runtime = runtime
        self._names = settings.hosts | {settings.host.lower()}
        self._origins = settings.origins
        self._proxies = settings.proxies
        self.credentials = Credentials(settings, secret) if settings.has_login else None
        self.tries = Throttle(LOGIN_TRIES, LOGIN_SECONDS)
        self.wrong_tokens = Throttle(LOGIN_TRIES, LOGIN_SECONDS)
        self.page_key = derive(secret, "pages")

    def resolve(self, request: HTTPServerRequest) -> None:
        """
        Let a request say who really sent it, where a proxy that is believed passed it on.

        One that came by a proxy says so from here on, even where the proxy did not.
        """
        if is_in(request.remote_ip or "", self._proxies) or comes_by_proxy(request.headers):
            request.headers.setdefault("Via", "a proxy")
        request.remote_ip, request.protocol = find_client(request, self._proxies)

    def visitor_of(self, request: HTTPServerRequest) -> str:
        """Say who sent a request; empty where there is no login."""
        return (self.credentials and self.credentials.visitor_of(request)) or ""

    def judge(self, request: HTTPServerRequest, prefix: str = "") -> Refusal | None:
        """
        Judge a request by what its head says.

        Parameters
        ----------
        request
            As it came; from here on it names who really sent it.
        prefix
            Below which path everything is mounted.

        Returns
        -------
        Refusal or None
            ``None`` lets it pass.
        """
        self.resolve(request)
        path = request.path.removeprefix(prefix)
        if path == CALLBACK:
            request.uri = request.path  # its question holds a code, which no log needs
        if path in OPEN:
            return None
        refusal = self._judge_place(request) or self._judge_visitor(request, path)
        request.headers[VISITOR] = self._name(request)  # whatever it was that came
        if refusal is None and request.method == "OPTIONS" and not path.startswith(OURS):
            # What a browser asks before another site's script may call: Panel's would let it.
            return Refusal(405, "method_not_allowed", "OPTIONS is not answered here")
        return refusal

    def _judge_place(self, request: HTTPServerRequest) -> Refusal | None:
        """Refuse who comes by a name that is not ours, or from another site's page."""
        name = name_in(request.headers.get("Host", ""))
        if name is None or not is_own_name(name, self._runtime.listens_on, self._names):
            return _forbid("Host must be this service's own, or be in KATO_PANEL_ALLOWED_HOSTS")
        if not is_from_here(request, self._origins if request.method in SAFE else ()):
            return _forbid("Origin must be this service's own address")
        site = request.headers.get("Sec-Fetch-Site", "none")
        is_opened = (
            request.method in SAFE
            and request.headers.get("Sec-Fetch-Mode") == "navigate"
            and "Upgrade" not in request.headers
        )
        is_listed = "Origin" in request.headers  # or it would have been refused above
        if site not in {"none", "same-origin"} and not is_opened and not is_listed:
            return _forbid("this request comes from another site's page")
        if "Bokeh-Session-Id" in request.headers or any(
            name in request.query_arguments for name in CHOOSING
        ):
            return _forbid("a page's session cannot be chosen")
        return None

    def _judge_visitor(self, request: HTTPServerRequest, path: str) -> Refusal | None:
        """Refuse who shows neither token nor cookie, where that is asked for."""
        if self.credentials is None or path in ENTRANCES:
            return None
        if self.credentials.visitor_of(request) is not None:
            return None
        is_person = "Authorization" not in request.headers
        if is_person and path in PAGES and request.method in {"GET", "HEAD"}:
            up = "../" * (path.count("/") - 1)
            back = quote(request.uri.removeprefix("/"), safe="") if request.uri else ""
            where = {"Location": f"{up}{LOGIN[1:]}?next={back}"}
            return Refusal(302, "login", "log in first", where)
        wait = 0 if is_person else self.wrong_tokens.wait_seconds(request.remote_ip or "")
        if wait:
            again = {"Retry-After": str(wait)}
            message = f"too many wrong tokens: come back in {wait} s, with the right one"
            return Refusal(429, "too_many_tries", message, again)
        advice = "log in, or send Authorization: Bearer with the token"
        if path.startswith(WIDGETS):  # may be framed, and a login must not be
            advice = "nobody is logged in here: do so at the dashboard itself, then load this again"
        return Refusal(
            401,
            "unauthorized",
            advice,
            {"WWW-Authenticate": 'Bearer realm="kato-panel"'},
        )

    def _name(self, request: HTTPServerRequest) -> str:
        """Say in whose name a page acts that is asked for now."""
        visitor = self.visitor_of(request)
        return quote(f"{visitor}, from {request.remote_ip}" if visitor else "", safe=" ,.:")

    def check_change(self, request: HTTPServerRequest) -> None:
        """
        Let a request pass that may change something; `judge` has let it pass already.

        Raises
        ------
        ActionRefused
            Without a login, if it comes from elsewhere, by a name that is not this machine's own,
            or through a proxy.
        """
        if self.credentials is not None:
            if self.credentials.visitor_of(request) is None:
                raise ActionRefused("nobody is logged in")
            return
        if not is_loopback(request.remote_ip or ""):
            raise ActionRefused("this request comes from another machine")
        judged = judge_request(request.host, request.headers)
        if not judged.allowed:
            raise ActionRefused(judged.reason)

    def install(
        self,
        application: Any,
        *,
        pages_per_second: float = PAGES_PER_SECOND,
        check_widget: Callable[[HTTPServerRequest, str], Refusal | None],
    ) -> None:
        """
        Stand before an application's router.

        Parameters
        ----------
        application
            Panel's; every request to it is judged from now on, whatever its route.
        pages_per_second
            How many pages may be built in the long run.
        check_widget
            Says of a request, and its path, why there is no such widget.
        """
        route = application.find_handler
        pages = Bucket(pages_per_second, max(PAGES_AT_ONCE, int(pages_per_second)))

        def find_handler(request: HTTPServerRequest, **options: Any) -> Any:
            refusal = self.judge(request, application.prefix)
            path = request.path.removeprefix(application.prefix)
            is_widget = path.startswith(WIDGETS)
            if refusal is None and is_widget:
                refusal = check_widget(request, path)
            is_costly = (
                path in COSTLY
                or (is_widget and not path.endswith("/ws"))
                or (path == SCRIPT and ELEMENT in request.query_arguments)
            )
            if refusal is None and is_costly and not pages.take():
                refusal = _busy()
            if refusal is None:
                return route(request, **options)
            return application.get_handler_delegate(request, Refused, {"refusal": refusal})

        application.find_handler = find_handler


class _Guarded(Discreet):
    """What a route of ours has before everything else."""

    guard: Guard

    async def prepare(self) -> None:
        """Judge, and only then go on."""
        prefix = getattr(self.application, "prefix", "")
        refusal = self.guard.judge(self.request, prefix)
        path = self.request.path.removeprefix(prefix)
        if refusal is None and self.guard.credentials is None and path not in OPEN:
            refusal = await _ask_provider(self)
        if refusal is not None:
            refusal.answer(self)
        elif (more := super().prepare()) is not None:
            await more


async def _ask_provider(request: RequestHandler) -> Refusal | None:
    """Let Panel's own login judge, where it has one: whoever may not see the page sees nothing."""
    provider = getattr(request.application, "auth_provider", None)
    ask: Any = getattr(provider, "get_user", None)
    ask_later: Any = getattr(provider, "get_user_async", None)
    if ask is None and ask_later is None:
        return None
    user = ask(request) if ask is not None else await ask_later(request)
    return None if user else Refusal(401, "unauthorized", "log in at the page first")


def guarded(routes: Iterable[tuple[Any, ...]], guard: Guard) -> list[Any]:
    """
    Let routes bring their guard along, wherever they are mounted.

    Parameters
    ----------
    routes
        Pattern, request class and arguments of each.
    guard
        Who judges.
    """
    return [
        (pattern, type(request.__name__, (_Guarded, request), {"guard": guard}), *arguments)
        for pattern, request, *arguments in routes
    ]


_guards: WeakKeyDictionary[Runtime, Guard] = WeakKeyDictionary()


def guard_of(runtime: Runtime) -> Guard:
    """Return the one guard of a runtime."""
    if runtime not in _guards:
        _guards[runtime] = Guard(runtime, keep_secret(usual_place()))
    return _guards[runtime]


def _busy() -> Refusal:
    """Say that too many pages are being opened; browsers come back, and not all at once."""
    seconds = str(2 + secrets.randbelow(4))
    wait = {"Retry-After": seconds, "Refresh": seconds}
    return Refusal(503, "busy", f"many pages are being opened: come back in {seconds} s", wait)


def _forbid(message: str) -> Refusal:
    return Refusal(403, "forbidden", message)
