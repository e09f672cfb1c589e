"""When cues come and go."""

from hypothesis import given
from hypothesis import strategies as st

from volcasr_async.subtitles.pacing import Slot, paced


def times(*slots: tuple[int, int, int], end: int | None = None) -> list[tuple[int, int]]:
    return paced([Slot(*slot) for slot in slots], 1000, 7000, end)


def test_a_cue_is_when_it_was_said() -> None:
    """Neither earlier nor later, where there is time to read it."""
    assert times((0, 2000, 10), (3000, 5000, 20)) == [(0, 2000), (3000, 5000)]


def test_a_short_cue_stays() -> None:
    """A second, longer when there is more to read, not past the next one, nor the recording's end."""
    assert times((0, 100, 2)) == [(0, 1000)]
    assert times((0, 100, 40)) == [(0, 2400)]
    assert times((0, 100, 40), (1500, 3000, 2)) == [(0, 1500), (1500, 3000)]
    assert times((0, 100, 2), end=600) == [(0, 600)]
    assert times((0, 900, 2), end=600) == [(0, 900)]


def test_a_long_cue_goes() -> None:
    """After the longest time, and a small gap is closed."""
    assert times((0, 60_000, 2)) == [(0, 7000)]
    assert times((0, 1800, 2), (2000, 4000, 2)) == [(0, 2000), (2000, 4000)]


def test_two_at_once() -> None:
    """Who began may first be read; the other is at most two seconds late, and still speaking."""
    assert times((0, 5000, 20), (3000, 6000, 20)) == [(0, 3000), (3000, 6000)]
    assert times((0, 5000, 40), (500, 6000, 20)) == [(0, 2400), (2400, 6000)]
    assert times((0, 5000, 40), (500, 900, 2)) == [(0, 900), (900, 1900)]
    assert times((0, 9000, 80), (500, 9000, 20)) == [(0, 2500), (2500, 9000)]


slots = st.lists(
    st.builds(
        lambda start, length, width: Slot(start, start + length, width),
        st.integers(0, 20_000),
        st.integers(0, 9_000),
        st.integers(0, 80),
    ),
    max_size=12,
).map(lambda found: sorted(found, key=lambda slot: slot.start_ms))


@given(slots, st.integers(0, 2000), st.integers(2000, 8000), st.none() | st.integers(0, 30_000))
def test_any_cues(found: list[Slot], shortest: int, longest: int, end: int | None) -> None:
    """Never overlapping, never backwards, never empty; as long as asked, unless the next one or the end forbid it."""
    paced_ = paced(found, shortest, longest, end)
    begun = -10
    for number, ((start, stop), slot) in enumerate(zip(paced_, found, strict=True)):
        after = paced_[number + 1][0] if number + 1 < len(paced_) else None
        assert slot.start_ms <= start < stop <= start + longest
        assert start <= max(slot.start_ms, min(slot.end_ms, slot.start_ms + 2000), begun + 10)
        begun = start
        assert stop - start >= 10
        assert after is None or stop <= after
        assert stop - start >= shortest or stop == after or (end is not None and stop >= end)
