"""
The durable record: events, counts, sessions, gaps, and what people did.

One process writes a file, any number read it. See ``docs/decisions/0013-the-history.md``.
"""

from kato_panel.history.counts import Counts
from kato_panel.history.history import History, Status
from kato_panel.history.pages import Page, RecordedEvent
from kato_panel.history.place import MEMORY, OFF
from kato_panel.history.reader import Reader
from kato_panel.history.retention import Retention
from kato_panel.history.writer import Item

__all__ = [
    "MEMORY",
    "OFF",
    "Counts",
    "History",
    "Item",
    "Page",
    "Reader",
    "RecordedEvent",
    "Retention",
    "Status",
]
