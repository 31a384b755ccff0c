"""Examples in docstrings: each is run, wherever it stands."""

import doctest
import importlib
import pkgutil

import pytest

import kato_panel

NAMES = sorted(
    module.name
    for module in pkgutil.walk_packages(kato_panel.__path__, "kato_panel.")
    if not module.name.endswith("__main__")
)
FINDER = doctest.DocTestFinder(exclude_empty=True)


def examples(name):
    """Docstrings of a module that hold an example."""
    module = importlib.import_module(name)
    return [found for found in FINDER.find(module, name) if found.examples]


WITH_EXAMPLES = [found for name in NAMES for found in examples(name)]


@pytest.mark.parametrize("example", WITH_EXAMPLES, ids=lambda example: example.name)
def test_example_works_as_it_stands(example, monkeypatch):
    """On the demo, as a reader would try it."""
    monkeypatch.delenv("KATO_API_URL", raising=False)
    assert doctest.DocTestRunner().run(example).failed == 0


def test_there_are_examples():
    """The search finds them."""
    assert "kato_panel.monitor.Monitor" in [found.name for found in WITH_EXAMPLES]
