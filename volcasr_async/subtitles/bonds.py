"""What stays together on a line if it fits there: numbers with their units, dates, names, titles, quotations, words."""

from __future__ import annotations

import re
from collections.abc import Iterator

from volcasr_async.subtitles.boundaries import Boundaries
from volcasr_async.subtitles.width import columns, is_letter
from volcasr_async.subtitles.words import PARTICLES, PLACES

HELD = 20.0
"""From this cost on, a line ends only where what is held together is wider than a line."""
MARK = 28.0
"""The cost of parting a mark from what it belongs to."""
_IN_GROUP, _PARTICLE, _IN_WORD, _IN_TOKEN = HELD, 20.0, 24.0, 27.0  # in a title, before 的, in a word, in a number

Span = tuple[int, int]

_HAN = "\u3005-\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003fffd"
_NUMERALS = "〇零一二两兩三四五六七八九十百千万萬亿億"
_NUMERAL = f"(?:[百千万]分之)?[{_NUMERALS}]+(?:[点點][零〇一二三四五六七八九]+)?"
# What is counted, the longer names first. A blank may stand before it: "20 公里".
_COUNTED = (
    "平方公里|平方千米|平方米|立方米|个百分点|個百分點|百分点|百分點|摄氏度|攝氏度|小时|小時|分钟|分鐘|秒钟|秒鐘|毫秒|微秒|"
    "个小时|個小時|个月|個月|个半|星期|公里|千米|厘米|毫米|微米|纳米|英里|英寸|公斤|千克|毫克|微克|公顷|毫升|千瓦|赫兹|块钱|塊錢|"
    "美元|欧元|日元|港币|人民币|多万|多亿|"
    "[个個只隻条條张張块塊元角分米克斤吨噸升度秒次位名件台臺辆輛家所座年月日天周週岁歲号號楼樓层層页頁行列季期届屆批套双雙对對份种種章节節"
    "回遍趟口头頭匹艘部本册篇首幅滴瓶杯碗盒袋箱排群段倍成点點时時代世级級折]"
)
_LATIN_UNITS = (
    "(?:[KMGTkm]?[Bb](?:ps|/s)?|[kKMG]?Hz|[kKmMG]?W|kWh|mAh|[kcmμn]?m|km/h|m/s|[kmμ]?g|[mμ]?[lL]|[mμn]?s|min|h|fps|px|dpi|"
    "℃|°C|°F|%|am|pm|AM|PM)(?![A-Za-z])"
)
# The assertion before each pattern keeps it from being tried again inside a long run, which would take quadratic time.
_TOKENS = (
    re.compile(rf"第 ?(?:\d+|[{_NUMERALS}]+) ?[{_HAN}]"),
    re.compile(
        rf"(?:(?<![\d.,:])\.?\d[\d.,:]*|(?<![{_NUMERALS}]){_NUMERAL})[几多来余幾來餘]? ?(?:{_COUNTED})"
        rf"(?:[半多整钟鐘]|[一二三四五六七八九](?![{_HAN}]))?"
    ),
    re.compile(rf"(?<![\d.,])\d[\d.,]* ?{_LATIN_UNITS}"),
    re.compile(r"(?<!\d)(?:\d+[年月日号號时時点點分秒]){2,}[半初末底]?"),  # 2026年12月1日, 9点30分
    re.compile(rf"(?<![{_NUMERALS}])(?:[{_NUMERALS}]+[年月日号號时時点點分秒]){{2,}}[半整]?"),
    re.compile(_NUMERAL),
    re.compile(rf"(?<![{_NUMERALS}])[{_NUMERALS}]+[元块塊米点點][{_NUMERALS}半]+"),  # 三块五, 一米八三, 九点半
    re.compile(r"(?<![\d-])\+?\d[\d-]*(?: \d[\d-]*)+"),  # telephone numbers in groups
    re.compile(rf"[{_HAN}]{{1,2}}\.[a-z][a-z0-9]{{1,4}}(?![A-Za-z0-9])"),  # the suffix of a file: 会议记录.mp3
    re.compile(r"(?<![\d.,:])\d[\d.,:%℃]* ?[到至~～–—-] ?\d[\d.,:%℃]*"),  # 8:00到11:30
    re.compile(r"(?:上午|下午|中午|晚上|早上|凌晨|傍晚) ?\d"),
    re.compile(rf"[{_HAN}]·(?=[{_HAN}])"),  # 让·雅克·卢梭
    re.compile(rf"[@#][{_HAN}A-Za-z]"),
)
_IN_LATIN = "A-Za-z0-9\u00c0-\u024f.+#/&'’@_:-"
_LATIN = f"[A-Za-z0-9\u00c0-\u024f](?:[{_IN_LATIN}]*[A-Za-z0-9\u00c0-\u024f+#])?"
_PHRASE = re.compile(rf"(?<![{_IN_LATIN}]){_LATIN}(?: {_LATIN})+")  # English in the middle of Chinese
_PARTICLES = re.compile(f"(?<=[\\w”’」』》）)%])[{''.join(sorted(PARTICLES | PLACES))}]")
_NO_PARTICLES = frozenset({"了解", "了结", "了不", "的确", "吧台", "了如"})
_HASHTAG = re.compile(rf"#[\w{_HAN}]{{1,20}}#")
_OPENING, _CLOSING = "《〈「『“‘（(【〔［[｛", "》〉」』”’）)】〕］]｝"
_PARTNER = dict(zip(_CLOSING, _OPENING, strict=True))
_FARTHEST = 200  # characters between two brackets that are looked at: no line is longer


