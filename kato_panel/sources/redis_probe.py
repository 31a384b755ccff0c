"""Whether a Redis lets us ask what the `redis` source asks; nothing is written or moved."""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from kato_panel.domain.key_events import KeyEvents
from kato_panel.errors import SourceUnavailable
from kato_panel.sources import payloads
from kato_panel.sources.redis import describe
from kato_panel.sources.redis_keys import FLAGS
from kato_panel.sources.redis_listener import ANSWER_SECONDS

_KEY: Final = payloads.session_key("kato-panel-check")
"""No session is called so."""
_QUESTIONS: Final[tuple[tuple[str | bytes, ...], ...]] = (
    ("SCAN", "0", "MATCH", payloads.KEY_PATTERN, "COUNT", "1"),
    ("SSCAN", payloads.INDEX_KEY, "0", "COUNT", "1"),
    ("PTTL", _KEY),
    ("STRLEN", _KEY),
    ("MGET", _KEY),
    ("GET", _KEY),
    ("INFO", "stats"),
)
SPARED: Final = frozenset({"INFO"})
"""Refused, this costs no more than knowing what was evicted."""


@dataclass(frozen=True, slots=True)
class Probed:
    """
    What a Redis lets us do.

    Parameters
    ----------
    refused
        Commands that it refuses, in capital letters.
    flags
        Its setting of key events; ``None`` where that may not be read.
    remark
        What an operator has to know of key events; empty while they are on.
    """

    refused: tuple[str, ...]
    flags: str | None
    remark: str


async def probe_redis(url: str) -> Probed:
    """
    Ask one of each question.

    Parameters
    ----------
    url
        As `kato_panel.sources.redis.RedisSource` takes it.

    Raises
    ------
    SourceUnavailable
        If it is not there, or does not let us in; in words that hold no secret.
    """
    options = {"ssl_check_hostname": True} if url.startswith("rediss:") else {}
    redis = Redis.from_url(
        url,
        protocol=2,
        client_name="kato-panel-check",
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 0),
        **options,
    )
    try:
        async with asyncio.timeout(2 * ANSWER_SECONDS):
            return await _ask(redis)
    except (RedisError, OSError, TimeoutError) as error:
        raise SourceUnavailable(describe(error)) from error
    finally:
        with contextlib.suppress(RedisError, OSError):
            await redis.aclose()


async def _ask(redis: Redis) -> Probed:
    refused = []
    for question in _QUESTIONS:
        try:
            await redis.execute_command(*question)
        except NoPermissionError:
            refused.append(str(question[0]))
    if not await _may_listen(redis):
        refused.append("SUBSCRIBE")
    flags = None
    with contextlib.suppress(ResponseError):
        answer = await redis.config_get(FLAGS)
        told = answer.get(FLAGS, answer.get(FLAGS.encode()))
        flags = told.decode("ascii", "replace") if isinstance(told, bytes) else told
    judged = KeyEvents()
    judged.begin(flags)
    return Probed(tuple(refused), flags, judged.remark)


async def _may_listen(redis: Redis) -> bool:
    database = redis.connection_pool.connection_kwargs.get("db", 0)
    async with redis.pubsub() as listening:
        try:
            await listening.subscribe(f"__keyevent@{database}__:new")
            await listening.get_message(timeout=ANSWER_SECONDS)
        except NoPermissionError:
            return False
    return True
