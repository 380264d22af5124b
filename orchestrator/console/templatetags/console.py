"""Filters of the console's templates."""

from collections.abc import Callable
from typing import Any

from django import template

from monitoring.formatting import human_bytes, human_duration
from orchestrator.console import html_formatting
from orchestrator.console.html_formatting import NOTHING

register = template.Library()
register.filter("ago", html_formatting.ago)
register.filter("age", html_formatting.age)
register.filter("time_left", html_formatting.time_left)
register.filter("readable", html_formatting.readable_json)
register.filter("payload_text", html_formatting.payload_text)


def _known(text: Callable[[Any], str]) -> Callable[[Any], str]:
    """Return a filter that shows a dash for None, and for "": an attribute of a missing object."""
    return lambda value: NOTHING if value in (None, "") else text(value)


register.filter("grouped", _known("{:,.0f}".format))
register.filter("percentage", _known("{:.1%}".format))
register.filter("size", _known(human_bytes))
register.filter("duration", _known(human_duration))
