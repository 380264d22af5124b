"""Cursors: what we made comes back, and nothing else does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.listing.cursors import Cursor, InvalidCursor, decode

pytestmark = pytest.mark.engine_neutral


@settings(max_examples=50)
@given(
    data=st.data(),
    position=st.lists(st.one_of(st.text(), st.integers(-(2**31), 2**31))),
    backward=st.booleans(),
)
def test_a_cursor_that_was_changed_anywhere_is_invalid(data, position, backward):
    cursor = Cursor(backward, tuple(position))
    text = cursor.encode(["/jobs/"])
    assert decode(text, ["/jobs/"]) == cursor
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters().filter(lambda letter: letter != text[place]))
    with pytest.raises(InvalidCursor):
        decode(text[:place] + letter + text[place + 1 :], ["/jobs/"])
    with pytest.raises(InvalidCursor):
        decode(text, ["/tasks/"])
