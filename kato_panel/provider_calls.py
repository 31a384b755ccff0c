"""Asks a login provider who somebody is, with the code that he brought from there."""

import json
import re
import time
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote_plus, urlencode, urlsplit

from kato_panel.domain.identity import (
    MAX_TOKEN,
    Identity,
    Kind,
    check_claims,
    read_id_token,
    read_identity,
)
from kato_panel.errors import PayloadError, SourceUnavailable
from kato_panel.providers import Provider
from kato_panel.sources import payloads
from kato_panel.sources.calls import OK, Answer, KatoCalls

DEADLINE_SECONDS: Final = 5.0
"""For each of two or three calls."""
ANSWERED: Final = frozenset({OK, 400, 401, 403})
"""What a token's address answers in words."""
ASKS_FOR_A_TOKEN: Final = frozenset({400, 401, 403})
NOBODY_ELSE: Final = frozenset({"invalid_client", "unauthorized_client"}) | {
    "incorrect_client_credentials"  # GitHub's
}
"""Words of a provider that does not know our key, or not with our secret."""
_TOKEN: Final = re.compile(f"[!-~]{{1,{MAX_TOKEN}}}")


class LoginProvider:
    """
    Speaks to one provider: the code flow of OAuth 2 with PKCE, and its question who that is.

    Parameters
    ----------
    provider
        Which one.
    key, secret
        What we are called there, and what proves it.
    deadline_seconds
        For each call.
    """

    def __init__(
        self,
        provider: Provider,
        key: str,
        secret: str,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self.provider = provider
        self._key, self._secret = key, secret
        self._deadline_seconds = deadline_seconds

    def address(self, *, state: str, nonce: str, challenge: str, redirect_uri: str) -> str:
        """
        Write the address to which a browser is sent.

        Parameters
        ----------
        state, nonce
            Come back with the code, and in the ID token.
        challenge
            Of the verifier that `identify` shows.
        redirect_uri
            Where people come back to.
        """
        question = {
            "response_type": "code",
            "client_id": self._key,
            "redirect_uri": redirect_uri,
            "scope": self.provider.scope,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **({"nonce": nonce} if self._has_id_token else {}),
        }
        return f"{self.provider.authorize_url}?{urlencode(question)}"

    async def identify(
        self, *, code: str, verifier: str, nonce: str, redirect_uri: str
    ) -> Identity:
        """
        Ask who brought a code.

        Parameters
        ----------
        code
            As he brought it.
        verifier, nonce
            What only we know of his way, and what his ID token has to repeat.
        redirect_uri
            As it was told in `address`.

        Raises
        ------
        SourceError
            If the provider does not say so, or not soundly; its text holds no secret.
        """
        granted = await self._trade(code, verifier, redirect_uri)
        if "error" in granted:
            raise PayloadError(f"the code is refused: {_word(granted['error'])}")
        token = granted.get("access_token")
        kind = str(granted.get("token_type", "")).lower()
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise PayloadError("there is no access_token")
        if kind != "bearer":
            raise PayloadError("token_type must be bearer")
        told = payloads.decode((await self._ask(self.provider.user_url, token)).body)
        if self._has_id_token:
            check_claims(
                read_id_token(granted.get("id_token")),
                issuer=self.provider.issuer,
                key=self._key,
                nonce=nonce,
                # Graph does not say `sub`; both came for one code.
                subject=None if self.provider.kind is Kind.AZURE else told.get("sub", ""),
                now_seconds=time.time(),
            )
        mails: Any = []
        if self.provider.mails_url:
            mails = _read_list((await self._ask(self.provider.mails_url, token)).body)
        return read_identity(self.provider.kind, told, mails)

    async def probe(self, redirect_uri: str) -> list[str]:
        """
        Try the addresses that we call, with a code and a token that nobody gave; say what is odd.

        Raises
        ------
        SourceError
            If one of them does not answer, or knows our key or secret not.
        """
        granted = await self._trade("none", "x" * 43, redirect_uri)
        if granted.get("error") in NOBODY_ELSE:
            raise PayloadError("the provider refuses the key, or the secret that goes with it")
        odd = [] if "error" in granted else ["its token's address refuses no wrong code"]
        answer = await self._ask(self.provider.user_url, "none", ANSWERED | {404})
        if answer.status not in ASKS_FOR_A_TOKEN:
            odd.append(f"its users' address answers {answer.status} to a wrong token")
        # Any answer will do: each provider has another one for a question without words.
        with suppress(PayloadError):
            await self._call("GET", self.provider.authorize_url)
        return odd

    @property
    def _has_id_token(self) -> bool:
        return bool(self.provider.issuer)

    async def _trade(self, code: str, verifier: str, redirect_uri: str) -> dict[str, Any]:
        """Give a code for a token."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
            "client_id": self._key,
        }
        headers = {}
        if self.provider.has_basic:
            login = f"{quote_plus(self._key)}:{quote_plus(self._secret)}"
            headers["Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
        else:
            form["client_secret"] = self._secret
        answer = await self._call("POST", self.provider.token_url, headers, form, ANSWERED)
        return payloads.decode(answer.body)

    async def _ask(
        self, url: str, token: str, expected: frozenset[int] = frozenset({OK})
    ) -> Answer:
        return await self._call("GET", url, {"Authorization": f"Bearer {token}"}, None, expected)

    async def _call(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] = MappingProxyType({}),
        form: Mapping[str, str] | None = None,
        expected: frozenset[int] = frozenset({OK}),
    ) -> Answer:
        """Make one call; whoever does not answer is named."""
        path = urlsplit(url).path
        calls = KatoCalls(
            url.removesuffix(path), self._deadline_seconds, headers=headers, keeps_alive=False
        )
        try:
            async with calls:
                return await calls.call(method, path, form=form, expected=expected)
        except SourceUnavailable as error:
            raise SourceUnavailable(f"{urlsplit(url).netloc}: {error.reason}") from error


def _word(told: object) -> str:
    """Repeat a provider's word, whatever it is."""
    return ascii(str(told)[:60])


def _read_list(body: bytes) -> list[Any]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise PayloadError("the list of mails is no JSON") from error
    if not isinstance(told, list):
        raise PayloadError("the list of mails is none")
    return told