def bonds_of(text: str, *, limit: int, wide: bool, boundaries: Boundaries | None = None) -> dict[int, float]:
    """Return how firmly *text* holds together at each position inside something that should not be cut.

    The values are costs of ending a line there, all at least `HELD`. A group (a title in 《》, a quotation, English
    inside Chinese) holds together only if it is no wider than *limit*; a word or a number always.
    """
    bonds: dict[int, float] = {}
    for start, end in _groups(text, wide=wide):
        if end - start <= limit and columns(text[start:end], wide=wide) <= limit:
            bonds.update(dict.fromkeys(range(start + 1, end), _IN_GROUP))
    if boundaries is not None:
        bonds.update(dict.fromkeys(boundaries.inside(text), _IN_WORD))
    bonds.update(dict.fromkeys(_before_particles(text, boundaries), _PARTICLE))
    for start, end in _tokens(text, boundaries):
        bonds.update(dict.fromkeys(range(start + 1, end), _IN_TOKEN))
        if text[end - 1] == "·":  # between the parts of a name, which also holds what follows it
            bonds[end] = _IN_TOKEN
    return bonds


def _tokens(text: str, boundaries: Boundaries | None) -> Iterator[Span]:
    for pattern in _TOKENS:
        for match in pattern.finditer(text):
            if boundaries is None or boundaries.may_begin(match.start()) or text[match.start()] not in _NUMERALS:
                yield match.span()


def _before_particles(text: str, boundaries: Boundaries | None) -> Iterator[int]:
    """Find the places before 的, 了 and the like, and before 里 or 上 as words by themselves: they never come first."""
    for match in _PARTICLES.finditer(text):
        at = match.start()
        if boundaries is None:
            if match.group() in PARTICLES and text[at : at + 2] not in _NO_PARTICLES:
                yield at
        elif boundaries.is_single(at):
            yield at


def _groups(text: str, *, wide: bool) -> Iterator[Span]:
    if wide:
        for match in _PHRASE.finditer(text):
            yield match.span()
    for match in _HASHTAG.finditer(text):
        yield match.span()
    open_at: list[tuple[str, int]] = []
    for match in re.finditer(f"[{re.escape(_OPENING + _CLOSING)}]", text):
        char, at = match.group(), match.start()
        if char in _OPENING:
            open_at.append((char, at))
        elif not _is_apostrophe(text, at):
            while open_at and open_at[-1][0] != _PARTNER[char]:
                open_at.pop()  # it was never closed
            if open_at:
                start = open_at.pop()[1]
                if at - start <= _FARTHEST:
                    yield start, at + 1


def _is_apostrophe(text: str, at: int) -> bool:
    return text[at] == "’" and _is_latin(text[at - 1 : at]) and _is_latin(text[at + 1 : at + 2])


def _is_latin(char: str) -> bool:
    return char.isalpha() and not is_letter(char)
