"""The list engine: filters, orders, access paths, keyset pages and bounded scans.

What each list offers is declared in ``orchestrator.lists``; nothing here knows a table.
"""

from orchestrator.listing.access_paths import access_path
from orchestrator.listing.cursors import Cursor, InvalidCursor
from orchestrator.listing.definition import ListDefinition, Order
from orchestrator.listing.errors import InvalidQuery
from orchestrator.listing.filters import Exact, OneOf, Period, Prefix, Range
from orchestrator.listing.page import Page, Selection

__all__ = [
    "Cursor",
    "Exact",
    "InvalidCursor",
    "InvalidQuery",
    "ListDefinition",
    "OneOf",
    "Order",
    "Page",
    "Period",
    "Prefix",
    "Range",
    "Selection",
    "access_path",
]
