"""What finds Chinese and Japanese words for subtitles: how often a line ends inside a word, and what it costs.

`tests/subtitles/labelled.txt` has sentences that were cut into words by hand. Each is laid out without its punctuation, alone and
together with the next of its kind, at 12, 16, 20, 24, 28, 32 and 40 columns, a character in 240 ms. The first table has the share
of line ends that lie inside a word, in percent. "line ends" counts those of the rules; the others have nearly as many. budoux takes
its model for traditional Chinese or Japanese where the sentences are; "rjieba and budoux" is `Layout(segmenter="library")`, which
chooses by the text. ICU is measured where icu4py is installed.

The second table has a process for each. "load" is the time of the first short subtitle and the memory that it leaves, after one
without a segmenter. Then SRT is made of a transcript of two hours: the same sentences, three in each utterance, 30,000 Chinese,
Japanese and Latin characters besides punctuation, each a word of 240 ms. CPU is the middle of three in each of three rounds; the
ratio to the rules is formed within a round.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate, cycle, islice, pairwise
from pathlib import Path
from typing import Any

from benchmarks import measure

LABELLED = Path(__file__).parents[1] / "tests" / "subtitles" / "labelled.txt"
WIDTHS = (12, 16, 20, 24, 28, 32, 40)
CHARACTERS = 30_000
RULES, BUDOUX, RJIEBA, LIBRARY, ICU = "rules", "budoux", "rjieba", "rjieba and budoux", "ICU"
_MARKS = "，。？！、：；"
_STEP_MS = 240

Sentence = list[str]
"""Its words, the last of a clause with its punctuation."""


def run(rounds: int = 3, characters: int = CHARACTERS, repeats: int = 3) -> list[dict[str, Any]]:
    """Measure both tables."""
    return [*accuracy(), *costs(rounds, characters, repeats)]


def names() -> tuple[str, ...]:
    """List what is compared."""
    optional = (ICU,) if importlib.util.find_spec("icu4py") else ()
    return (RULES, *optional, BUDOUX, RJIEBA, LIBRARY)


def read_labelled() -> dict[str, list[Sentence]]:
    """Read the sentences of each kind of text."""
    kinds: dict[str, list[Sentence]] = {}
    for line in filter(None, LABELLED.read_text("utf-8").splitlines()[1:]):
        if line.startswith("# "):
            kinds[line[2:]] = kind = []
        else:
            kind.append(line.split("|"))
    return kinds


# ---- line ends inside a word ----


def accuracy(
    kinds: Mapping[str, Sequence[Sentence]] | None = None, widths: Sequence[int] = WIDTHS
) -> list[dict[str, Any]]:
    """Count the line ends of all sentences, and of each kind of text; by default of the labelled ones."""
    kinds = kinds or read_labelled()
    found = {kind: [_counts(kind, sentences, widths)] for kind, sentences in kinds.items()}
    everything = [counts for each in found.values() for counts in each]
    rows = [("all", sum(map(len, kinds.values())), everything)]
    rows += [(kind, len(sentences), found[kind]) for kind, sentences in kinds.items()]
    return [_row(kind, sentences, counts) for kind, sentences, counts in rows]


_Counts = dict[str, tuple[int, int]]
"""Of each segmenter, the line ends inside a word, and all line ends."""


def _row(kind: str, sentences: int, counts: Sequence[_Counts]) -> dict[str, Any]:
    inside = {name: sum(each[name][0] for each in counts) for name in names()}
    ends = {name: sum(each[name][1] for each in counts) for name in names()}
    shares = {f"{name} %": round(100 * inside[name] / ends[name]) for name in names()}
    return {"text": kind, "sentences": sentences, "line ends": ends[RULES], **shares}


def _counts(kind: str, sentences: Sequence[Sentence], widths: Sequence[int]) -> _Counts:
    return {name: _count(sentences, _segmenter(name, kind), widths) for name in names()}


def _count(sentences: Sequence[Sentence], segmenter: Any, widths: Sequence[int]) -> tuple[int, int]:
    from volcasr_async import Transcript
    from volcasr_async.subtitles import Layout, to_cues

    bare = [[word.rstrip(_MARKS) for word in sentence] for sentence in sentences]
    inside = total = 0
    for words in (*bare, *(first + second for first, second in pairwise(bare))):
        text, ends = "".join(words), set(accumulate(map(len, words)))
        for width in widths:
            transcript = Transcript(text=text, duration_ms=_STEP_MS * len(text))
            cues = to_cues(transcript, Layout(columns=width, segmenter=segmenter))
            places = _line_ends(text, (line for cue in cues for line in cue.lines))
            total += len(places)
            inside += sum(place not in ends for place in places)
    return inside, total


def _line_ends(text: str, lines: Iterator[str]) -> list[int]:
    """Find where in the text each line ends, but for the last; a blank at the end of a line is no part of it."""
    ends, at = [], 0
    for line in lines:
        at = text.index(line, at) + len(line)
        ends.append(at)
    return ends[:-1]


def _segmenter(name: str, kind: str = "") -> Any:
    """Make the value of `Layout.segmenter`."""
    match name:
        case "rules":
            return "rules"
        case "rjieba and budoux":
            return "library"
        case "rjieba":
            import rjieba

            return lambda text: accumulate(map(len, rjieba.cut(text)))
        case "budoux":
            parse = _budoux(kind)
            return lambda text: accumulate(map(len, parse(text)))
        case _:
            from icu4py.breakers import WordBreaker

            locale = "ja" if kind == "japanese" else "zh"
            return lambda text: accumulate(map(len, WordBreaker(text, locale)))


def _budoux(kind: str) -> Callable[[str], list[str]]:
    import budoux

    match kind:
        case "japanese":
            parser = budoux.load_default_japanese_parser()
        case "traditional":
            parser = budoux.load_default_traditional_chinese_parser()
        case _:
            parser = budoux.load_default_simplified_chinese_parser()
    parse: Callable[[str], list[str]] = parser.parse
    return parse


# ---- what it costs ----


def costs(rounds: int, characters: int, repeats: int) -> list[dict[str, Any]]:
    """Measure each in a process of its own, in turn."""
    rows = []
    for turn in range(rounds):
        order = [*names()[turn % len(names()) :], *names()[: turn % len(names())]]
        found = {name: measure.alone(cost, name, characters, repeats) for name in order}
        base = found[RULES]["CPU s"]
        rows += [{"name": name, **found[name], "CPU / rules": found[name]["CPU s"] / base} for name in names()]
    figures = ("load ms", "load MB", "CPU s", "characters/s", "CPU / rules")
    return [measure.middle([row for row in rows if row["name"] == name], *figures) for name in names()]


def cost(name: str, characters: int, repeats: int) -> dict[str, Any]:
    """Load one, then write a long transcript several times."""
    from volcasr_async import Transcript
    from volcasr_async.subtitles import Layout, to_srt

    short = Transcript(text="今天天气很好，我们去公园散步。", duration_ms=4000)
    to_srt(short, Layout(segmenter="rules"))
    before, began = measure.resident(), time.perf_counter()
    layout = Layout(segmenter=_segmenter(name))
    to_srt(short, layout)
    load_s, grown = time.perf_counter() - began, measure.resident() - before
    spoken = long_transcript(characters)
    took = [_cpu_s(lambda: to_srt(spoken, layout)) for _ in range(repeats)]
    cpu_s = measure.median(took)
    return {
        "load ms": load_s * 1000,
        "load MB": grown / measure.MB,
        "CPU s": cpu_s,
        "characters/s": round(characters / cpu_s),
    }


def _cpu_s(work: Callable[[], object]) -> float:
    used = measure.cpu_s()
    work()
    return measure.cpu_s() - used


def long_transcript(characters: int) -> Any:
    """Make a transcript of about so many characters, a word for each, as the service writes Chinese."""
    from msgspec import Raw, json

    from volcasr_async import Transcript, Utterance

    sentences = cycle("".join(words) for kind in read_labelled().values() for words in kind)
    utterances, now, said = [], 0, 0
    while said < characters:
        text, start, words = "".join(islice(sentences, 3)), now, []
        for char in filter(str.isalnum, text):
            words.append({"text": char, "start_time": now, "end_time": now + _STEP_MS})
            now += _STEP_MS
        said += len(words)
        utterances.append(Utterance(text=text, start_ms=start, end_ms=now, words_json=Raw(json.encode(words))))
    return Transcript(text="", utterances=tuple(utterances), duration_ms=now)
