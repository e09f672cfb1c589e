"""What the tests of the subtitles share: transcripts, real ones and hostile ones."""

import json
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from hypothesis import strategies as st
from msgspec import Raw

from volcasr_async import Transcript, Utterance, read_transcript

SAMPLES = Path(__file__).parent.parent / "samples"
PLAYED = ("srt", "vtt", "lrc", "ass", "ssa", "ttml", "microdvd", "mpl2", "tmp")


def sample(name: str) -> Transcript:
    """A transcript of the recorded replies."""
    body = json.loads((SAMPLES / f"{name}.json").read_text())["body"]
    return read_transcript(body if isinstance(body, str) else json.dumps(body))


def utterance(
    text: str, start: int = -1, end: int = -1, words: Iterable[tuple[str, int, int]] = (), **additions: str
) -> Utterance:
    raw = json.dumps([{"text": said, "start_time": began, "end_time": ended} for said, began, ended in words])
    return Utterance(text=text, start_ms=start, end_ms=end, words_json=Raw(raw.encode()), additions=additions)


def transcript(*utterances: Utterance, duration_ms: int | None = None) -> Transcript:
    return Transcript(text="", utterances=utterances, duration_ms=duration_ms)


def spoken(
    text: str, start: int, *, step: int = 200, pauses: dict[int, int] | None = None, **additions: str
) -> Utterance:
    """Chinese as the service sends it: a word for each character, none for punctuation; *pauses* follow the nth."""
    words, now = [], start
    for char in text:
        if char.isalnum():
            words.append((char, now, now + step))
            now += step + (pauses or {}).get(len(words), 0)
    return utterance(text, start, words[-1][2], words, **additions)


def shown(text: str) -> str:
    """What a reader sees of a text: no blanks, no control characters; whatever form it is written in."""
    kept = "".join(
        "\ufffd" if unicodedata.category(c) == "Cs" or ord(c) & 0xFFFE == 0xFFFE or "\ufdd0" <= c <= "\ufdef" else c
        for c in text
        if (unicodedata.category(c) != "Cc" and c != "\ufeff" and not c.isspace())
    )
    return "".join(unicodedata.normalize("NFKC", kept).split())


def said(text: str) -> str:
    """What is left of `shown` without punctuation, which is not shown by itself."""
    return "".join(c for c in shown(text) if c.isalnum() or unicodedata.category(c) in {"So", "Sc", "Co"})


SNIPPETS = (
    "今天天气很好", "我们去公园散步", "，", "。", "？", "、", "……", "——", "“", "”", "（", "）", "2026年", "98.5%", " ", "  ",
    "Hello", "world", "it's", ", ", ". ", "! ", "Mr. Smith", "3.14", "well-known",
    "https://example.com/a?b=c&d=e#f", "-->", "\n\n", "\r", "\r\n", "\x00", "\x1b[0m", "\t", "\x85", "\u2028",
    "\xa0", "\ufeff", "<b>", "</b>", "a < b > c", "&", "&lt;", "{\\an8}", "{}", "}", "\\N", "\\h", "C:\\new",
    "\n2026\n", "7", "1\n", "[00:01.00]", "<00:02.00>", "|", "/", "00:00:01,000 --> 00:00:02,000", "WEBVTT",
    "NOTE x", "=1+1", "@x", "#", "*a*", "_b_", "\ud800", "\uffff", "👍", "👩‍👩‍👧", "👍🏽", "❤️", "🇨🇳🇺🇸", "1️⃣",
    "e\u0301", "a\u0301\u0323\u0308", "नमस्ते", "สวัสดี", "한국어", "ᄒ\u1161\u11ab", "日本語の", "ッー", "مرحبا بالعالم",
    "שלום", "\u202e", "\u200b", "漢\ufe00", '"', "'", "好" * 45, "x" * 90, "9" * 60, "。" * 8,
)  # fmt: skip
texts = st.lists(st.sampled_from(SNIPPETS) | st.text(max_size=4), max_size=14).map("".join)
times = st.integers(-1, 30_000) | st.sampled_from([-1, 0, 2**40])
words = st.lists(st.tuples(st.sampled_from(SNIPPETS) | st.text(max_size=3), times, times), max_size=12)


@st.composite
def utterances(draw: st.DrawFn, voices: tuple[str | None, ...] = (None,)) -> Utterance:
    """An utterance whose words fit its text more or less, at times that fit more or less."""
    text = draw(texts)
    said = draw(words)
    if draw(st.booleans()):
        start, step = draw(st.integers(0, 20_000)), draw(st.integers(0, 900))
        said = [(char, start + step * i, start + step * (i + 1)) for i, char in enumerate(text) if char.isalnum()]
    voice = draw(st.sampled_from(voices))
    return utterance(text, draw(times), draw(times), said, **({} if voice is None else {"speaker": voice}))


@st.composite
def transcripts(draw: st.DrawFn, voices: tuple[str | None, ...] = (None, "1", "2")) -> Transcript:
    """Anything that a service could send, and some things that it could not."""
    found = tuple(draw(st.lists(utterances(voices), max_size=5)))
    duration = draw(st.none() | st.integers(-1, 60_000))
    return Transcript(text=draw(texts), utterances=found, duration_ms=duration)


def one_voice() -> st.SearchStrategy[Transcript]:
    """A transcript of one utterance, whose text therefore comes out in its own order."""
    return st.builds(
        lambda u, d: Transcript(text=u.text, utterances=(u,), duration_ms=d),
        utterances(),
        st.none() | st.integers(0, 60_000),
    )


def said_in(told: Transcript) -> str:
    """All that subtitles must show: the utterances in which something is said; without any, the whole text."""
    parts = [said(u.text) if shown(u.text) else said("".join(word.text for word in u.words)) for u in told.utterances]
    return "".join(parts) or said(told.text)


def text_of(told: Transcript) -> str:
    """All that a file must show: the utterances, one without text by its words; without utterances, the whole text."""
    parts = [shown(u.text) or shown("".join(word.text for word in u.words)) for u in told.utterances]
    return "".join(parts) or shown(told.text)
