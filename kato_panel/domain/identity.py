"""Whom a login provider names, what it vouches for, and whether he may come in."""

import binascii
import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from kato_panel.errors import PayloadError

MAX_NAME: Final = 254
MAX_TOKEN: Final = 16_384
LEEWAY_SECONDS: Final = 60.0
"""By how much the provider's clock may differ from ours."""
# Letters of ASCII alone, whose cases are pairs: elsewhere two that differ may become the same.
_MAIL: Final = re.compile(r"[!-?A-~]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
_LOGIN: Final = re.compile(r"[A-Za-z0-9._-]+")
_GUEST: Final = "#ext#"


class Kind(StrEnum):
    """In which words a provider tells of a person."""

    OPENID = "openid"
    GOOGLE = "google"
    GITLAB = "gitlab"
    GITHUB = "github"
    AZURE = "azure"


HAS_LOGINS: Final = frozenset({Kind.GITHUB, Kind.GITLAB})
"""Where people have a name of their own beside their mail, and nobody else can have the same."""


@dataclass(frozen=True, slots=True)
class Identity:
    """
    What a provider vouches for.

    Parameters
    ----------
    names
        Verified mails and logins in lower case; the first is what he is called. Empty where
        nothing was verified.
    domains
        Whose members these are.
    """

    names: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()


def read_identity(kind: Kind, told: Mapping[str, Any], mails: Sequence[object] = ()) -> Identity:
    """
    Read whom a provider names.

    Parameters
    ----------
    kind
        In which words.
    told
        What it told of the user.
    mails
        What it told of his mails, where that is asked for by itself.
    """
    verified = _mail(told.get("email")) if told.get("email_verified") is True else None
    match kind:
        case Kind.OPENID:
            return _of_mails(verified)
        case Kind.GOOGLE:
            # A mail elsewhere was verified once; only `hd` says that the domain still has him.
            identity = _of_mails(verified)
            hosted = (str(told.get("hd", "")).lower(), "gmail.com")
            return Identity(identity.names, tuple(d for d in identity.domains if d in hosted))
        case Kind.GITLAB:
            return _of_mails(verified, login=_login(told.get("nickname")))
        case Kind.GITHUB:
            rows = [row for row in mails if isinstance(row, Mapping)]
            good = [_mail(row.get("email")) for row in rows if row.get("verified") is True]
            return _of_mails(*good, login=_login(told.get("login")))
    name = _mail(told.get("userPrincipalName"))  # Azure's
    return Identity((name,)) if name is not None and _GUEST in name else _of_mails(name)


def admit(identity: Identity, users: Collection[str]) -> str | None:
    """
    Say whether somebody may come in.

    Parameters
    ----------
    identity
        Who he is.
    users
        Mails, logins, and domains as ``@example.org``, in lower case.

    Returns
    -------
    str or None
        What he is called from now on; ``None`` if he may not.
    """
    named = next((name for name in identity.names if name in users), None)
    if named is None and any(f"@{domain}" in users for domain in identity.domains):
        return identity.names[0]
    return named


def read_id_token(token: object) -> dict[str, Any]:
    """
    Read the claims of an ID token, without its signature.

    It came by a connection that the provider's certificate vouches for, as OpenID Connect Core
    3.1.3.7 allows; one that came through a browser must not be read so.

    Raises
    ------
    PayloadError
        If it is none.
    """
    if not isinstance(token, str) or len(token) > MAX_TOKEN or token.count(".") != 2:  # noqa: PLR2004 - of three parts
        raise PayloadError("id_token is no token")
    body = token.split(".")[1]
    try:
        claims = json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise PayloadError("id_token cannot be read") from error
    if not isinstance(claims, dict):
        raise PayloadError("id_token holds no claims")
    return claims


def check_claims(
    claims: Mapping[str, Any],
    *,
    issuer: str,
    key: str,
    nonce: str,
    subject: object,
    now_seconds: float,
) -> None:
    """
    Refuse an ID token that is not the answer to our question.

    Parameters
    ----------
    claims
        Of the token.
    issuer
        Who has to have made it.
    key
        For whom: our name at the provider.
    nonce
        To which question.
    subject
        Whom the rest of the answer is about; ``None`` where that does not say.
    now_seconds
        The present, since 1970.

    Raises
    ------
    PayloadError
        If any of them differs, or it is too old.
    """
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    expires = claims.get("exp")
    if str(claims.get("iss")).rstrip("/") != issuer.rstrip("/"):
        raise PayloadError("id_token is from another issuer")
    if key not in audiences or claims.get("azp", key) != key:
        raise PayloadError("id_token is for somebody else")
    if claims.get("nonce") != nonce:
        raise PayloadError("id_token answers another question")
    if not isinstance(expires, int | float) or not expires > now_seconds - LEEWAY_SECONDS:
        raise PayloadError("id_token is too old")
    if subject is not None and claims.get("sub") != subject:
        raise PayloadError("id_token is about somebody else")


def _of_mails(*mails: str | None, login: str | None = None) -> Identity:
    good = [mail for mail in mails if mail is not None]
    names = [*([login] if login else []), *good]
    domains = dict.fromkeys(mail.rpartition("@")[2] for mail in good)
    return Identity(tuple(dict.fromkeys(names)), tuple(domains))


def _mail(value: object) -> str | None:
    return _fit(value, _MAIL)


def _login(value: object) -> str | None:
    return _fit(value, _LOGIN)


def _fit(value: object, form: re.Pattern[str]) -> str | None:
    if isinstance(value, str) and len(value) <= MAX_NAME and form.fullmatch(value):
        return value.lower()
    return None


def read_users(users: Iterable[str]) -> frozenset[str]:
    """
    Read a list of who may come in.

    Raises
    ------
    ValueError
        If one is neither a mail, nor a login, nor a domain.
    """
    read = []
    for user in users:
        name = f"x{user}" if user.startswith("@") else user
        if _login(name) is None and _mail(name) is None:
            raise ValueError("must be mails, logins or @domain, separated by commas")
        read.append(user.lower())
    return frozenset(read)
