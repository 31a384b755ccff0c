"""What every answer tells the browser about how far to trust it."""

import secrets
from typing import Any, Final

from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import OutputTransform

from kato_panel.server.addresses import name_in
from kato_panel.views.nonces import MARK

ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`: a browser would then send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
NOBODY: Final = "'none'"
INERT: Final = "default-src 'none'"
"""For whatever is no page."""
WIDGETS: Final = "/widget/"
"""Below it is what others may frame, if the settings name them."""


def page_policy(host: str, nonce: str, framers: str = NOBODY) -> str:
    """
    Write the policy of a page: scripts from this service or marked by it, nothing from elsewhere.

    Panel compiles its components in the browser, from text, which takes ``unsafe-eval`` and
    ``blob:``; Bokeh writes styles into the page. An injected script has neither a place it could
    come from nor a nonce.

    Parameters
    ----------
    host
        Of the request, already judged: not every browser takes a socket to it for ``'self'``.
    nonce
        Of this answer.
    framers
        Origins whose pages may frame it, as policies write them.
    """
    sockets = f" ws://{host} wss://{host}" if name_in(host) else ""
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src 'self' blob: 'nonce-{nonce}' 'unsafe-eval'",
            "script-src-attr 'none'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            f"connect-src 'self' blob:{sockets}",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            f"frame-ancestors {framers}",
        )
    )


class SafeHeaders(OutputTransform):
    """
    Sets the headers of every answer, and makes the marks of our scripts good.

    Attributes
    ----------
    has_policy
        Whether pages have a content security policy; without one, the marks come to nothing.
    prefix
        Below which path everything is mounted.
    framers
        Origins whose pages may frame widgets.
    """

    has_policy: bool = True
    prefix: str = ""
    framers: frozenset[str] = frozenset()

    def __init__(self, request: HTTPServerRequest) -> None:
        super().__init__(request)
        self._host = request.host
        is_widget = request.path.removeprefix(self.prefix).startswith(WIDGETS)
        self._framers = " ".join(sorted(self.framers)) if is_widget else ""

    def transform_first_chunk(
        self,
        status_code: int,
        headers: HTTPHeaders,
        chunk: bytes,
        finishing: bool,  # noqa: FBT001 - Tornado's
    ) -> tuple[int, HTTPHeaders, bytes]:
        """Add what every answer has; a page leaves whole, so its marks are all here."""
        del finishing
        for name, value in ALWAYS.items():
            headers[name] = value
        if self._framers:
            del headers["X-Frame-Options"]  # it can name nobody, and old browsers obey it first
        if "Last-Modified" not in headers:  # as files have, which are no secret
            headers.setdefault("Cache-Control", "no-store")
        for name in [name for name in headers if name.startswith("Access-Control-")]:
            del headers[name]  # Bokeh lets every site read a page's token
        headers.pop("Server", None)
        framers = self._framers or NOBODY
        if not headers.get("Content-Type", "").startswith("text/html"):
            headers["Content-Security-Policy"] = f"{INERT}; frame-ancestors {framers}"
            return status_code, headers, chunk
        nonce = secrets.token_hex(len(MARK) // 2)  # as long as the mark, so the length holds
        if self.has_policy:
            headers["Content-Security-Policy"] = page_policy(self._host, nonce, framers)
        chunk = chunk.replace(MARK.encode(), nonce.encode())
        headers.pop("Etag", None)  # of the page with its marks
        return status_code, headers, chunk


def transform(*, has_policy: bool, prefix: str, framers: frozenset[str]) -> Any:
    """Give the transform that an application adds; see `SafeHeaders`."""
    given = {"has_policy": has_policy, "prefix": prefix, "framers": framers}
    return type("SafeHeaders", (SafeHeaders,), given)
