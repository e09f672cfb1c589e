"""Spellings of values.

Known spellings become the service's own: case, dots, underscores, surrounding blanks, common names. Other values are rejected
with the closest valid value and the list. The functions are pure.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from volcasr_async.containers import SUFFIXES, V1_FORMATS, V3_FORMATS
from volcasr_async.errors import InputError

INVISIBLE = (
    "\u00ad\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
)
"""Invisible characters: byte order mark, zero-width characters, marks of the writing direction."""
_EDGES = "".join(c for c in map(chr, range(0x3001)) if c.isspace()) + INVISIBLE
_ENCLOSING = {("<", ">"), ('"', '"'), ("'", "'"), ("`", "`"), ("“", "”"), ("‘", "’"), ("「", "」")}
_SHOWN = 60  # characters of a rejected value


def strip_edges(text: str) -> str:
    """Remove blanks, line ends and invisible characters around *text*."""
    return text.strip(_EDGES)


def strip_link(text: str) -> str:
    """Remove what pasting leaves around a link: blanks, line ends, invisible characters, quotes, angle brackets."""
    text = strip_edges(text)
    while len(text) > 2 and (text[0], text[-1]) in _ENCLOSING:
        text = strip_edges(text[1:-1])
    return text


def advise_closest(value: str, valid: Iterable[str], *, noun: str) -> str:
    """Return the sentences that name the closest valid value, if one is close, and all valid values."""
    names = list(valid)
    by_fold = {name.casefold(): name for name in names}
    found = difflib.get_close_matches(value.casefold()[:_SHOWN], by_fold, 1, 0.5)
    closest = f'The closest is "{by_fold[found[0]]}". ' if found else ""
    return f"{closest}The {noun} are {', '.join(names)}"


def _aliases(names: dict[str, str]) -> dict[str, str]:
    """Return a table from each folded spelling to its value."""
    return {_fold(spelling): value for value, text in names.items() for spelling in (value, *text.split())}


def _fold(text: str) -> str:
    """Reduce *text* to what different spellings have in common: lower case, hyphens for blanks, dots and underscores."""
    return re.sub(r"[\s._-]+", "-", text.casefold()).strip("-")


# ---- languages ----

V1_LANGUAGES = (
    "zh-CN", "en-US", "cant", "sc", "zh_shanghai", "ja-JP", "ko-KR", "fr-FR", "es-MX", "pt-BR", "id-ID", "ru-RU", "ms-MY",
)  # fmt: skip
"""Codes of v1 (doc 80820, 2024-08)."""

# Names in English, in the language itself and in Chinese; ISO 639 codes; codes of countries where other services use them.
_NAMES = {
    "zh-CN": "zh cn zho chi cmn chinese mandarin putonghua mandarin-chinese chinese-mandarin simplified-chinese "
    "chinese-simplified zh-hans zh-hans-cn cmn-hans-cn zh-chs zh-cmn 中文 汉语 漢語 华语 普通话 普通話 国语 國語 简体中文",
    "en-US": "en eng english american-english 英语 英語 英文",
    "ja-JP": "ja jp jpn japanese nihongo 日语 日文 日語 日本語",
    "id-ID": "id ind indonesian bahasa-indonesia 印尼语 印度尼西亚语",
    "es-MX": "es spa spanish español espanol castellano 西班牙语",
    "pt-BR": "pt por portuguese português portugues 葡萄牙语 葡语",
    "de-DE": "de deu ger german deutsch 德语 德文",
    "fr-FR": "fr fra fre french français francais 法语 法文",
    "ko-KR": "ko kr kor korean 韩语 韩文 韓語 한국어",
    "fil-PH": "fil tl tgl tl-ph filipino tagalog 菲律宾语 他加禄语",
    "ms-MY": "ms msa may malay bahasa-melayu 马来语 马来文",
    "th-TH": "th tha thai ไทย ภาษาไทย 泰语 泰文",
    "ar-SA": "ar ara arabic العربية 阿拉伯语",
    "it-IT": "it ita italian italiano 意大利语",
    "bn-BD": "bn ben bengali bangla বাংলা 孟加拉语",
    "el-GR": "el ell gre greek ελληνικά 希腊语",
    "nl-NL": "nl nld dut dutch nederlands 荷兰语",
    "ru-RU": "ru rus russian русский 俄语 俄文",
    "tr-TR": "tr tur turkish türkçe turkce 土耳其语",
    "vi-VN": "vi vn vie vietnamese tiếng-việt 越南语 越南文",
    "pl-PL": "pl pol polish polski 波兰语",
    "ro-RO": "ro ron rum romanian română 罗马尼亚语",
    "ne-NP": "ne nep nepali नेपाली 尼泊尔语",
    "uk-UA": "uk ua ukr ukrainian українська 乌克兰语",
    "yue-CN": "yue cant cantonese zh-yue yue-hans yue-hant yue-hk yue-hant-hk 粤语 粵語 广东话 廣東話 广州话",
}
_DIALECTS = {
    "sc": "sichuan sichuanese 四川话 川话",
    "zh_shanghai": "shanghai shanghainese wuu 上海话 沪语",
}
_V1_ONLY = {"cant": _NAMES["yue-CN"] + " yue-CN", **_DIALECTS}
_OTHER_DIALECTS = {"dialect": "hokkien minnan nan 闽南语 闽南话 shaanxi 陕西话 陕西方言"}
LANGUAGES = tuple(_NAMES)
"""Codes of standard, idle and flash (doc 2606791, 2026-09)."""
_LANGUAGES = _aliases(_NAMES)
_LANGUAGES_OF_V1 = {k: v for k, v in _LANGUAGES.items() if v != "yue-CN"} | _aliases(_V1_ONLY)
_UNNAMED_DIALECTS = _aliases(_DIALECTS | _OTHER_DIALECTS)
_AUTOMATIC = {"auto", "automatic", "detect", "auto-detect", "multi", "mul", "und", "any", "自动", "自动检测"}
_CODE = re.compile(r"([a-z]{2,3})((?:-[a-z]{4})?)-([a-z]{2}|[0-9]{3})")
_MISPRINTED = "ro-R0"  # so doc 2606791 prints Romanian in one of its lists; which one the service takes is unknown
_DEFAULT_LANGUAGE = "Without a language the service recognises Chinese with its dialects, and English"


def spell_language(value: str, edition: str | None = None) -> str:
    """Return the code that *edition* calls a language; without an edition, check only.

    A well-formed code that the documents do not list is returned as well, because the service adds languages:
    `advise_language` has a warning for it.

    Raises `InputError` for anything else.
    """
    text = strip_edges(value)
    if text in ("", _MISPRINTED):
        return text
    folded = _fold(text)
    if (locale := text.partition(".")[0].partition("@")[0]) != text and _CODE.fullmatch(_fold(locale)):
        folded = _fold(locale)  # a locale of the environment: zh_CN.UTF-8
    tables = {"v1": (_LANGUAGES_OF_V1,), None: (_LANGUAGES, _LANGUAGES_OF_V1)}.get(edition, (_LANGUAGES,))
    for table in tables:
        if folded in table:
            return table[folded]
    if code := _CODE.fullmatch(folded):
        return f"{code[1]}{code[2].title()}-{code[3].upper()}"
    raise InputError(f"language={value!r:.{_SHOWN}} {_reject_language(folded, edition)}")


def _reject_language(folded: str, edition: str | None) -> str:
    if folded in _AUTOMATIC:
        return f"is not a language code. Leave it out, or set enable_auto_lang=True to have it detected. {_DEFAULT_LANGUAGE}"
    if folded in _UNNAMED_DIALECTS:
        return f"has no code of its own. Leave it out. {_DEFAULT_LANGUAGE}"
    codes = V1_LANGUAGES if edition == "v1" else LANGUAGES
    names = {**_LANGUAGES, **{code.casefold(): code for code in codes}}
    found = difflib.get_close_matches(folded[:_SHOWN], names, 1, 0.6)
    closest = f'The closest is "{names[found[0]]}". ' if found else ""
    new = " A code that is not listed is sent if it has a region, such as sv-SE." if len(folded) in (2, 3) else ""
    return f"is not a language code. {closest}The codes are {', '.join(codes)}.{new} {_DEFAULT_LANGUAGE}"


def advise_language(code: str, edition: str) -> str | None:
    """Return a warning about a well-formed code that the documents of *edition* do not list."""
    codes = V1_LANGUAGES if edition == "v1" else LANGUAGES
    if code in ("", _MISPRINTED, *codes):
        return None
    return (
        f"language={code!r} is sent as it is, but the documents of the {edition} edition do not list it: the service may "
        f"reject or ignore it. {advise_closest(code, codes, noun='listed codes')}"
    )


# ---- audio formats and codecs ----

_FORMAT_NAMES = {
    "wav": "x-wav vnd-wave vnd-wav",
    "mp3": "mpeg mpeg3 mpga x-mp3 x-mpeg",
    "ogg": "ogg-opus oggopus opus vorbis x-ogg",
    "pcm": "s16le pcm-s16le pcm16 linear16 lpcm x-pcm",
    "raw": "x-raw",
    "spx": "speex x-speex",
    "amr": "amr-nb amrnb amr-wb amrwb awb x-amr",
    "aac": "aacp adts x-aac x-hx-aac-adts",
    "m4a": "mp4a mp4a-latm x-m4a",
    "mp4": "",
    "flac": "x-flac",
    "webm": "",
    "wma": "x-ms-wma",
    "aiff": "x-aiff",
    "caf": "x-caf",
}
_FORMATS = _aliases(_FORMAT_NAMES) | {suffix[1:]: name for suffix, name in SUFFIXES.items()}
_CODECS = _aliases({"raw": "pcm pcm16 s16le pcm-s16le linear16 lpcm", "opus": "libopus ogg-opus oggopus"})


def spell_format(value: str) -> str:
    """Return the service's name of a container, from its name, a suffix or a MIME type; `InputError` for others.

    Containers that no edition takes have names as well: `job.check_format` rejects them with what the edition takes.
    """
    text = strip_edges(value).casefold()
    if text in ("audio/mp4", "audio/x-mp4"):
        return "m4a"
    kind, slash, subtype = text.partition(";")[0].strip().partition("/")
    name = _FORMATS.get(_fold(subtype if slash and kind in ("audio", "video", "application") else text))
    if name is None:
        taken = sorted(V3_FORMATS | V1_FORMATS)
        raise InputError(
            f"format={value!r:.{_SHOWN}} is not an audio format. {advise_closest(text, taken, noun='formats')}"
        )
    return name


def spell_codec(value: str) -> str:
    """Return "raw" or "opus"; `InputError` for others."""
    found = _CODECS.get(_fold(strip_edges(value)))
    if found is None:
        raise InputError(f'codec={value!r:.{_SHOWN}} must be "raw" (PCM) or "opus"; leave it out for anything else')
    return found


# ---- editions, resource ids, options ----

_EDITIONS = _aliases(
    {
        "standard": "std 标准 标准版",
        "idle": "off-peak offpeak 闲时 闲时版",
        "flash": "turbo 极速 极速版",
        "v1": "auc auc-v1 aucv1",
    }
)
RESOURCE_IDS = (
    *("volc.bigasr.auc", "volc.seedasr.auc", "volc.bigasr.auc_idle"),
    *("volc.bigasr.auc_turbo", "volc.seedasr.auc_turbo"),
)
"""Those that the documents name; the console may show others."""
_RESOURCES = {re.sub(r"[\W_]", "", name): name for name in RESOURCE_IDS}
_STREAMING = re.compile(r"volc\.\w+\.sauc\b")


def spell_edition(value: str) -> str:
    """Return the name of an edition; `InputError` for others."""
    text = strip_edges(value)
    found = _EDITIONS.get(_fold(text))
    if found is None:
        names = dict.fromkeys(_EDITIONS.values())
        raise InputError(f"there is no edition {value!r:.{_SHOWN}}. {advise_closest(text, names, noun='editions')}")
    return found


def spell_resource(value: str, what: str) -> str:
    """Return a resource id as the documents write it; an id that they do not name is returned as it is.

    Raises `InputError` for what cannot be a resource id; *what* names the argument.
    """
    text = strip_edges(value)
    known = _RESOURCES.get(re.sub(r"[\W_]", "", text.casefold()))
    if known is not None:
        return known
    if _STREAMING.match(text.casefold()):
        raise InputError(
            f"{what} is {value!r:.{_SHOWN}}, which belongs to the streaming service. Recorded audio needs one of "
            f"{', '.join(RESOURCE_IDS)}"
        )
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise InputError(f"{what} is {value!r:.{_SHOWN}}: give the name that the console shows")
    return text


def spell_choice(name: str, value: str, valid: tuple[str, ...], names: dict[str, str] | None = None) -> str:
    """Return one of the *valid* values of an option, from a spelling of it or one of its other *names*."""
    folded = _fold(strip_edges(value))
    found = {_fold(one): one for one in valid} | (names or {})
    if folded not in found:
        advice = advise_closest(value, valid, noun="documented values")
        raise InputError(
            f"{name}={value!r:.{_SHOWN}} is not a documented value. {advice}. A value newer than this version goes into "
            f'extra={{"{name}": ...}}'
        )
    return found[folded]
