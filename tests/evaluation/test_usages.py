"""The parts of a challenge."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from steeple.evaluation.usages import by_usage

USAGE = st.sampled_from(("Public", "Private", "Ignored"))
ROWS = st.dictionaries(
    st.text("abc", min_size=1), st.tuples(USAGE, st.lists(st.text("x", min_size=1), max_size=2))
)


@given(ROWS)
def test_every_query_is_in_its_part(rows):
    parts = by_usage(
        {q: right for q, (_, right) in rows.items()}, {q: u for q, (u, _) in rows.items()}
    )
    assert list(parts) == ["public", "private", "all"]
    for part, usages in (("public", "Public"), ("private", "Private"), ("all", "PublicPrivate")):
        some = {query: right for query, (usage, right) in rows.items() if usage in usages}
        assert parts[part] == (some if any(some.values()) else None)
