"""Spellings of values: known ones are normalised, others are rejected with the closest valid value."""

import logging
from pathlib import Path
from typing import Any

import pytest
from ground import CLUSTER
from hypothesis import given
from hypothesis import strategies as st
from io_kit import client

from volcasr_async import AudioBytes, AudioFile, AudioUrl, Flash, Idle, InputError, Job, Options, Standard
from volcasr_async.batch.resume import fingerprint_of
from volcasr_async.editions import Edition
from volcasr_async.job import as_edition, prepare
from volcasr_async.protocol.requests import audio_section
from volcasr_async.spelling import (
    LANGUAGES,
    V1_LANGUAGES,
    advise_language,
    spell_edition,
    spell_format,
    spell_language,
    strip_link,
)
from volcasr_async.testing import Simulator

URL = "https://example.com/a.mp3"


def order_of(source: Any, edition: Edition | None = None) -> Any:
    return prepare(Job(source), edition=edition, options=None, cluster=None)


# ---- languages ----


@pytest.mark.parametrize(
    ("written", "code"),
    [("zh", "zh-CN"), ("Chinese", "zh-CN"), ("zh_CN", "zh-CN"), ("ZH-cn", "zh-CN"), ("中文", "zh-CN"), ("cn", "zh-CN"),
     ("mandarin", "zh-CN"), ("zh_CN.UTF-8", "zh-CN"), ("zh-Hans-CN", "zh-CN"), (" en\n", "en-US"), ("english", "en-US"),
     ("EN_us", "en-US"), ("ja", "ja-JP"), ("jp", "ja-JP"), ("日本語", "ja-JP"), ("yue", "yue-CN"), ("粤语", "yue-CN"),
     ("Tiếng Việt", "vi-VN"), ("tl", "fil-PH"), ("Brazilian", None), ("\ufeffko\u200b", "ko-KR")],
)  # fmt: skip
def test_language_goes_out_as_the_service_spells_it(written: str, code: str | None) -> None:
    """Codes in any case, names in English, Chinese and the language itself, locales."""
    if code is None:
        with pytest.raises(InputError, match="is not a language code"):
            AudioUrl(URL, language=written)
        return
    for edition in (Standard(), Idle(), Flash()):
        assert audio_section(order_of(AudioUrl(URL, language=written), edition)).language == code


@pytest.mark.parametrize(
    ("written", "code"),
    [("yue", "cant"), ("Cantonese", "cant"), ("四川话", "sc"), ("zh-shanghai", "zh_shanghai"), ("zh", "zh-CN")],
)
def test_v1_spells_dialects_in_its_own_way(written: str, code: str) -> None:
    """The codes of v1 differ from those of the other editions."""
    assert order_of(AudioUrl(URL, language=written, format="mp3"), CLUSTER).source.language == code


@pytest.mark.parametrize("edition", ["standard", "idle", "flash", "v1"])
def test_documented_codes_stay(edition: str) -> None:
    """What the documents list goes out as it stands there, without a warning."""
    for code in V1_LANGUAGES if edition == "v1" else (*LANGUAGES, "ro-R0", ""):
        assert spell_language(code, edition) == code
        assert code == "ro-R0" or spell_language(code.swapcase(), edition) == code
        assert advise_language(code, edition) is None


@pytest.mark.parametrize(
    ("written", "said"),
    [("chinesse", 'closest is "zh-CN"'), ("englisch", 'closest is "en-US"'), ("jappanese", 'closest is "ja-JP"'),
     ("auto", "enable_auto_lang=True"), ("sv", "with|has a region"), ("klingon", "codes are zh-CN, en-US"),
     ("zh-CN,en-US", "is not a language code"), ("--rate", "is not a language code")],
)  # fmt: skip
def test_other_languages_are_rejected_with_the_closest(written: str, said: str) -> None:
    """The message has the value, the closest code, and all codes."""
    with pytest.raises(InputError, match=said) as caught:
        AudioUrl(URL, language=written)
    assert repr(written) in str(caught.value)


def test_a_dialect_without_a_code_is_explained() -> None:
    """Sichuanese is recognised when no language is set; only v1 has a code for it."""
    with pytest.raises(InputError, match=r"has no code of its own\. Leave it out"):
        order_of(AudioUrl(URL, language="sichuan"), Standard())


@pytest.mark.anyio
async def test_a_well_formed_code_that_is_not_listed_is_sent_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    """A language that the service adds tomorrow works; the warning names what is listed."""
    simulator = Simulator()
    with caplog.at_level(logging.WARNING, "volcasr_async"):
        async with client(simulator) as asr:
            for written in ("sv_se", "sv-SE", "en-GB"):
                await asr.transcribe(AudioUrl(URL, language=written))
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert "language='sv-SE' is sent as it is" in said[0]
    assert 'The closest is "en-US"' in said[1]
    assert len(simulator.charges) == 3


