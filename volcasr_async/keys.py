"""What is wrong with a pasted key, found before it is sent; no message shows any part of a key."""

from __future__ import annotations

import re
import unicodedata

from volcasr_async.errors import ConfigurationError
from volcasr_async.spelling import INVISIBLE, strip_edges

_CONSOLE = "Copy the value alone from the speech console"
_QUOTES = "\"'`“”‘’「」＂＇"
_SCHEME = re.compile(r"(?:bearer|basic|token)\s*[;:\s]\s*\S|hmac256\b", re.IGNORECASE)
_HEADER = re.compile(r"(?:authorization|x-api-[a-z-]+|api-key)\s*[:：]", re.IGNORECASE)
_ASSIGNMENT = re.compile(
    r"(?:export\s+|set\s+|setx\s+|\$env:|-e\s+|env\s+)?(?:volc\w*|api_?key|app_?(?:key|id)|access_?(?:key|token)|secret_?key)"
    r"\s*[=:]|export\s",
    re.IGNORECASE,
)
_VARIABLE = re.compile(r"\$\{?[A-Za-z_]\w*\}?|%\w+%|\{\{.*\}\}|\$\(.*\)|\$env:\w+", re.IGNORECASE)
_PLACEHOLDER = re.compile(
    r"<.*>|\[.*(?:key|token).*\]|x{3,}|\.{3,}|…+|(?:your|insert|enter|paste|replace|put)[-_ ]?(?:[a-z]+[-_ ])*?"
    r"(?:own[-_ ]?)?(?:api|app|access|secret|volc\w*)[-_ ]?(?:key|id|token)?(?:[-_ ]here)?|(?:your|insert|enter|paste)[-_ ]?"
    r"(?:key|token)(?:[-_ ]here)?|change[-_ ]?me|replace[-_ ]?me|todo|none|null|undefined|你的.*|请填.*|填写.*",
    re.IGNORECASE | re.DOTALL,
)
_MASKED = re.compile(r"\*{3,}|•|●|…|\.{3,}")
_APP_ID = re.compile(r"[0-9]{9,11}")
_OTHER_PLATFORMS = (
    ("ark-", "a key of the Ark platform, which has other keys than the speech console"),
    ("AKLT", "the access key of a Volcengine account (IAM), with which no speech is recognised"),
    ("AKTP", "a temporary access key of a Volcengine account (IAM), with which no speech is recognised"),
    ("LTAI", "an access key of Alibaba Cloud"),
    ("AKID", "an access key of Tencent Cloud"),
    ("sk-", "a key of OpenAI or of a service like it"),
)
_LONGEST = 4096


def checked_key(name: str, value: object) -> str:
    """Return a key without the blanks and line ends around it, as a file or the clipboard leaves them.

    Raises `ConfigurationError` for what is recognisably not a key; *name* says where it came from.
    """
    if not isinstance(value, str) or not (text := strip_edges(value)):
        raise ConfigurationError(f"{name} is empty: give the value that the console shows")
    if len(text) > _LONGEST:
        raise ConfigurationError(f"{name} has {len(text):,} characters, more than any key. {_CONSOLE}")
    if fault := _find_fault(text):
        raise ConfigurationError(f"{name} {fault}")
    return text


def _find_fault(text: str) -> str | None:
    """Return what is wrong with a key and what to do, as the end of a sentence."""
    if _ASSIGNMENT.match(text):
        return f'holds a whole assignment, such as NAME="value". {_CONSOLE}, without the name'
    if _HEADER.match(text):
        return f"holds a whole header, such as X-Api-Key: value. {_CONSOLE}, without the name of the header"
    if _SCHEME.match(text):
        return f'begins with the name of a scheme, such as "Bearer". {_CONSOLE}; the client writes the header'
    if _VARIABLE.fullmatch(text):
        return "is the name of a variable that was not replaced by its value. In a shell, put it in double quotes, not single"
    if _PLACEHOLDER.fullmatch(text.strip(_QUOTES)):
        return f"is a placeholder of an example. {_CONSOLE}"
    if text[0] in _QUOTES or text[-1] in _QUOTES:
        return "is in quotes, and they would be sent as part of it. Remove them"
    return _find_wrong_character(text) or _find_wrong_platform(text)


def _find_wrong_character(text: str) -> str | None:
    if _MASKED.search(text):
        return "is masked or cut off. Take the copy button of the console, which copies all of it"
    for character in text:
        if character in INVISIBLE:
            return f"holds an invisible character (U+{ord(character):04X}). {_CONSOLE} again"
        if character.isspace():
            return f"holds blanks or line ends inside. {_CONSOLE} again, in one line"
        if not character.isascii():
            wide = unicodedata.normalize("NFKC", character).isascii()
            kind = "full-width characters, as an input method types them" if wide else "characters that no key has"
            return f"holds {kind}. {_CONSOLE} again"
        if not character.isprintable():
            return f"holds control characters. {_CONSOLE} again"
    return "holds quotes. Remove them" if '"' in text or "'" in text else None


def _find_wrong_platform(text: str) -> str | None:
    for prefix, platform in _OTHER_PLATFORMS:
        if text.startswith(prefix):
            return f"is {platform}. Make an API key in the console of Doubao speech (console.volcengine.com/speech)"
    if "://" in text:
        return f"is a URL. {_CONSOLE}"
    return None


def is_app_id(text: str) -> bool:
    """Return whether *text* looks like the APP ID of the old console: about ten digits."""
    return _APP_ID.fullmatch(text) is not None


def check_pair(app_key: str, access_key: str) -> None:
    """Raise `ConfigurationError` if app id and access token were recognisably swapped."""
    if is_app_id(access_key) and not app_key.isdigit() and len(app_key) >= 20:
        raise ConfigurationError(
            "AppKey(app_key) and AppKey(access_key) are swapped: the APP ID is the number, and the Access Token is the long text"
        )
