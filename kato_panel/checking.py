"""
``kato-panel check``: what is set and from where, and whether all that it names can be reached.

It asks as the service would, once, with a time limit each, and changes nothing anywhere.
"""

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final, TypeVar

from kato_panel import config, resolved
from kato_panel.alerting import rule_files
from kato_panel.config import Settings
from kato_panel.domain.containers import ContainersSeen
from kato_panel.domain.events import CountObserved, LookFailed, SourceConnected
from kato_panel.domain.text import legible
from kato_panel.errors import ConfigError, HistoryError, SourceError
from kato_panel.flags import flag_of
from kato_panel.history.inspection import inspect_place
from kato_panel.ports import find_place
from kato_panel.provider_calls import LoginProvider
from kato_panel.providers import CALLBACK
from kato_panel.roles import Source
from kato_panel.sources.docker import DockerSource
from kato_panel.sources.http import HttpSource
from kato_panel.sources.redis_probe import SPARED, Probed, probe_redis
from kato_panel.sources.stream import StreamSource
from kato_panel.watcher import now

Seen = TypeVar("Seen", CountObserved, SourceConnected, ContainersSeen)

LIMIT_SECONDS: Final = 6.0
INDENT: Final = "  "
ENGINE: Final = "DOCKER_HOST"
CONTAINERS: Final = "WEBSOCKET_CONTAINER_STATS"


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    NOTE = "note"
    FAILED = "failed"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Finding:
    """
    What one check found.

    Parameters
    ----------
    subject
        What was checked.
    state
        How it ended; a note is worth knowing, and stops nothing.
    words
        What was found.
    advice
        What to do; empty where there is nothing.
    """

    subject: str
    state: State
    words: str
    advice: str = ""


def check(settings: Settings) -> list[Finding]:
    """Try everything that the settings name, all at the same time."""
    return asyncio.run(_check(settings))


def exit_code(findings: Sequence[Finding]) -> int:
    """Return 0 if all is well, 2 if something cannot be reached or is missing."""
    return 2 if any(one.state is State.FAILED for one in findings) else 0


def as_text(settings: Settings, places: Mapping[str, str], findings: Sequence[Finding]) -> str:
    """
    Write settings and findings in aligned columns.

    Parameters
    ----------
    settings, findings
        What is told.
    places
        Where each setting is from; see `kato_panel.resolved.places`.
    """
    rows = list(_shown(settings, places))
    wide = [max(len(row[column]) for row in rows) for column in (0, 1)]
    lines = ["Settings"]
    for name, value, place in rows:
        lines.append(f"{INDENT}{name:<{wide[0]}}{INDENT}{value or '-':<{wide[1]}}{INDENT}{place}")
    lines += ["", "Connections"]
    subject_width = max(len(one.subject) for one in findings)
    for one in findings:
        lead = f"{INDENT}{one.state:<6}{INDENT}{one.subject:<{subject_width}}{INDENT}"
        lines.append(lead + one.words)
        if one.advice:
            lines.append(" " * len(lead) + one.advice)
    failed = sum(one.state is State.FAILED for one in findings)
    lines += ["", f"{failed} of {len(findings)} failed" if failed else "All is well"]
    return "\n".join(lines)


def as_json(settings: Settings, places: Mapping[str, str], findings: Sequence[Finding]) -> str:
    """Write the same as JSON, for programs."""
    told = {
        "settings": [
            {"name": name, "value": value or None, "from": place}
            for name, value, place in _shown(settings, places)
        ],
        "connections": [asdict(one) for one in findings],
        "ok": not exit_code(findings),
    }
    return json.dumps(told, indent=2, ensure_ascii=False)


def _shown(settings: Settings, places: Mapping[str, str]) -> list[tuple[str, str, str]]:
    return [
        (name, resolved.mask(name, getattr(settings, field)), places[name])
        for field, name in zip(Settings.model_fields, config.names(), strict=True)
    ]


