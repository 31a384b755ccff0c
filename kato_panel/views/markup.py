"""Markup that Python writes: the one function that makes an element, and makes its texts safe."""

from collections.abc import Iterable
from typing import Final

from kato_panel.domain.text import safe

LONGEST: Final = 1_000
"""Characters of a text that are shown."""


class Markup(str):
    """A text that is markup, made by `element` or by `join`."""

    __slots__ = ()


def element(name: str, *children: object, **attributes: object) -> Markup:
    """
    Write an element of HTML or SVG.

    Parameters
    ----------
    name
        Of the element: a constant.
    children
        Texts, which are made safe, and elements; ``None`` stands for nothing.
    attributes
        Their values are made safe, too; ``cls`` is the class, ``_`` stands for a hyphen; ``True``
        is an attribute without a value, ``None`` none at all.
    """
    written = ""
    for key, value in attributes.items():
        if value is not None:
            word = "class" if key == "cls" else key.replace("_", "-")
            written += f" {word}" if value is True else f' {word}="{safe(value, 100_000)}"'
    return Markup(f"<{name}{written}>{join(children)}</{name}>")


def join(children: Iterable[object]) -> Markup:
    """Write elements and texts one after another."""
    return Markup(
        "".join(
            child if isinstance(child, Markup) else safe(child, LONGEST)
            for child in children
            if child is not None
        )
    )
