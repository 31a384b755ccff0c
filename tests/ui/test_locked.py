"""A locked service in a real browser: the login, the page behind it, and the way out."""

import httpx
import pytest

from tests.openid_provider import OpenidProvider
from tests.ui.conftest import see_it_fit
from tests.ui.test_access import AXE, SERIOUS, told

TOKEN = "a-token-that-nobody-guesses"
ELSEWHERE = {
    "KATO_PANEL_OAUTH_PROVIDER": "github",
    "KATO_PANEL_OAUTH_KEY": "key",
    "KATO_PANEL_OAUTH_SECRET": "secret",
    "KATO_PANEL_OAUTH_USERS": "anna",
}
LISTEN = """
window.__blocked = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.__blocked.push(`${event.effectiveDirective} ${event.blockedURI}`));
"""


@pytest.fixture
def page(watched):
    watched.page.add_init_script(LISTEN)
    return watched.page


def log_in(page, token=TOKEN):
    page.get_by_label("Access token").fill(token)
    page.get_by_role("button", name="Log in").click()


def test_normal_use_breaks_no_policy_and_asks_nobody_else(serve, page, watched):
    """From the login by dashboard, list and drawer to the logout."""
    service = serve(KATO_PANEL_AUTH_TOKEN=TOKEN)
    blocked = []
    page.goto(f"{service.url}?tab=sessions&tz=Asia/Kolkata")
    blocked += page.evaluate("window.__blocked")
    log_in(page)
    page.wait_for_url("**/app?tab=sessions&tz=Asia/Kolkata")
    page.locator("tbody tr [data-open]").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    page.get_by_role("link", name="Live").click()
    page.locator(".plot canvas").first.wait_for()
    page.locator(".toasts .toast").first.wait_for()
    page.get_by_role("button", name="5 m", exact=True).click()
    page.get_by_role("button", name="Theme").click()
    blocked += page.evaluate("window.__blocked")
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login")
    blocked += page.evaluate("window.__blocked")
    page.goto(service.url)
    page.wait_for_url("**/login?next=app")
    assert blocked == []
    hosts = {url.split("/")[2] for url in watched.requests if url.startswith(("http", "ws"))}
    assert hosts == {service.base.removeprefix("http://")}
    assert watched.complaints == []


def test_login_elsewhere_leads_in_and_out_again(serve, page, watched):
    """By a button and another site's page, which lets in by a link; whoever may not is told so."""
    with OpenidProvider() as provider:
        service = serve(KATO_PANEL_AUTH_TOKEN=TOKEN, **provider.settings)
        blocked = []
        page.goto(f"{service.url}?tab=sessions")
        page.set_viewport_size({"width": 360, "height": 740})
        provider.person["email"] = "eve.whose.name.is.longer.than.a.phone.is.wide@evil.example"
        page.get_by_role("link", name="Log in with Example").click()
        page.get_by_role("link", name="Go on").click()
        page.get_by_role("alert").get_by_text("@evil.example may not come in here.").wait_for()
        see_it_fit(page, 360)
        page.set_viewport_size({"width": 1280, "height": 800})
        watched.complaints.clear()  # Chromium's own, that the page is a 403
        blocked += page.evaluate("window.__blocked")
        provider.person["email"] = "anna@example.org"
        page.get_by_role("link", name="Log in with Example").click()
        page.get_by_role("link", name="Go on").click()
        page.wait_for_url("**/app?tab=sessions")
        page.locator("tbody tr [data-open]").first.wait_for()
        blocked += page.evaluate("window.__blocked")
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url("**/login")
        page.get_by_role("link", name="Log in with Example").wait_for()
        blocked += page.evaluate("window.__blocked")
        page.goto(service.url)
        page.wait_for_url("**/login?next=app")
    assert blocked == []
    hosts = {url.split("/")[2] for url in watched.requests if url.startswith(("http", "ws"))}
    assert hosts == {service.base.removeprefix("http://"), f"localhost:{provider.port}"}
    assert watched.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_login_is_for_everybody(serve, page, scheme):
    """On a phone, by keyboard, in words; and it says when the token is wrong."""
    service = serve(KATO_PANEL_AUTH_TOKEN=TOKEN, **ELSEWHERE)
    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme=scheme)
    page.goto(service.url)
    page.locator("input:focus").wait_for()
    page.keyboard.type("not this one")
    page.keyboard.press("Enter")
    page.get_by_role("alert").get_by_text("That is not right.").wait_for()
    see_it_fit(page, 360)
    page.evaluate(AXE)
    found = page.evaluate("axe.run()")["violations"]
    assert [told(one) for one in found if one["impact"] in SERIOUS] == []
    log_in(page)
    page.get_by_role("button", name="Log out").wait_for()
    see_it_fit(page, 360)


def test_panel_serve_shows_nothing_of_a_locked_service(panel_serve, page, simulator):
    """It cannot ask for the token, and says who can; the routes of the plugin ask for it."""
    settings = {"KATO_API_URL": simulator.url, "KATO_PANEL_AUTH_TOKEN": TOKEN, **ELSEWHERE}
    url = panel_serve("app.py", "--plugins", "kato_panel.server", **settings)
    page.goto(f"{url}/app")
    page.get_by_role("alert").get_by_text("kato-panel serve can").wait_for()
    assert page.locator('[data-figure="active"]').count() == 0
    count = f"{url}/api/v1/sessions/count"
    assert httpx.get(count, trust_env=False).status_code == 401
    assert httpx.get(f"{url}/login/oauth", trust_env=False).status_code == 404
    right = {"Authorization": f"Bearer {TOKEN}"}
    assert httpx.get(count, trust_env=False, headers=right).status_code == 200
    foreign = right | {"Host": "evil.example"}
    assert httpx.get(count, trust_env=False, headers=foreign).status_code == 403
    assert httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
