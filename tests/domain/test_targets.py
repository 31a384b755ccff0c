"""Addresses of those who are told: which form they take, and that they are never shown."""

import pytest

from kato_panel.domain.notices import Form
from kato_panel.domain.targets import read_tables, read_target, read_targets


@pytest.mark.parametrize(
    ("address", "name", "form"),
    [
        ("https://hooks.slack.com/services/T0/B0/x", "hooks.slack.com", Form.ALERTMANAGER),
        ("slack+https://hooks.slack.com/services/T0/B0/x", "hooks.slack.com", Form.SLACK),
        ("json+http://me:pw@127.0.0.1:9/x?token=y", "127.0.0.1:9", Form.JSON),
    ],
)
def test_address_says_the_form_and_is_never_shown(address, name, form):
    """Its path is its password as often as not."""
    target = read_target(address)
    assert (target.name, target.form, target.url) == (name, form, address.rpartition("+")[2])
    assert "/x" not in repr(target)


@pytest.mark.parametrize(
    "address",
    [
        *("", "x", "ftp://a", "teams+https://a", "http://", "http://a:0", "http://a:x"),
        *("http://a b", "http://[v1.a]/x", "http://xn--/", "http://xn--a/", "http://ä/"),
        *("http://-a", "http://a..b", f"http://a/{'x' * 2_048}"),
    ],
)
def test_what_is_no_webhook_is_refused(address):
    """In words."""
    with pytest.raises(ValueError, match="must be http"):
        read_target(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]:9", "a_b", "xn--bcher-kva.example"])
def test_whatever_can_be_looked_up_is_taken(host):
    """Addresses, and names of machines and containers."""
    assert read_target(f"http://{host}/x").url == f"http://{host}/x"


def test_several_stand_beside_one_another():
    """With commas between them."""
    hosts = [one.name for one in read_targets("https://a/x, slack+https://b/y,")]
    assert hosts == ["a", "b"]


@pytest.mark.parametrize("addresses", ["", " , ", "https://a,ftp://b"])
def test_list_with_anything_else_in_it_is_refused(addresses):
    """As a whole."""
    with pytest.raises(ValueError, match="must be"):
        read_targets(addresses)


def test_tables_of_a_file_say_the_same():
    """Also with a comma in the address."""
    addresses = read_tables(
        [{"url": "https://a/x,y"}, {"url": "http://b", "form": "slack"}, {"url": "http://c:1/"}]
    )
    first, second, third = read_targets(",".join(addresses))
    assert first.url == "https://a/x%2Cy"
    assert (second.name, second.form) == ("b", Form.SLACK)
    assert third.name == "c:1"


@pytest.mark.parametrize(
    ("tables", "problem"),
    [
        ("x", "written as"),
        ([1], "written as"),
        ([{}], "webhook 1: url must be http"),
        ([{"url": 1}], "webhook 1: url must be http"),
        ([{"url": "slack+https://a/s3cret"}], "webhook 1: url must be http"),
        ([{"url": "ftp://a/s3cret"}], "webhook 1: must be http"),
        ([{"url": "https://a", "form": "teams"}], "form must be one of alertmanager slack json"),
        ([{"url": "https://a", "token": "s3cret"}], "token is no field: url, form"),
    ],
)
def test_each_mistake_in_a_table_is_told(tables, problem):
    """Without the address."""
    with pytest.raises(ValueError, match=problem) as caught:
        read_tables(tables)
    assert "s3cret" not in str(caught.value)


def test_mistakes_are_told_at_once():
    """One sentence for each."""
    with pytest.raises(ValueError, match="webhook 1") as caught:
        read_tables([{}, {"url": "https://a"}, {"url": "x"}])
    assert [one[:9] for one in caught.value.args] == ["webhook 1", "webhook 3"]
