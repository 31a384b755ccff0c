"""Names and addresses of requests."""

from ipaddress import ip_network

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from kato_panel.server.addresses import find_client, is_own_name, name_in

LOOPBACK = ("127.0.0.1",)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("kato.example", "kato.example"),
        ("KATO.example:5006", "kato.example"),
        ("[::1]:5006", "::1"),
        ("127.0.0.1", "127.0.0.1"),
        ("", None),
        ("[::1", None),
        ("user@kato", None),
        ("kato/x", None),
        ("kato:x", None),
        ("kato example", None),
        ("kato.example:5006\n", None),
    ],
)
def test_name_is_read_strictly(host, name):
    """What is no name is none."""
    assert name_in(host) == name


@pytest.mark.parametrize(
    ("name", "bound", "is_own"),
    [
        ("localhost", LOOPBACK, True),
        ("127.0.0.1", LOOPBACK, True),
        ("127.9.9.9", LOOPBACK, True),
        ("::1", LOOPBACK, True),
        ("kato.example", LOOPBACK, True),
        ("evil.example", LOOPBACK, False),
        ("localhost.evil.example", LOOPBACK, False),
        ("127.0.0.1.evil.example", LOOPBACK, False),
        ("192.0.2.1", LOOPBACK, False),
        ("192.0.2.1", ("192.0.2.1",), True),
        ("192.0.2.2", ("192.0.2.1",), False),
        ("localhost", ("192.0.2.1",), False),
        ("192.0.2.1", ("0.0.0.0",), True),
        ("evil.example", ("0.0.0.0",), False),
        ("localhost", ("::",), True),
        ("2001:db8::1", ("::",), True),
        ("192.0.2.1", None, True),
        ("evil.example", None, False),
    ],
)
def test_own_names_are_addresses_and_what_is_listed(name, bound, is_own):
    """A stranger can point a name here, and no address."""
    assert is_own_name(name, bound, {"kato.example"}) is is_own


def request(peer, **headers):
    given = HTTPHeaders(
        {"Host": "h"} | {name.replace("_", "-"): value for name, value in headers.items()}
    )
    line = RequestStartLine("GET", "/", "HTTP/1.1")
    found = HTTPServerRequest(start_line=line, headers=given)
    found.remote_ip, found.protocol = peer, "http"
    return found


PROXIES = (ip_network("10.0.0.0/8"),)


@pytest.mark.parametrize(
    ("peer", "told", "protocol", "client"),
    [
        ("192.0.2.1", "203.0.113.9", "https", ("192.0.2.1", "http")),
        ("10.0.0.1", "203.0.113.9", "https", ("203.0.113.9", "https")),
        ("10.0.0.1", "203.0.113.9, 10.0.0.7", "https", ("203.0.113.9", "https")),
        ("10.0.0.1", "1.1.1.1, 203.0.113.9", "http, https", ("203.0.113.9", "https")),
        ("10.0.0.1", "evil, 203.0.113.9, 10.0.0.7", "x", ("203.0.113.9", "http")),
        ("10.0.0.1", "203.0.113.9, evil", "https", ("10.0.0.1", "https")),
        ("10.0.0.1", "", "https", ("10.0.0.1", "https")),
        ("::ffff:10.0.0.1", "203.0.113.9", "https", ("203.0.113.9", "https")),
    ],
)
def test_only_a_trusted_proxy_speaks_for_another(peer, told, protocol, client):
    """And of what it says, only what it has seen itself."""
    asked = request(peer, X_Forwarded_For=told, X_Forwarded_Proto=protocol)
    assert find_client(asked, PROXIES) == client