@given(st.sampled_from(LANGUAGES), st.sampled_from("-_ ."), st.booleans())
def test_case_and_separators_do_not_matter(code: str, separator: str, upper: bool) -> None:
    """Every listed code is found in any case and with any usual separator."""
    written = code.replace("-", separator)
    assert spell_language(written.upper() if upper else written.lower(), "standard") == code


@pytest.mark.parametrize(
    ("language", "kept"),
    [
        (None, "79bc768c5ef63b80"),
        ("zh", "940f5a2ca6a115c5"),
        ("zh-CN", "ee127da82eb6147c"),
        ("ZH", "2a23ff0ea3fa2f94"),
    ],
)
def test_fingerprints_cover_what_the_caller_wrote(language: str | None, kept: str) -> None:
    """Journals of 0.1.0 hold a language as it was written; its spelling on the wire does not change them."""
    assert fingerprint_of(order_of(AudioUrl(URL, language=language), Standard())) == kept


# ---- formats and codecs ----


@pytest.mark.parametrize(
    ("written", "name"),
    [("WAV", "wav"), (".mp3", "mp3"), ("audio/mpeg", "mp3"), (" mp3 ", "mp3"), ("audio/x-wav", "wav"), ("Wave", "wav"),
     ("audio/ogg; codecs=opus", "ogg"), ("opus", "ogg"), ("pcm_s16le", "pcm"), ("audio/mp4", "m4a"), ("video/mp4", "mp4"),
     ("audio/AMR", "amr"), ("speex", "spx"), ("FLAC", "flac"), ("\u200b.M4A\ufeff", "m4a")],
)  # fmt: skip
def test_format_by_name_suffix_or_mime_type(written: str, name: str) -> None:
    """All sources take them alike."""
    sources = (AudioUrl(URL, format=written), AudioFile(Path("a"), format=written), AudioBytes(b"x", format=written))
    assert {source.format for source in sources} == {name}
    assert spell_format(name) == name


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("mpr3", 'closest is "mp3"'),
        ("waw", 'closest is "wav"'),
        ("talk.mp3x", "formats are aac"),
        ("", "formats are aac"),
    ],
)
def test_other_formats_are_rejected_with_the_closest(written: str, said: str) -> None:
    """A name of nothing is not sent; one that exists and is not taken has another message."""
    with pytest.raises(InputError, match=said):
        AudioUrl(URL, format=written)
    with pytest.raises(InputError, match=r"takes aac, .*, not flac; convert the recording"):
        order_of(AudioUrl(URL, format="FLAC"), Standard())


@pytest.mark.parametrize(
    ("written", "name"), [("RAW", "raw"), ("pcm", "raw"), (" Opus ", "opus"), ("pcm_s16le", "raw"), ("aac", None)]
)
def test_codecs(written: str, name: str | None) -> None:
    """There are two."""
    if name is None:
        with pytest.raises(InputError, match="codec='aac' must be"):
            AudioUrl(URL, codec=written)
    else:
        assert AudioUrl(URL, codec=written).codec == name


# ---- editions, resource ids, options ----


@pytest.mark.parametrize(
    ("written", "edition"),
    [
        ("Flash", Flash()),
        ("turbo", Flash()),
        ("极速版", Flash()),
        (" STANDARD\n", Standard()),
        ("off_peak", Idle()),
        ("闲时", Idle()),
    ],
)
def test_editions_by_name(written: str, edition: Edition) -> None:
    """Also by the names of the console."""
    assert as_edition(written, cluster=None) == edition


@pytest.mark.parametrize(("written", "closest"), [("standrad", "standard"), ("flahs", "flash"), ("idel", "idle")])
def test_other_editions_are_rejected_with_the_closest(written: str, closest: str) -> None:
    """The message has the value, the closest name, and all names."""
    with pytest.raises(
        InputError, match=f'edition {written!r}. The closest is "{closest}". The editions are standard, idle'
    ):
        as_edition(written, cluster=None)
    with pytest.raises(InputError, match=r"edition takes an edition .* or its name .*, not int"):
        as_edition(5, cluster=None)  # type: ignore[arg-type]
    assert spell_edition("V1") == "v1"


