"""What is let through in a time."""

from kato_panel.server import limits
from kato_panel.server.limits import Bucket, Throttle, household


class Seconds:
    now = 100.0

    def __call__(self):
        return self.now


def test_bucket_lets_a_burst_through_and_then_a_rate():
    """Never more at once than it holds, however long nobody came."""
    clock = Seconds()
    bucket = Bucket(4.0, 3, clock)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    clock.now += 0.25
    assert [bucket.take() for _ in range(2)] == [True, False]
    clock.now += 1_000
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]


def test_throttle_counts_each_address_alone():
    """And says how long to wait; a network of IPv6 is one household."""
    clock = Seconds()
    throttle = Throttle(2, 60.0, clock)
    assert [throttle.wait_seconds("192.0.2.1") for _ in range(3)] == [0, 0, 60]
    assert throttle.wait_seconds("192.0.2.2") == 0
    waits = [throttle.wait_seconds(f"2001:db8::{number}") for number in range(3)]
    assert waits == [0, 0, 60]
    assert throttle.wait_seconds("no address") == 0
    clock.now += 59.5
    assert throttle.wait_seconds("192.0.2.1") == 1
    clock.now += 0.5
    assert throttle.wait_seconds("192.0.2.1") == 0


def test_address_of_ipv4_is_one_in_ipv6_s_form_too():
    """A socket for both kinds names all of IPv4 so: they are no single network."""
    assert household("::ffff:192.0.2.1") == household("192.0.2.1") == "192.0.2.1"
    assert household("::ffff:192.0.2.2") != household("192.0.2.1")
    assert household("2001:db8::1") == household("2001:db8::2") == "2001:db8::/64"


def test_throttle_forgets_the_quietest(monkeypatch):
    """It never grows without bound."""
    monkeypatch.setattr(limits, "MAX_ADDRESSES", 2)
    throttle = Throttle(1, 60.0, Seconds())
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
        assert throttle.wait_seconds(address) == 0
    assert throttle.wait_seconds("192.0.2.3") == 60
    assert throttle.wait_seconds("192.0.2.1") == 0
