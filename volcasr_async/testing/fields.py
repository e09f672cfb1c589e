"""Which fields the documents list for which edition, and what is wrong with a body (doc numbers: see each table)."""

from collections.abc import Iterator
from typing import NamedTuple

Body = dict[str, object]


class Problem(NamedTuple):
    """Something against the documents; `fatal` ones are refused as an invalid parameter, the others served."""

    what: str
    fatal: bool = False


ALL = frozenset({"standard", "idle", "flash"})
POLLED = frozenset({"standard", "idle"})
STANDARD = frozenset({"standard"})

# docs 2606791, 2608618, 2608628 (2026-08/09), 1354868, 1631584. Speaker info on idle and flash, the model version and the
# Chinese variant are documented somewhere for somebody, or in conflict: they pass. Inline data on standard is reported to work.
_V3: dict[str, tuple[type, frozenset[str]]] = {
    "user": (dict, ALL),
    "user.uid": (str, ALL),
    "audio": (dict, ALL),
    "audio.url": (str, ALL),
    "audio.data": (str, frozenset({"standard", "flash"})),
    "audio.format": (str, ALL),
    "audio.codec": (str, ALL),
    "audio.rate": (int, ALL),
    "audio.bits": (int, ALL),
    "audio.channel": (int, ALL),
    "audio.language": (str, ALL),
    "request": (dict, ALL),
    "request.model_name": (str, ALL),
    "request.model_version": (str, STANDARD),
    "request.enable_itn": (bool, ALL),
    "request.enable_punc": (bool, ALL),
    "request.enable_ddc": (bool, ALL),
    "request.enable_speaker_info": (bool, ALL),
    "request.ssd_version": (str, STANDARD),
    "request.ssd_mode": (int, STANDARD),
    "request.enable_channel_split": (bool, ALL),
    "request.show_utterances": (bool, ALL),
    "request.show_speech_rate": (bool, POLLED),
    "request.show_volume": (bool, POLLED),
    "request.enable_lid": (bool, ALL),
    "request.enable_auto_lang": (bool, ALL),
    "request.enable_emotion_detection": (bool, POLLED),
    "request.enable_gender_detection": (bool, POLLED),
    "request.enable_age_detection": (bool, STANDARD),
    "request.vad_segment": (bool, ALL),
    "request.end_window_size": (int, ALL),
    "request.sensitive_words_filter": (str, ALL),
    "request.enable_poi_fc": (bool, ALL),
    "request.enable_music_fc": (bool, ALL),
    "request.output_zh_variant": (str, ALL),
    "request.corpus": (dict, ALL),
    "request.corpus.boosting_table_name": (str, ALL),
    "request.corpus.boosting_table_id": (str, ALL),
    "request.corpus.correct_table_name": (str, ALL),
    "request.corpus.correct_table_id": (str, ALL),
    "request.corpus.regex_correct_table_name": (str, ALL),
    "request.corpus.regex_correct_table_id": (str, ALL),
    "request.corpus.context": (str, ALL),
    "callback": (str, ALL),
    "callback_data": (str, ALL),
}
# doc 80820, both versions
_V1: dict[str, type] = {
    "app": dict,
    "app.appid": str,
    "app.token": str,
    "app.cluster": str,
    "user": dict,
    "user.uid": str,
    "audio": dict,
    "audio.url": str,
    "audio.format": str,
    "audio.codec": str,
    "audio.rate": int,
    "audio.bits": int,
    "audio.channel": int,
    "request": dict,
    "request.callback": str,
    "request.boosting_table_name": str,
    "additions": dict,
    "additions.language": str,
}
_V1_SWITCHES = frozenset({"use_itn", "use_punc", "with_speaker_info", "use_ddc", "channel_split", "enable_query"})
_SERIALISED = frozenset({"request.corpus.context", "request.sensitive_words_filter"})
_NAMES = {dict: "object", str: "string", int: "integer", bool: "boolean", list: "list", float: "number"}


def section(body: Body, name: str) -> Body:
    """An object inside the body; an empty one when it is missing or no object."""
    value = body.get(name)
    return value if isinstance(value, dict) else {}


def text(body: Body, name: str) -> str:
    """A string field; empty when it is missing or no string."""
    value = body.get(name)
    return value if isinstance(value, str) else ""