async def _check(settings: Settings) -> list[Finding]:
    found = await asyncio.gather(
        _check_kato(settings),
        _check_stream(settings),
        _check_redis(settings),
        _check_containers(settings),
        asyncio.to_thread(_check_history, settings),
        asyncio.to_thread(_check_rules, settings),
        asyncio.to_thread(_check_webhooks, settings),
        asyncio.to_thread(_check_port, settings),
        _check_login(settings),
    )
    return [one for one in found if one is not None]


async def _check_kato(settings: Settings) -> Finding:
    if settings.kato_api_url is None:
        return Finding("KATO", State.OK, "a demo is watched, for KATO_API_URL is not set")
    url, headers = config.split_login(settings.kato_api_url)
    seen = await _look(
        HttpSource(url, settings.poll_interval_seconds, now, headers=headers), CountObserved
    )
    if isinstance(seen, LookFailed):
        advice = f"start it, or set KATO_API_URL or {flag_of('KATO_API_URL')} to where it answers"
        return Finding("KATO", State.FAILED, f"{url}: {seen.reason}", advice)
    seconds = seen.arrived_at.tick - seen.sent_at.tick
    words = f"{url} reports {seen.count} sessions, after {seconds:.3f} s"
    if seen.is_cached:
        return Finding("KATO", State.NOTE, f"{words}; its count may be 5 s old")
    return Finding("KATO", State.OK, words)


async def _check_stream(settings: Settings) -> Finding:
    if not settings.follows_stream:
        return Finding("Stream", State.OFF, "switched off")
    if settings.kato_api_url is None:
        return Finding("Stream", State.OK, "the demo has its own")
    url, headers = config.split_login(settings.kato_api_url)
    seen = await _look(StreamSource(url, now, headers=headers), SourceConnected)
    if not isinstance(seen, LookFailed):
        return Finding("Stream", State.OK, "/ws/events lets us follow")
    # With Redis the stream is there for want of key events only.
    state = State.FAILED if settings.redis_url is None else State.NOTE
    advice = "without it each change is found by the next poll; KATO_PANEL_STREAM=off leaves it out"
    return Finding("Stream", state, seen.reason, advice)


async def _check_containers(settings: Settings) -> Finding:
    if not settings.container_stats:
        return Finding("Containers", State.OFF, "switched off")
    if settings.kato_api_url is None:
        return Finding("Containers", State.OK, "the demo has an engine of its own")
    seen = await _look(DockerSource(settings.wanted_containers, now, os.environ), ContainersSeen)
    if isinstance(seen, LookFailed):
        is_named = settings.expects_engine or bool(os.environ.get(ENGINE))
        state = State.FAILED if is_named else State.NOTE
        advice = f"start it, let it be read, or correct {ENGINE}; {CONTAINERS}=false leaves it out"
        return Finding("Containers", state, seen.reason, advice)
    if not seen.containers:
        advice = "docs/settings.md names the settings that choose them"
        return Finding("Containers", State.NOTE, "the engine has none that is watched", advice)
    words = ", ".join(f"{legible(one.name)} {one.state}" for one in seen.containers)
    return Finding("Containers", State.NOTE if seen.remark else State.OK, words, seen.remark)


async def _look(source: Source, good: type[Seen]) -> Seen | LookFailed:
    """Let a source look once, until it has seen what is good or has failed."""
    seen: asyncio.Future[Seen | LookFailed] = asyncio.get_running_loop().create_future()

    def take(observation: object) -> None:
        if isinstance(observation, good | LookFailed) and not seen.done():
            seen.set_result(observation)

    running = asyncio.create_task(source.run(take))
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            return await seen
    except TimeoutError:
        return LookFailed(source.name, f"no answer within {LIMIT_SECONDS:g} s", now())
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _check_redis(settings: Settings) -> Finding:
    if settings.redis_url is None:
        words = "not set: the count is KATO's own, and the list is not complete"
        return Finding("Redis", State.OFF, words, "REDIS_URL names KATO's Redis")
    if settings.is_demo:
        words = "not used: the demo is watched, for KATO_API_URL is not set"
        return Finding("Redis", State.NOTE, words)
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            probed = await probe_redis(settings.redis_url)
    except SourceError as error:
        advice = "start it, or correct REDIS_URL: its place, its user and its password"
        return Finding("Redis", State.FAILED, error.reason, advice)
    except TimeoutError:
        return Finding("Redis", State.FAILED, f"no answer within {LIMIT_SECONDS:g} s")
    return _judge_redis(probed)


