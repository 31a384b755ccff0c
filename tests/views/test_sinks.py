"""Where text becomes markup: nowhere but in a few lines that are named here."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "kato_panel"
SCRIPTS = sorted((PACKAGE / "views" / "assets").glob("*.js"))
MODULES = sorted(PACKAGE.rglob("*.py"))
# Of Panel and Bokeh: each takes its text for markup, by experiment.
SINKS = frozenset(
    {
        *("HTML", "Markdown", "Alert", "Str", "Div", "PreText", "Card", "Accordion", "StaticText"),
        *("MultiChoice", "Number", "TooltipIcon", "ChatMessage", "Tooltip", "notifications"),
    }
)
KNOWS_PANEL = ("views/", "server/", "monitor.py", "cells.py")
"""Elsewhere the same names mean something else: imports of Panel are forbidden there."""
# Functions that hand markup to one of them, and take care of what they put into it.
CAREFUL = {
    ("views/dashboard.py", "_refusal"): {"items"},
    ("server/login.py", "write_page"): set(),
    ("monitor.py", "_repr_html_"): {"name", "cells"},
    ("domain/churn/analysis.py", "_repr_html_"): {"notes", "table"},
    ("views/markup.py", "element"): {"name", "written", "join(children)"},
    ("views/documents.py", "write_part"): {"stylesheet()"},
    ("views/documents.py", "write_document"): {"head", "inner", "policy", "sheet"},
}
MARKUP = re.compile(r"</?[a-zA-Z]")
RISKY = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|srcdoc"
    r"|setHTML|\beval\(|new Function|setAttribute\(\"on|\.on[a-z]+ ="
)
# Each line of the page's code that sets markup, which is a constant of that code.
CONSTANTS = {
    "drawer.innerHTML = DRAWER; // only ever the constant above",
    "bar.innerHTML = BAR; // only ever the constant above",
    "refs.play.innerHTML = stands ? PLAY_ICON : PAUSE_ICON;",
    "question.innerHTML = QUESTION; // only ever the constant above",
    "element.innerHTML = content; // only ever the constants above",
    "box.innerHTML = RULES; // only ever the constant above",
    "box.innerHTML = markup; // only ever one of the constants",
    "this.refs.theme.innerHTML = picture;",
    "refs.pause.innerHTML = PAUSE_ICON;",
    "pause.innerHTML = this.isPaused ? PLAY_ICON : PAUSE_ICON;",
}
MADE_OF = {
    *(
        "",
        "ROW",
        "TILE",
        "TOAST",
        "CARD",
        "CHURN",
        "LINE",
        "CONTAINERS",
        "buildAll(isPage)",
        "buildList(LIMITS)",
    ),
    *("ALERT_ROW", "ALERT_TOAST", "RULE_ROW", "SILENCE", "SILENCE_ROW"),
}
LISTS = ["ALERT_LIST", "ALERT_DRAWER"]


def functions(path):
    """List the functions of a module, each with its name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def name_of(node):
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def is_safe(node):
    """Whether what an f-string holds was made safe, or is markup made of what was."""
    return isinstance(node, ast.Call) and name_of(node.func) == "safe"


def writes_markup(function):
    """List f-strings of a function that are markup and hold something that was not made safe."""
    for node in ast.walk(function):
        if isinstance(node, ast.JoinedStr):
            parts = [part.value for part in node.values if isinstance(part, ast.Constant)]
            held = [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
            if any(MARKUP.search(part) for part in parts):
                yield from (one for one in held if not is_safe(one))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_named_functions_write_markup(path):
    """And what they put into it went through `safe`, or is markup that did."""
    place = str(path.relative_to(PACKAGE))
    if place.startswith("simulator/"):
        return  # shows nothing
    for function in functions(path):
        is_careful = (place, function.name) in CAREFUL
        calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
        calls = calls if place.startswith(KNOWS_PANEL) else []
        assert is_careful or not [one for one in calls if name_of(one.func) in SINKS], function.name
        names = {ast.unparse(one) for one in writes_markup(function)}
        is_for_a_console = function.name == "__repr__"
        assert is_for_a_console or names <= CAREFUL.get((place, function.name), set()), (
            function.name
        )


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_page_sets_text_and_no_markup(path):
    """But for the constants of its own code."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line for line in lines if RISKY.search(line) and line not in CONSTANTS] == []


def test_what_is_made_of_markup_is_made_of_constants():
    """The one function that takes markup is given no text."""
    code = "\n".join(path.read_text(encoding="utf-8") for path in SCRIPTS)
    given = re.findall(r"\bmake\((?:\"[^\"]*\"), (?:[^,()]*|\w+ \? [^,]*), ([\w()]+)\)", code)
    assert given
    assert set(given) <= MADE_OF
    assert re.findall(r"new AlertList\(\w+(?:\.\w+)*, (.+?), this\)", code) == LISTS
    assert code.count("new AlertList(") == len(LISTS)


@pytest.mark.parametrize(
    "line",
    ["element.innerHTML = row.node_id;", "a.insertAdjacentHTML('beforeend', x)", "eval(x)"],
)
def test_check_sees_what_it_looks_for(line):
    """It would fail for a line such as these."""
    assert RISKY.search(line)
    assert line not in CONSTANTS


def test_check_sees_text_in_markup():
    """An f-string with a text that nobody made safe."""
    bad = ast.parse("def f(x):\n    return f'<b>{x}</b>{safe(x)}'").body[0]
    assert [ast.unparse(one) for one in writes_markup(bad)] == ["x"]
