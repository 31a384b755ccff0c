"""Where this service listens: whether that can be, and who reaches it there."""

import errno
import os
import socket

from kato_panel.config import Settings
from kato_panel.domain.actions import is_loopback
from kato_panel.errors import ConfigError


def find_place(settings: Settings) -> tuple[int, tuple[str, ...]]:
    """
    Find out where to listen, and whether that can and may be.

    Returns
    -------
    tuple of int and tuple of str
        The port, where 0 stands for a free one; and the addresses that the host's name stands for,
        as Tornado asks for them when it listens.

    Raises
    ------
    ConfigError
        If it cannot be listened there, or other machines would get in without a login.
    """
    host, port = settings.host, settings.port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        addresses = tuple(str(place[0]) for *_, place in found)
    except OSError as error:
        raise ConfigError([_say_host(host, error)]) from error
    _check_width(addresses, settings)
    try:
        return _probe_port(host, port), addresses
    except OSError as error:
        is_host = error.errno == errno.EADDRNOTAVAIL
        problem = _say_host(host, error) if is_host else say_taken(host, port, error)
        raise ConfigError([problem]) from error


def say_taken(host: str, port: int, error: OSError) -> str:
    """Say that a port cannot be listened on, and what to do."""
    problem = f"KATO_PANEL_PORT is {port} on {host}, which cannot be used: {_why(error)}"
    return f"{problem}; end who listens there, or choose another with --port, or PORT= for make"


def _probe_port(host: str, port: int) -> int:
    """
    Find out whether a port can be listened on, and which one 0 stands for.

    Bokeh wants to know its port before it listens, and leaves sockets open where it cannot.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        return int(probe.getsockname()[1])


def _say_host(host: str, error: OSError) -> str:
    problem = f"KATO_PANEL_HOST is {host}, which cannot be listened on: {_why(error)}"
    return f"{problem}; must be an address of this machine, or a name of one"


def _why(error: OSError) -> str:
    """Say why; the resolver's numbers are not the system's, and Bokeh's errors may have none."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error)


def _check_width(addresses: tuple[str, ...], settings: Settings) -> None:
    """Refuse to be reached from other machines while everybody would get in."""
    outside = [address for address in addresses if not is_loopback(address)]
    if outside and not settings.has_login and not settings.allow_anonymous:
        problem = f"KATO_PANEL_HOST is {settings.host}, which other machines reach"
        way_out = (
            "set KATO_PANEL_AUTH_TOKEN, KATO_PANEL_BASIC_AUTH or KATO_PANEL_OAUTH_PROVIDER, or let "
            "everybody look, and change nothing, with KATO_PANEL_ALLOW_ANONYMOUS=true"
        )
        raise ConfigError([f"{problem}, must be on loopback, as 127.0.0.1 is; or {way_out}"])