def _judge_redis(probed: Probed) -> Finding:
    needed = [command for command in probed.refused if command not in SPARED]
    if needed:
        return Finding(
            "Redis",
            State.FAILED,
            f"refuses {', '.join(needed)}",
            "docs/settings.md names the rights that a user needs",
        )
    notes = [f"refuses {command}" for command in probed.refused]
    if probed.flags is None:
        notes.append("does not tell whether key events are on: +config|get would let it")
    elif probed.remark:
        notes.append(probed.remark)
    if notes:
        return Finding("Redis", State.NOTE, "can be read", "; ".join(notes))
    return Finding("Redis", State.OK, "can be read, and its key events are on")


async def _check_login(settings: Settings) -> Finding | None:
    """Try the addresses of who lets people log in; a wrong code tells whether we are known."""
    provider = settings.login_provider
    if provider is None or settings.oauth_key is None or settings.oauth_secret is None:
        return None
    secret = settings.oauth_secret.get_secret_value()
    asked = LoginProvider(provider, settings.oauth_key, secret)
    back = settings.oauth_redirect_uri or f"http://{settings.host}:{settings.port}{CALLBACK}"
    try:
        odd = await asked.probe(back)
    except SourceError as error:
        advice = "correct KATO_PANEL_OAUTH_KEY, _SECRET or _EXTRA_PARAMS, or let it be reached"
        return Finding("Login", State.FAILED, f"{provider.label}: {error.reason}", advice)
    if odd:
        return Finding("Login", State.NOTE, f"{provider.label} answers", "; ".join(odd))
    return Finding("Login", State.OK, f"{provider.label} answers, and knows this service")


def _check_history(settings: Settings) -> Finding:
    if not settings.keeps_history:
        return Finding("History", State.OFF, "switched off: nothing outlives the service")
    upstream, _ = config.split_login(settings.kato_api_url or "http://demo")
    try:
        words = inspect_place(settings.history_url, upstream, is_demo=settings.is_demo)
    except HistoryError as error:
        advice = "let it be written, or set KATO_PANEL_HISTORY_URL to another place"
        return Finding("History", State.FAILED, str(error), advice)
    return Finding("History", State.OK, words)


def _check_rules(settings: Settings) -> Finding:
    if not settings.system_alerts:
        return Finding("Rules", State.OFF, "switched off: nothing is judged")
    try:
        rules = rule_files(settings).read()
    except ConfigError as error:
        return Finding("Rules", State.FAILED, "; ".join(error.problems), "docs/alerts.md tells how")
    own = sum(not rule.is_built_in for rule in rules)
    words = f"{len(rules)} are judged, {own} of them from files"
    return Finding("Rules", State.OK, words)


def _check_webhooks(settings: Settings) -> Finding:
    names = ", ".join(f"{one.name} ({one.form})" for one in settings.targets)
    if not settings.system_alerts or not names:
        return Finding("Webhooks", State.OFF, "nobody is told of alerts")
    return Finding("Webhooks", State.OK, f"{names}: not tried, for whatever they get is an alert")


def _check_port(settings: Settings) -> Finding:
    try:
        find_place(settings)
    except ConfigError as error:
        return Finding("Port", State.FAILED, *error.problems)
    return Finding("Port", State.OK, f"{settings.host} port {settings.port} is free")
