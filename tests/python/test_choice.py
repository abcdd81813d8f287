"""The choice of process 0, as the other processes read it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from record_examples import records

from modelcheckpoint.decide.choice import Choice


@given(
    st.builds(
        Choice,
        st.text(),
        st.none() | records,
        st.none() | records,
        st.lists(st.text()).map(tuple),
    )
)
def test_another_process_reads_the_same(choice):
    """The text of any choice contains all of it."""
    assert repr(Choice.from_text(choice.to_text())) == repr(choice)


def test_a_record_of_another_version():
    """It raises an error, instead of saying "there is no checkpoint"."""
    text = json.dumps(["run", '{"schema": 2}', None, []])
    with pytest.raises(ValueError, match="another form"):
        Choice.from_text(text)
