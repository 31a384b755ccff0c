"""Who may ask for a change upstream, until there are logins: a person at this machine."""

from tornado.httputil import HTTPServerRequest

from kato_panel.domain.actions import is_loopback, judge_request
from kato_panel.errors import ActionRefused


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
    judged = judge_request(request.host, request.headers)
    if not judged.allowed:
        raise ActionRefused(judged.reason)
    if request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
        raise ActionRefused("this request comes from another site's page")
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"{request.protocol}://{request.host}":
        raise ActionRefused("Origin must be this service's own address")
