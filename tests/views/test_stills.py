"""Views that are kept as they are now: every card, before anything is known and after."""

import re

import pytest

import kato_panel
from kato_panel import Monitor

CARDS = (
    *("AlertPanel", "ContainerCards", "ContainerTable", "EventFeed", "LiveView", "RuleTable"),
    *("SessionChart", "SessionCount", "SessionRates", "SourceList", "UpstreamCard"),
)
SECRETS_OF_PYTHON = re.compile(r"\b(?:None|NaN|NaT|nan|inf|undefined)\b")


def words_of(text):
    return re.sub(r"<[^>]*>", "\n", re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL))


@pytest.fixture(scope="module")
def monitor():
    with Monitor() as monitor:
        assert monitor.wait()
        yield monitor


@pytest.mark.parametrize("name", CARDS)
def test_each_card_is_kept_without_a_script(monitor, tmp_path, name):
    """With the demo's mark; what is not known is a dash."""
    view = getattr(kato_panel, name)(monitor)
    view.save(tmp_path / "x.html")
    text = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert not re.search(r"<script|<link|<img|src=|href=|url\(|https?://", text)
    assert "demo data" in text
    assert not SECRETS_OF_PYTHON.findall(words_of(view.to_html()))


@pytest.mark.parametrize("name", CARDS)
def test_card_of_which_nothing_is_known_says_so(name):
    """Before the first observation."""
    text = words_of(getattr(kato_panel, name)(Monitor()).to_html())
    assert "Nothing was observed yet." in text
    assert not SECRETS_OF_PYTHON.findall(text)


def test_still_shows_the_figures_of_the_models(monitor):
    """The same as the card that lives."""
    summary = monitor.summary
    text = kato_panel.SessionCount(monitor).to_html()
    assert f'<div class="value">{summary.active}</div>' in text
    assert (
        len(monitor.connection.sources)
        == kato_panel.SourceList(monitor).to_html().count("<tr>") - 1
    )