def test_resource_ids() -> None:
    """Known ids are spelled as the documents do; others are the console's and stay; streaming ids are another service."""
    assert Standard("Volc.SeedASR.AUC ") == Standard("volc.seedasr.auc")
    assert Flash("volc_bigasr_auc_turbo\n").resource_id == "volc.bigasr.auc_turbo"
    assert Standard("volc.newasr.auc-X").resource_id == "volc.newasr.auc-X"
    with pytest.raises(InputError, match="belongs to the streaming service"):
        Standard("volc.bigasr.sauc.duration")
    for value in ("", "a b", "会议", None):
        with pytest.raises(InputError, match="give the name that the console shows"):
            Standard(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "written", "value"),
    [("output_zh_variant", "TW", "tw"), ("output_zh_variant", "zh-HK", "hk"), ("output_zh_variant", "繁体", "traditional"),
     ("ssd_version", " 200 ", "200"), ("model_version", "400", "400")],
)  # fmt: skip
def test_options_with_few_values(field: str, written: str, value: str) -> None:
    """They are spelled as the documents do."""
    fields: dict[str, Any] = {field: written}
    assert getattr(Options(**fields), field) == value


@pytest.mark.parametrize(
    ("fields", "said"),
    [({"output_zh_variant": "tradicional"}, 'closest is "traditional"'), ({"ssd_version": "100"}, "values are 200, 300"),
     ({"ssd_mode": 2, "ssd_version": "200"}, "values are 0, 1"), ({"model_version": "4.0"}, 'extra=\\{"model_version": ...\\}')],
)  # fmt: skip
def test_other_values_of_options_are_rejected(fields: dict[str, Any], said: str) -> None:
    """A newer value goes into `extra`, which is sent as it is."""
    with pytest.raises(InputError, match=said):
        Options(**fields)
    assert Options(extra=fields).extra == fields


# ---- links ----


@pytest.mark.parametrize(
    "written",
    [
        f"{URL}\n",
        f"  {URL}\r\n",
        f"{URL}\u200b",
        f"\ufeff{URL}",
        f"<{URL}>",
        f'"{URL}"',
        f"'{URL}'",
        f"“{URL}”",
        f"\u3000<{URL} >\t",
    ],
)
def test_what_pasting_leaves_around_a_link_is_removed(written: str) -> None:
    """The link that goes out and its name are those of the link alone."""
    assert AudioUrl(written) == AudioUrl(URL)
    assert Job(written).name == URL
    assert Job(URL, callback=written).callback == URL


@given(st.text(max_size=30))
def test_the_bytes_of_a_link_stay(text: str) -> None:
    """Nothing inside a link changes, and what is removed around it is removed once and for all."""
    link = f"{URL}?x=({text})"
    assert strip_link(f"<{link}>") == strip_link(link) == link
    assert strip_link(strip_link(text)) == strip_link(text)


@pytest.mark.parametrize(
    ("link", "said"),
    [("https://e.com/a b.mp3", "holds a blank after 15 characters. Percent-encode it"),
     ("https://e.com/a\u200bb.mp3", r"holds an invisible character \(U\+200B\) after 15 characters. Remove it"),
     ("https://e.com/a\x07", r"holds a control character \(U\+0007\)"),
     ("https：//e.com/a", "full-width"),
     ("file:///tmp/a%20b.wav", r"Pass pathlib.Path\('/tmp/a b.wav'\)"),
     ("data:audio/wav;base64,U0VDUkVU", "base64.b64decode"),
     ("blob:https://e.com/SECRET", "browser page"),
     ("s3://bucket/a.mp3", "cannot read s3:// URLs. Make a pre-signed https:// link"),
     ("TOS://bucket/a.mp3", "cannot read tos:// URLs"), ("oss://b/a.wav", "pre-signed"),
     ("rtmp://e.com/live", "live stream"), ("https://e.com:port/a", "is not a URL"),
     ("/home/me/a.wav", "pass pathlib.Path"), ("ftp://e.com/a.wav", "http:// and https:// links only")],
)  # fmt: skip
def test_other_links_are_rejected_with_what_to_do(link: str, said: str) -> None:
    """What a link holds that may be secret is not shown."""
    with pytest.raises(InputError, match=said) as caught:
        AudioUrl(link)
    assert "SECRET" not in str(caught.value)
    assert "U0VDUkVU" not in str(caught.value)


@pytest.mark.anyio
async def test_spellings_on_the_wire() -> None:
    """The simulator, which knows the service's fields, sees the service's spelling only."""
    simulator = Simulator()
    async with client(simulator) as asr:
        await asr.transcribe(AudioUrl(f"<{URL}>\n", format="MP3", language="Chinese"), edition="turbo")  # type: ignore[arg-type]
    assert simulator.violations == []
