"""Who may change anything upstream, and what an order may be."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kato_panel.domain.actions import check_id, check_ids, is_loopback, judge_actions, judge_request
from kato_panel.errors import QueryError

GOOD = f"session-{'0a' * 16}-1795381221106"


@pytest.mark.parametrize(
    ("addresses", "is_set", "reason"),
    [
        (["127.0.0.1"], False, "KATO_PANEL_ALLOW_ACTIONS is false"),
        (None, True, "only kato-panel serve knows"),
        ([], True, "only kato-panel serve knows"),
        (["0.0.0.0"], True, "listens on 0.0.0.0, must be on loopback"),
        (["127.0.0.1", "192.168.1.2"], True, "listens on 192.168.1.2"),
        (["::"], True, "listens on ::"),
        (["127.0.0.1", "::1"], True, ""),
    ],
)
def test_actions_need_the_setting_and_loopback(addresses, is_set, reason):
    """Both, and the knowledge of the second."""
    state = judge_actions(addresses, is_set=is_set)
    assert state.allowed is (not reason)
    assert reason in state.reason


@pytest.mark.parametrize(
    ("address", "is_own"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:8.8.8.8", False),
        ("fe80::1%eth0", False),
        ("::1%lo", True),
        ("localhost", False),
        ("", False),
    ],
)
def test_loopback_is_known_by_number(address, is_own):
    """A name is none."""
    assert is_loopback(address) is is_own


@pytest.mark.parametrize(
    "odd",
    [
        "",
        "../cache/invalidate",
        GOOD + "\n",
        GOOD + "/../x",
        GOOD.upper(),
        "session-" + "0a" * 16 + "-123456789",
        "session-" + "0a" * 16 + "-" + "1" * 17,
        "session-" + "0a" * 16 + "-١٢٣٤٥٦٧٨٩٠١",
        "session-" + "0a" * 15 + "-1795381221106",
        "x" * 10_000,
        7,
        None,
        [GOOD],
    ],
)
def test_only_ids_of_katos_form_are_taken(odd):
    """Whatever else would become part of an address; the refusal is short, on one line."""
    with pytest.raises(QueryError, match=r"session_id is .*must be session-, 32 hex") as caught:
        check_id(odd)
    assert len(str(caught.value)) < 250
    assert str(caught.value).isprintable()


def test_order_is_of_one_to_twenty_each_once():
    """One that is named twice is deleted once."""
    assert check_ids([GOOD, GOOD]) == (GOOD,)
    assert check_ids([GOOD] * 20) == (GOOD,)
    for odd in ([], [GOOD] * 21, GOOD):
        with pytest.raises(QueryError, match="must be a list of 1 to 20 ids"):
            check_ids(odd)
    with pytest.raises(QueryError, match="session_id is"):
        check_ids([GOOD, "x"])


@given(st.one_of(st.text(), st.from_regex(r"session-[0-9a-f]{32}-\d{10,16}"), st.binary()))
def test_whatever_is_taken_is_its_own_quotation(text):
    """So that it stands in an address as it is, whatever letters there are."""
    try:
        taken = check_id(text)
    except QueryError:
        return
    assert taken == text == quote(text, safe="")


@pytest.mark.parametrize(
    ("host", "names", "reason"),
    [
        ("localhost:5006", ["Accept"], ""),
        ("127.0.0.1", [], ""),
        ("[::1]:5006", [], ""),
        ("evil.example:5006", [], "Host must be"),
        ("", [], "Host must be"),
        ("[::1", [], "Host must be"),
        ("localhost", ["X-FORWARDED-FOR"], "through a proxy"),
        ("localhost", ["via"], "through a proxy"),
        ("localhost", ["X-Forwarded-Proto"], "through a proxy"),
        ("localhost", ["x-forwarded-tls-client-cert"], "through a proxy"),
    ],
)
def test_only_a_person_at_this_machine_may_act(host, names, reason):
    """By this machine's own name, and through nobody else."""
    judged = judge_request(host, names)
    assert judged.allowed is (reason == "")
    assert reason in judged.reason


def test_login_allows_from_anywhere_and_anonymous_visits_from_nowhere():
    """Whoever is logged in is known; whoever is not, is not, even at this machine."""
    assert judge_actions(["0.0.0.0"], is_set=True, has_login=True).allowed
    assert judge_actions(None, is_set=True, has_login=True).allowed
    assert not judge_actions(["127.0.0.1"], is_set=False, has_login=True).allowed
    refused = judge_actions(["127.0.0.1"], is_set=True, is_anonymous=True)
    assert (refused.allowed, "nobody delete" in refused.reason) == (False, True)
