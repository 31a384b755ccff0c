"""The rig that runs real Redis servers does what tests believe of it."""

import shutil

import pytest
import redis

from tests.redis_server import RedisServer


def test_data_survive_a_kill_only_where_kept():
    """With `keeps` all that was answered is there again, on the same port; without, nothing."""
    for keeps, found in ((True, b"1"), (False, None)):
        with RedisServer(keeps=keeps) as server:
            port = server.port
            server.cli("SET", "a", "1")
            server.kill()
            with pytest.raises(redis.exceptions.ConnectionError):
                server.cli("PING")
            server.start()
            assert server.cli("GET", "a") == found
            assert server.port == port


def test_settings_and_users_are_taken():
    """At the start by name, and later."""
    rules = ["default off", "reader on >s3/cret ~* +@read +@connection", "root on >r ~* &* +@all"]
    with RedisServer({"maxmemory": "10mb", "user": rules}) as server:
        with redis.Redis.from_url(server.url_of(user="reader", password="s3/cret")) as reader:
            assert reader.get("a") is None
            with pytest.raises(redis.exceptions.NoPermissionError):
                reader.set("a", 1)
        with redis.Redis.from_url(server.url_of(user="root", password="r")) as root:
            assert root.config_get("maxmemory")["maxmemory"] == "10485760"


def test_setting_is_changed_while_it_runs():
    """As an administrator does."""
    with RedisServer(password="p") as server:
        server.configure("notify-keyspace-events", "Egx")
        assert server.cli("CONFIG", "GET", "notify-keyspace-events")[1]


def test_frozen_server_answers_once_thawed():
    """What was asked meanwhile is answered then."""
    with RedisServer() as server:
        server.freeze()
        with server.client(socket_timeout=0.1) as client:
            with pytest.raises(redis.exceptions.TimeoutError):
                client.ping()
            server.thaw()
        assert server.cli("PING")


def test_nothing_is_left(tmp_path):
    """Process and folder are gone when the test is."""
    with RedisServer() as server:
        folder = server.folder
        assert server.pid
    assert server.pid is None
    assert not folder.exists()


def test_start_that_fails_says_why():
    """In the server's own words."""
    with pytest.raises(AssertionError, match="maxmemory"), RedisServer({"maxmemory": "much"}):
        pass


def test_missing_program_is_named(monkeypatch):
    """Whoever has none is told which package it is."""
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(AssertionError, match="the tests need Debian's package redis-server"):
        RedisServer()
