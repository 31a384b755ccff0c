"""Who asks, by which name, and from whose page: what a request's addresses say."""

import re
from collections.abc import Collection, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final
from urllib.parse import urlsplit

from tornado.httputil import HTTPServerRequest

from kato_panel.allowed import Network
from kato_panel.domain.actions import is_loopback

LOCALHOST: Final = "localhost"
_HOST: Final = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::[0-9]{1,5})?", re.IGNORECASE)


def name_in(host: str) -> str | None:
    """Read the name in a ``Host`` header, without its port; ``None`` where it is none."""
    found = _HOST.fullmatch(host)
    return None if found is None else (found[1] or found[2]).lower()


def is_own_name(name: str, bound: Sequence[str] | None, configured: Collection[str]) -> bool:
    """
    Say whether a name is one that this service is reached by.

    A stranger can make a name of his point here, and a browser then takes his page for ours; an
    address, nobody can.

    Parameters
    ----------
    name
        As `name_in` gives it.
    bound
        Addresses that are listened on; ``None`` where nobody knows them.
    configured
        Names beside those.
    """
    if name in configured:
        return True
    mine = [parse(one) for one in bound or ()]
    is_everywhere = bound is None or any(one is not None and one.is_unspecified for one in mine)
    if name == LOCALHOST or is_loopback(name):
        return is_everywhere or any(is_loopback(one) for one in bound or ())
    address = parse(name)
    return address is not None and (is_everywhere or address in mine)


def is_from_here(request: HTTPServerRequest, origins: Collection[str]) -> bool:
    """Say whether a request's origin, where it has one, is this service or a site on the list."""
    origin = request.headers.get("Origin")
    if origin is None:
        return True
    own = f"{request.protocol}://{request.host}".lower()
    return origin.lower() == own or origin.lower() in origins


def find_client(request: HTTPServerRequest, proxies: Iterable[Network]) -> tuple[str, str]:
    """
    Find who really asks, and by which protocol, where a proxy that is believed stands between.

    Parameters
    ----------
    request
        As it came.
    proxies
        Networks of the proxies that are believed.

    Returns
    -------
    tuple of str and str
        Address and protocol: the proxy's words where it is believed, else those of the socket.
    """
    proxies = tuple(proxies)
    address = request.remote_ip or ""
    if not is_in(address, proxies):
        return address, request.protocol
    told = request.headers.get("X-Forwarded-For", "").split(",")
    for part in reversed(told):
        named = part.strip().partition("%")[0]
        if parse(named) is None:
            break
        address = named
        if not is_in(address, proxies):
            break
    protocol = request.headers.get("X-Forwarded-Proto", "").rpartition(",")[2].strip().lower()
    return address, protocol if protocol in {"http", "https"} else request.protocol


def origin_host(origin: str) -> str:
    """Take host and port out of an origin."""
    return urlsplit(origin).netloc


def parse(address: str) -> IPv4Address | IPv6Address | None:
    """Read an address, without its zone; one of IPv4 in IPv6's form is that of IPv4."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


def is_in(address: str, networks: Iterable[Network]) -> bool:
    """Say whether an address belongs to one of some networks."""
    parsed = parse(address)
    return parsed is not None and any(parsed in network for network in networks)
