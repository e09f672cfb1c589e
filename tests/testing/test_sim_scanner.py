"""The streaming reader of request bodies, against the whole-body reader of the standard library."""

import base64
import hashlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volcasr_async.testing.scanner import KEPT, REST_LIMIT, BodyScanner, Clip

texts = st.text(max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(texts, values, max_size=3)


def scan(text: bytes, cuts: list[int]) -> BodyScanner:
    scanner, start = BodyScanner(), 0
    for end in [*sorted(cut % (len(text) + 1) for cut in cuts), len(text)]:
        scanner.feed(text[start:end])
        start = end
    return scanner


@settings(max_examples=400)
@given(st.binary(max_size=90), objects, objects, st.lists(st.integers(0, 5000), max_size=8), st.booleans())
def test_any_chunking_finds_the_audio_wherever_it_stands(
    data: bytes, before: dict[str, Any], after: dict[str, Any], cuts: list[int], ascii_only: bool
) -> None:
    """The audio is decoded, the rest of the document is what the standard library reads, for any chunking."""
    encoded = base64.b64encode(data).decode()
    audio = {"zz": before, **after, "data": encoded}
    document = {**before, "audio": audio, **{key: value for key, value in after.items() if key != "audio"}}
    scanner = scan(json.dumps(document, ensure_ascii=ascii_only).encode("utf-8", "replace"), cuts)
    expected = json.loads(json.dumps(document, ensure_ascii=ascii_only).encode("utf-8", "replace"))
    expected["audio"]["data"] = ""
    assert scanner.document() == expected
    assert scanner.sink is not None
    assert scanner.sink.clip() == Clip.of(data)


@given(objects, st.lists(st.integers(0, 5000), max_size=8))
def test_without_audio_the_document_stays_as_it_is(document: dict[str, Any], cuts: list[int]) -> None:
    """A body without inline audio passes unchanged."""
    document.pop("audio", None)
    text = json.dumps(document).encode()
    scanner = scan(text, cuts)
    assert bytes(scanner.rest) == text
    assert scanner.sink is None


@given(st.binary(min_size=1, max_size=60), st.lists(st.integers(0, 400), max_size=12))
def test_escapes_that_json_writers_use_inside_base64(data: bytes, cuts: list[int]) -> None:
    r"""PHP writes `\/`, Gson `\u003d`, System.Text.Json `\u002B`; line breaks come as `\n`: all decode."""
    encoded = base64.b64encode(data).decode()
    encoded = encoded.replace("/", "\\/").replace("=", "\\u003d").replace("+", "\\u002B")
    text = f'{{"audio":{{"data":"\\r\\n{encoded}\\n"}}}}'.encode()
    sink = scan(text, cuts).sink
    assert sink is not None
    assert sink.clip() == Clip.of(data)


@pytest.mark.parametrize(
    "text",
    ["QQ", "Q", "QQ=", "QQ==QQ==", "QU-_", "QQ\\u00", 'QQ\\"==', "data:audio/wav;base64,QUJD", "Q===", "=", "音频"],
)
@pytest.mark.parametrize("step", [1, 3, 1000])
def test_what_is_no_base64_gives_no_clip(text: str, step: int) -> None:
    """Foreign characters, wrong padding and half groups are found in any chunking."""
    whole = f'{{"audio":{{"data":"{text}"}}}}'.encode()
    sink = scan(whole, list(range(0, len(whole), step))).sink
    assert sink is not None
    assert sink.clip() is None


def test_data_elsewhere_is_no_audio() -> None:
    """Only `audio.data` is the audio: not another `data`, not `audio` in a list or one storey down."""
    for text in (
        '{"data":"QQ=="}',
        '{"request":{"data":"QQ=="}}',
        '[{"audio":{"data":"QQ=="}}]',
        '{"x":{"audio":{"data":"QQ=="}}}',
    ):
        scanner = scan(text.encode(), [])
        assert scanner.sink is None
        assert scanner.document() == json.loads(text)


def test_a_repeated_key_counts_as_in_any_parser() -> None:
    """The last `data` wins, and a key may be written with escapes."""
    scanner = scan(b'{"audio":{"data":"QQ==","d\\u0061ta":"QUI="}}', [])
    assert scanner.sink is not None
    assert scanner.sink.clip() == Clip.of(b"AB")


def test_only_the_ends_of_large_audio_are_kept() -> None:
    """Ten megabytes pass; 64 KiB of either end stay, and the hash is right."""
    data = bytes(range(256)) * 40_000
    scanner = BodyScanner()
    text = b'{"audio":{"data":"' + base64.b64encode(data) + b'"},"request":{}}'
    for at in range(0, len(text), 100_001):
        scanner.feed(text[at : at + 100_001])
    assert scanner.sink is not None
    assert scanner.sink.clip() == Clip(len(data), hashlib.sha256(data).hexdigest(), data[:KEPT], data[-KEPT:])
    assert len(scanner.rest) < 100


def test_json_beside_the_audio_is_bounded() -> None:
    """More than a mebibyte of other JSON is not kept."""
    scanner = BodyScanner()
    scanner.feed(b'{"request":{"x":"')
    for _ in range(20):
        scanner.feed(b"y" * 65536)
    assert scanner.overflow
    assert len(scanner.rest) <= REST_LIMIT


@pytest.mark.parametrize("text", [b"", b"{", b'{"a":}', b'{"audio":{"data":"QQ==', b"}}]", b'{"a":"\\'])
def test_what_is_no_json_is_said_so(text: bytes) -> None:
    """A wrong document is an error when it is read, never while it comes."""
    scanner = scan(text, [])
    with pytest.raises(msgspec.DecodeError):
        scanner.document()
