"""Who may ask for a change upstream, until there are logins: a person at this machine."""

from typing import Final
from urllib.parse import urlsplit

from tornado.httputil import HTTPServerRequest

from kato_panel.domain.actions import is_loopback
from kato_panel.errors import ActionRefused

FORWARDED: Final = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")
"""Headers of proxies, behind which anybody may be."""


def check_change(request: HTTPServerRequest) -> None:
    """
    Let a request pass that may change something.

    Parameters
    ----------
    request
        As it came.

    Raises
    ------
    ActionRefused
        If it comes from elsewhere, by a name that is not this machine's own (as when a stranger's
        name is made to point here), through a proxy, or from another site's page.
    """
    if not is_loopback(request.remote_ip or ""):
        raise ActionRefused("this request comes from another machine")
    if not _is_own_name(request.host):
        raise ActionRefused("Host must be localhost or an address of loopback")
    if any(name in request.headers for name in FORWARDED):
        raise ActionRefused("this request comes through a proxy")
    if request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
        raise ActionRefused("this request comes from another site's page")
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"{request.protocol}://{request.host}":
        raise ActionRefused("Origin must be this service's own address")


def _is_own_name(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name == "localhost" or is_loopback(name)
