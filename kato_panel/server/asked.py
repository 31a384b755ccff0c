"""What a request asks for."""

from tornado.httputil import HTTPServerRequest

from kato_panel.errors import QueryError


def read_question(request: HTTPServerRequest) -> dict[str, str]:
    """
    Read what the address of a request says.

    Tornado's own reading takes control characters away, which a node's name may hold.

    Parameters
    ----------
    request
        As it came.

    Returns
    -------
    dict
        Text by field; of one that is given twice, the last.

    Raises
    ------
    QueryError
        If a field, or its name, is no UTF-8.
    """
    given: dict[str, str] = {}
    for name, values in request.query_arguments.items():
        try:
            given[name] = values[-1].decode()
        except UnicodeDecodeError as error:
            raise QueryError(name, values[-1].decode("latin-1"), "UTF-8") from error
    return given