def number(body: Body, name: str, default: int) -> int:
    """An integer field, or its default."""
    value = body.get(name)
    return value if type(value) is int else default


def check_v3(body: Body, edition: str) -> Iterator[Problem]:
    """What is wrong with the body of a submit or of a flash call."""
    for path, value in _walk(body, "", _V3):
        known = _V3.get(path)
        if known is None:
            yield Problem(f"{path} is in no document")
            continue
        if edition not in known[1]:
            yield Problem(f"{path} is not documented for {edition}")
        yield from _typed(path, value, known[0])
    yield from _required_v3(body)
    yield from _ranges(body)


def check_v1(body: Body) -> Iterator[Problem]:
    """What is wrong with the body of a v1 submit."""
    for path, value in _walk(body, "", _V1):
        name = path.removeprefix("additions.")
        if name != path and name in _V1_SWITCHES:
            yield from _switch(path, value)
        elif path in _V1:
            yield from _typed(path, value, _V1[path])
        else:
            yield Problem(f"{path} is in no document of v1")
    for group, name in (("app", "appid"), ("app", "token"), ("app", "cluster"), ("audio", "url")):
        if not text(section(body, group), name):
            yield Problem(f"{group}.{name} is missing", fatal=True)
    if not text(section(body, "user"), "uid"):
        yield Problem("user.uid is missing")


def _walk(
    body: Body, prefix: str, known: dict[str, type] | dict[str, tuple[type, frozenset[str]]]
) -> Iterator[tuple[str, object]]:
    for name, value in body.items():
        path = prefix + name
        yield path, value
        if isinstance(value, dict) and path in known and path not in _SERIALISED:
            yield from _walk(value, path + ".", known)


def _typed(path: str, value: object, wanted: type) -> Iterator[Problem]:
    if type(value) is wanted:
        return
    if path in _SERIALISED and isinstance(value, dict):
        yield Problem(f"{path} is an object; it is a string that holds JSON")
    elif path == "request.corpus" and isinstance(value, str):
        yield Problem("request.corpus is a string; every example shows an object")
    else:
        found = _NAMES.get(type(value), "null")
        yield Problem(f"{path} is of type {found}; it is of type {_NAMES[wanted]}", fatal=True)


def _switch(path: str, value: object) -> Iterator[Problem]:
    if not isinstance(value, str):
        yield Problem(f"{path} is of type {_NAMES.get(type(value), 'null')}; all additions are strings", fatal=True)
    elif value not in {"True", "False"}:
        yield Problem(f'{path} is "{value}"; it is "True" or "False", with a capital letter')


def _required_v3(body: Body) -> Iterator[Problem]:
    for name in ("audio", "request"):
        if name not in body:
            yield Problem(f"{name} is missing", fatal=True)
    model = section(body, "request").get("model_name")
    if model is None and "request" in body:
        yield Problem("request.model_name is missing", fatal=True)
    elif isinstance(model, str) and model != "bigmodel":
        yield Problem(f'request.model_name is "{model}"; the only value is "bigmodel"', fatal=True)
    audio = section(body, "audio")
    given = [name for name in ("url", "data") if audio.get(name) is not None]
    if len(given) != 1 and "audio" in body:
        yield Problem(
            f"exactly one of audio.url and audio.data is sent, not {' and '.join(given) or 'none'}", fatal=not given
        )
    if given == ["url"] and not audio["url"]:
        yield Problem("audio.url is empty", fatal=True)


def _ranges(body: Body) -> Iterator[Problem]:
    audio, request = section(body, "audio"), section(body, "request")
    for name, allowed in (("bits", {16}), ("channel", {1, 2}), ("codec", {"", "raw", "opus"})):
        value = audio.get(name)
        if isinstance(value, str | int) and value not in allowed:
            yield Problem(f"audio.{name} is {value!r}; the documents list {sorted(allowed, key=str)}")
    window = number(request, "end_window_size", 800)
    if not 300 <= window <= 5000:
        yield Problem(f"request.end_window_size is {window}; it lies between 300 and 5000")
    if request.get("enable_auto_lang") is True and request.get("corpus"):
        yield Problem("request.enable_auto_lang is not for use together with request.corpus")
