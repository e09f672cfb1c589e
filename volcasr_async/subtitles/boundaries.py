"""Where the words of a text end, as a segmenter found them."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from volcasr_async.subtitles.width import is_letter


class Boundaries(Struct, frozen=True):
    """Positions in a text after which a word ends; `weak` are those where a phrase goes on."""

    ends: frozenset[int]
    weak: frozenset[int] = frozenset()

    def may_begin(self, at: int) -> bool:
        """Return whether a word may begin at this position."""
        return at == 0 or at in self.ends

    def is_single(self, at: int) -> bool:
        """Return whether the character at this position is a word by itself."""
        return self.may_begin(at) and at + 1 in self.ends

    def inside(self, text: str) -> Iterable[int]:
        """List the positions between two Chinese characters (or kana) of one word."""
        letters = [is_letter(char) for char in text]
        return [at for at in range(1, len(text)) if at not in self.ends and letters[at - 1] and letters[at]]
