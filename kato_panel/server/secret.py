"""The secret that signs cookies and pages: made once, and kept for this user."""

import hashlib
import hmac
import logging
import os
import secrets
from pathlib import Path
from typing import Final

import platformdirs

logger = logging.getLogger(__name__)

SECRET_BYTES: Final = 32
NAME: Final = "signing-secret"


def usual_place() -> Path:
    """Say where the secret is kept."""
    return platformdirs.user_data_path("kato-panel", appauthor=False) / NAME


def keep_secret(place: Path) -> bytes:
    """
    Return the secret of a file, made if there is none.

    Where the file can be neither read nor made, the secret is one of this process alone: then
    people log in again after a restart, and open pages load anew.

    Parameters
    ----------
    place
        The file; nobody but its owner may read it.
    """
    try:
        return _read(place) or _make(place)
    except OSError as error:
        logger.warning(
            "the signing secret cannot be kept in %s: %s; a restart will end all logins",
            place,
            error.strerror or error,
        )
        return secrets.token_bytes(SECRET_BYTES)


def derive(secret: bytes, *purpose: str) -> bytes:
    """Derive a secret of its own for a purpose."""
    words = "\0".join(purpose)
    return hmac.new(secret, words.encode(), hashlib.sha256).digest()


def _read(place: Path) -> bytes | None:
    """Read a secret that is whole and nobody else's; ``None`` where there is none, or no more."""
    try:
        descriptor = os.open(place, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if os.name == "posix" and os.fstat(descriptor).st_mode & 0o077:
            # Whoever else may have read it could sign what he likes.
            trouble = "could be read by others"
        else:
            content = file.read(SECRET_BYTES + 1)
            if len(content) == SECRET_BYTES:
                return content
            trouble = "is damaged"
    logger.warning("the signing secret in %s %s: it is made anew", place, trouble)
    place.unlink(missing_ok=True)
    return None


def _make(place: Path) -> bytes:
    """Make a secret; of two processes that do so at once, both return what then is there."""
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    secret = secrets.token_bytes(SECRET_BYTES)
    draft = place.with_name(f".{NAME}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secret)
            file.flush()
            os.fsync(descriptor)
        try:
            os.link(draft, place)
        except FileExistsError:
            return _read(place) or secret
        except OSError:  # a file system without links
            draft.replace(place)
    finally:
        draft.unlink(missing_ok=True)
    return secret
