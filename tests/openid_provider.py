"""A login provider over real sockets: code flow, PKCE, ID tokens, and faults on order."""

import base64
import contextlib
import gzip
import hashlib
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

KEY = "kato-panel-at-the-provider"
SECRET = "s3cret:of/the client"
ANNA = {"sub": "1", "email": "Anna@Example.org", "email_verified": True}
BODIES = {
    "garbage": b"<html>",
    "list": b"[]",
    "empty": b"{}",
    "deep": b"[" * 100_000,
}


class OpenidProvider:
    """
    Runs for as long as its block.

    ``faults`` names what to do wrong at ``token`` or ``user``: a status, a name in `BODIES`,
    ``hang``, ``redirect``, ``gzip`` or ``huge``. ``claims`` and ``granted`` replace parts of what
    it says.
    """

    def __init__(self, secret=SECRET):
        self.person, self.secret = dict(ANNA), secret
        self.faults, self.claims, self.granted = {}, {}, {}
        self.seen = []
        self.codes, self.tokens = {}, set()
        self.ended = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self._server.provider = self
        self.port = self._server.server_address[1]
        # Another site than 127.0.0.1 is to a browser, as a provider mostly is.
        self.url = f"http://localhost:{self.port}"

    def __enter__(self):
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    @property
    def params(self):
        """What ``KATO_PANEL_OAUTH_EXTRA_PARAMS`` is set to."""
        return {
            "authorize_url": f"{self.url}/authorize",
            "token_url": f"{self.url}/token/",
            "user_url": f"{self.url}/userinfo",
            "issuer": self.url,
            "name": "Example",
        }

    @property
    def settings(self):
        """Settings of a service that lets people log in here."""
        return {
            "KATO_PANEL_OAUTH_PROVIDER": "generic",
            "KATO_PANEL_OAUTH_KEY": KEY,
            "KATO_PANEL_OAUTH_SECRET": self.secret,
            "KATO_PANEL_OAUTH_USERS": "anna@example.org",
            "KATO_PANEL_OAUTH_EXTRA_PARAMS": json.dumps(self.params),
        }

    def approve(self, question):
        """Give a code to whoever was sent here with a question; return where to go with it."""
        asked = {name: values[0] for name, values in parse_qs(question).items()}
        assert (asked["response_type"], asked["client_id"]) == ("code", KEY)
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def grant(self, form, login):
        """Give a token for a code, once, to whoever can show what goes with it."""
        pair = base64.b64decode((login or "").removeprefix("Basic ")).decode().split(":")
        if [unquote_plus(part) for part in pair] != [KEY, self.secret]:
            return 401, {"error": "invalid_client"}
        asked = self.codes.pop(form.get("code"), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            asked is None
            or form["redirect_uri"] != asked["redirect_uri"]
            or challenge != asked["code_challenge"]
        ):
            return 400, {"error": "invalid_grant"}
        token = secrets.token_urlsafe(16)
        self.tokens.add(token)
        claims = {
            "iss": self.url,
            "aud": KEY,
            "sub": self.person["sub"],
            "exp": time.time() + 300,
            "nonce": asked.get("nonce"),
            **self.claims,
        }
        body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
        granted = {"access_token": token, "token_type": "Bearer", "id_token": f"e30.{body}.x"}
        return 200, {**granted, **self.granted}


class Answering(BaseHTTPRequestHandler):
    """Answers one question."""

    protocol_version = "HTTP/1.0"

    def log_message(self, *_):
        """Say nothing."""

    def do_GET(self):
        path, _, question = self.path.partition("?")
        self.server.provider.seen.append(("GET", path, dict(self.headers), {}))
        if path == "/authorize" and question:
            link = self.server.provider.approve(question)
            page = f'<!DOCTYPE html><title>Example</title><a href="{link}">Go on</a>'
            page = page.replace("&", "&amp;")
            self.answer(200, page.encode(), "text/html")
        elif path == "/userinfo":
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            known = token in self.server.provider.tokens
            status, told = (
                (200, self.server.provider.person) if known else (401, {"error": "token"})
            )
            self.tell("user", status, told)
        else:
            self.answer(404, b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        self.server.provider.seen.append(("POST", self.path, dict(self.headers), form))
        assert urlsplit(self.path).path == "/token/"
        self.tell("token", *self.server.provider.grant(form, self.headers.get("Authorization")))

    def tell(self, step, status, told):
        fault, body = self.server.provider.faults.get(step), json.dumps(told).encode()
        if fault == "hang":
            self.server.provider.ended.wait(30)
        elif fault == "redirect":
            self.answer(302, b"", Location=f"{self.server.provider.url}/elsewhere")
        elif fault == "gzip":
            self.answer(status, gzip.compress(body), **{"Content-Encoding": "gzip"})
        elif fault == "huge":
            self.answer(status, body + b" " * 1_100_000)
        elif isinstance(fault, int):
            self.answer(fault, b"{}")
        else:
            self.answer(status, BODIES.get(fault, body))

    def answer(self, status, body, kind="application/json", **headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # whoever asked may have heard enough
            self.wfile.write(body)
