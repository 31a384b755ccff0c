"""The secret that signs."""

import stat
from concurrent.futures import ThreadPoolExecutor

from kato_panel.server.secret import SECRET_BYTES, derive, keep_secret


def test_secret_is_made_once_for_its_owner(tmp_path):
    """Whoever asks later, or at the same time, gets the same."""
    place = tmp_path / "new" / "secret"
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: keep_secret(place), range(32)))
    assert len(found) == 1
    assert keep_secret(place) in found
    assert len(found.pop()) == SECRET_BYTES
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert list(place.parent.iterdir()) == [place]


def test_secret_that_others_could_read_is_made_anew(tmp_path, caplog):
    """As is one that is damaged."""
    place = tmp_path / "secret"
    first = keep_secret(place)
    place.chmod(0o644)
    second = keep_secret(place)
    assert second != first
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    place.write_bytes(b"short")
    third = keep_secret(place)
    assert third == keep_secret(place) != second
    assert "could be read by others" in caplog.text
    assert "damaged" in caplog.text
    assert first.hex() not in caplog.text


def test_secret_that_cannot_be_kept_is_one_of_this_process(tmp_path, caplog):
    """And the log says what follows from that."""
    (tmp_path / "file").write_text("")
    place = tmp_path / "file" / "secret"
    assert len({keep_secret(place), keep_secret(place)}) == 2
    assert "a restart will end all logins" in caplog.text
    target = tmp_path / "elsewhere"
    target.write_bytes(b"x" * SECRET_BYTES)
    link = tmp_path / "link"
    link.symlink_to(target)
    assert keep_secret(link) != b"x" * SECRET_BYTES


def test_each_purpose_has_a_secret_of_its_own():
    """None says anything of another."""
    made = {derive(b"s", "a"), derive(b"s", "b"), derive(b"s", "a", "b"), derive(b"t", "a")}
    assert len(made) == 4
