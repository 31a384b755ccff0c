"""A page that opens ``/ws`` itself, as the README shows it."""

import re
from pathlib import Path

from tests.ui.test_page import pill

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_browser_code_of_the_readme_hears_of_a_session(serve, simulator, caller, watched):
    """As it stands there, at another address."""
    (code,) = re.findall(r"^```js\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    service = serve(KATO_API_URL=simulator.url)
    page = watched.open(service.url).page
    watched.count("5")
    pill(watched, "Live")  # from when on names can be told
    address = service.base.removeprefix("http://")
    opened = "await new Promise((opened) => socket.addEventListener('message', opened));"
    page.evaluate("async () => {" + code.replace("127.0.0.1:5006", address) + opened + "}")
    with page.expect_console_message() as heard:
        caller.create()  # so soon after the start, perhaps told without its name
    assert "session_created" in heard.value.text
    with page.expect_console_message() as heard:
        session_id = caller.create()
    assert session_id in heard.value.text
