"""Whom a login provider names, and who may come in."""

import base64
import json

import pytest

from kato_panel.domain.identity import (
    Identity,
    Kind,
    admit,
    check_claims,
    read_id_token,
    read_identity,
    read_users,
)
from kato_panel.errors import PayloadError

MAIL = {"email": "Anna@Example.org", "email_verified": True}
ANNA = Identity(("anna@example.org",), ("example.org",))
NOBODY = Identity()


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"email": "anna@example.org"},
        {**MAIL, "email_verified": False},
        {**MAIL, "email_verified": "true"},
        {**MAIL, "email_verified": 1},
        {**MAIL, "email": ["anna@example.org"]},
        {**MAIL, "email": "anna@example.org\n"},
        {**MAIL, "email": "anna@evil.example@example.org"},
        {**MAIL, "email": "ann\N{LATIN SMALL LETTER A WITH DIAERESIS}@example.org"},
        {**MAIL, "email": "anna@\N{KELVIN SIGN}.example"},
        {**MAIL, "email": "a" * 250 + "@example.org"},
        {"preferred_username": "anna@example.org", "nickname": "anna", "sub": "anna@example.org"},
    ],
)
def test_nothing_but_a_verified_mail_names_anybody(told):
    """Whatever else a provider tells, people may have written themselves."""
    assert read_identity(Kind.OPENID, told) == NOBODY
    assert read_identity(Kind.OPENID, MAIL) == ANNA


def test_google_vouches_for_a_domain_only_where_it_is_the_domains_own():
    """A mail of it was verified once; whether he still belongs there, `hd` says."""
    assert read_identity(Kind.GOOGLE, MAIL) == Identity(("anna@example.org",))
    assert read_identity(Kind.GOOGLE, {**MAIL, "hd": "Example.org"}) == ANNA
    assert read_identity(Kind.GOOGLE, {**MAIL, "hd": "evil.example"}).domains == ()
    own = {**MAIL, "email": "anna@gmail.com"}
    assert read_identity(Kind.GOOGLE, own).domains == ("gmail.com",)


def test_github_and_gitlab_have_logins_beside_mails():
    """The login comes first; mails that are not verified are none."""
    mails = [
        {"email": "Anna@example.org", "verified": True, "primary": True},
        {"email": "boss@example.com", "verified": False},
        {"email": "anna@example.net", "verified": True},
        "odd",
    ]
    seen = read_identity(Kind.GITHUB, {"login": "Anna-A", "email": "boss@example.com"}, mails)
    assert seen.names == ("anna-a", "anna@example.org", "anna@example.net")
    assert seen.domains == ("example.org", "example.net")
    assert read_identity(Kind.GITHUB, {"login": "a@b"}) == NOBODY
    seen = read_identity(Kind.GITLAB, {**MAIL, "nickname": "anna"})
    assert seen == Identity(("anna", "anna@example.org"), ("example.org",))
    assert read_identity(Kind.GITLAB, {"nickname": "anna", "email": "x@y.z"}).names == ("anna",)


def test_azure_names_people_by_their_place_in_the_tenant():
    """Their mail anybody may write; a guest belongs to no domain of it."""
    told = {"userPrincipalName": "Anna@example.org", "mail": "boss@example.org", **MAIL}
    assert read_identity(Kind.AZURE, told) == ANNA
    guest = "eve_evil.example#EXT#@example.org"
    assert read_identity(Kind.AZURE, {"userPrincipalName": guest}) == Identity((guest.lower(),))
    assert read_identity(Kind.AZURE, MAIL) == NOBODY


def test_list_is_read_without_regard_to_case():
    """Mails, domains and logins; what is none of them is refused."""
    assert read_users(["Anna@Example.org", "@Example.org", "octo-cat"]) == {
        "anna@example.org", "@example.org", "octo-cat",
    }  # fmt: skip
    for wrong in ("a b", "*", "@", "a@", "@a@b", "\N{LATIN SMALL LETTER LONG S}am@example.org"):
        with pytest.raises(ValueError, match="must be mails, logins or @domain"):
            read_users([wrong])


@pytest.mark.parametrize(
    ("users", "name"),
    [
        ({"anna@example.org"}, "anna@example.org"),
        ({"@example.org"}, "anna"),
        ({"@example.org", "anna@example.org"}, "anna@example.org"),
        ({"anna"}, "anna"),
        ({"@ample.org", "@org", "example.org", "bob", "@anna"}, None),
        (set(), None),
    ],
)
def test_who_is_on_the_list_may_come_in(users, name):
    """By a name of his, or by his domain; by no part of either."""
    assert admit(Identity(("anna", "anna@example.org"), ("example.org",)), users) == name
    assert admit(NOBODY, users) is None


def token(claims):
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"head.{body}.signature"


GOOD = {
    "iss": "https://provider.example",
    "aud": "key",
    "sub": "1",
    "nonce": "n",
    "exp": 1_000.0,
}


def judge(now_seconds=900.0, subject="1", **other):
    claims = read_id_token(token({**GOOD, **other}))
    check_claims(
        claims,
        issuer="https://provider.example/",
        key="key",
        nonce="n",
        subject=subject,
        now_seconds=now_seconds,
    )


def test_id_token_that_answers_our_question_is_taken():
    """With or without a slash at its issuer's end, for us alone or for us too."""
    judge()
    judge(aud=["other", "key"], azp="key")
    judge(iss="https://provider.example/", subject=None)
    judge(now_seconds=1_059.0)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"iss": None}, "another issuer"),
        ({"aud": "other"}, "somebody else"),
        ({"aud": None}, "somebody else"),
        ({"aud": ["other"]}, "somebody else"),
        ({"aud": ["key", "other"], "azp": "other"}, "somebody else"),
        ({"nonce": "m"}, "another question"),
        ({"nonce": None}, "another question"),
        ({"exp": 839.0}, "too old"),
        ({"exp": "1e9"}, "too old"),
        ({"exp": float("nan")}, "too old"),
        ({"sub": "2"}, "about somebody else"),
        ({"sub": None}, "about somebody else"),
    ],
)
def test_id_token_of_another_login_is_refused(other, words):
    """In words that hold nothing of it."""
    with pytest.raises(PayloadError, match=words):
        judge(**other)


@pytest.mark.parametrize(
    "odd",
    [None, 5, "", "a.b", "a.b.c.d", "a.b.c", "a.\N{SNOWMAN}.c", token([1]), "x" * 20_000,
     token("x" * 16_000), "a." + "W1tb" * 3_000 + ".c"],
)  # fmt: skip
def test_what_is_no_id_token_is_refused(odd):
    """Whatever it is."""
    with pytest.raises(PayloadError, match="id_token"):
        read_id_token(odd)
