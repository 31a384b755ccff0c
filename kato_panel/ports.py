"""Whether a port can be listened on."""

import socket


def probe_port(host: str, port: int) -> int:
    """
    Find out whether a port can be listened on, and which one 0 stands for.

    Bokeh wants to know its port before it listens, and leaves sockets open where it cannot.

    Raises
    ------
    OSError
        If it cannot.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        return int(probe.getsockname()[1])
