"""Made-up transcripts that say that they are made up; the same seed and source always say the same."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from volcasr_async.testing.dice import draw

_UTTERANCE_MS = 4000
_BLANK = -1  # English replies carry blank tokens timed -1/-1 between the words (reported)

_CHINESE = (
    "这是模拟器编造的文字",
    "没有人说过这句话",
    "录音并没有被听过",
    "这里是第{}句",
    "时间和说话人也是编造的",
)
_ENGLISH = (
    "this text was made up by the simulator",
    "nobody ever said this sentence",
    "the recording was not listened to",
    "this is sentence number {}",
    "times and speakers are invented too",
)
_CHINESE_DIGITS = dict(zip("0123456789", "零一二三四五六七八九", strict=True))
_ENGLISH_DIGITS = dict(enumerate(("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")))

_EMOTIONS = ("angry", "happy", "neutral", "sad", "surprise")
_GENDERS = ("male", "female")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the request asked of the text; the defaults are those of the newest documents."""

    english: bool = False
    punc: bool = True
    itn: bool = True
    utterances: bool = False
    speakers: bool = False
    channels: bool = False
    extras: frozenset[str] = frozenset()  # of: emotion gender age speech_rate volume lid


@dataclass(frozen=True, slots=True)
class Word:
    """One token; times in ms."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Utterance:
    """One sentence with its tokens; times in ms, all values of `additions` strings as on the wire."""

    text: str
    start: int
    end: int
    words: list[Word]
    additions: dict[str, str] = field(default_factory=dict)


def utterances(seed: int, source: str, duration_ms: int, wishes: Wishes) -> list[Utterance]:
    """About one sentence per four seconds; every time lies inside the audio."""
    if duration_ms <= 0:
        return []
    count = max(1, round(duration_ms / _UTTERANCE_MS))
    return [_utterance(seed, source, index, (duration_ms / count, wishes)) for index in range(count)]


def join(parts: list[Utterance], wishes: Wishes) -> str:
    """The whole transcript."""
    return (" " if wishes.english else "").join(part.text for part in parts)


def _utterance(seed: int, source: str, index: int, plan: tuple[float, Wishes]) -> Utterance:
    slot, wishes = plan
    luck = draw(seed, "text", source, index)
    sentence = (_ENGLISH if wishes.english else _CHINESE)[int(luck * 5) if index else 0]
    tokens = _tokens(sentence, index + 1, wishes)
    start = round(slot * (index + 0.05 + 0.1 * luck))
    end = max(start, round(slot * (index + 0.95)) - 1)
    text = (" " if wishes.english else "").join(tokens)
    if wishes.punc:
        text = text[0].upper() + text[1:] + "." if wishes.english else text + "。"
    words = list(_timed(tokens, start, end))
    if wishes.english:
        words = _with_blanks(words)
    return Utterance(text, start, end, words, _additions(seed, source, index, wishes))


def _tokens(sentence: str, number: int, wishes: Wishes) -> list[str]:
    digits = str(number)
    if wishes.english:
        said = [digits] if wishes.itn else [_ENGLISH_DIGITS[int(digit)] for digit in digits]
        return [token for word in sentence.split() for token in (said if word == "{}" else [word])]
    before, hole, after = sentence.partition("{}")
    said = [digits] if wishes.itn else [_CHINESE_DIGITS[digit] for digit in digits]
    return [*before, *(said if hole else ()), *after]


def _timed(tokens: list[str], start: int, end: int) -> Iterator[Word]:
    """Tokens side by side, each with a small gap behind it."""
    width = (end - start) / len(tokens)
    for index, token in enumerate(tokens):
        yield Word(token, start + int(width * index), start + int(width * (index + 0.9)))


def _with_blanks(words: list[Word]) -> list[Word]:
    spaced = [part for word in words for part in (word, Word(" ", _BLANK, _BLANK))]
    return spaced[:-1]


def _additions(seed: int, source: str, index: int, wishes: Wishes) -> dict[str, str]:
    luck = draw(seed, "additions", source, index)
    side = str(1 + index % 2)
    known = {
        "emotion": {"emotion": _EMOTIONS[int(luck * 5)], "emotion_score": f"{luck:.6f}"},
        "gender": {"gender": _GENDERS[index % 2], "gender_score": f"{0.5 + luck / 2:.6f}"},
        "age": {"age": f"{18 + 50 * luck:.4f}"},
        "speech_rate": {"speech_rate": f"{2 + 3 * luck:.6f}"},
        "volume": {"volume": f"{50 + 30 * luck:.2f}"},
        "lid": {"lid_lang": "speech_en" if wishes.english else "speech_mand", "lid_lang_score": f"{luck:.2f}"},
    }
    additions = {"speaker": side} if wishes.speakers else {}
    if wishes.channels:
        additions["channel_id"] = side
    for name in sorted(wishes.extras):
        additions |= known[name]
    return additions
