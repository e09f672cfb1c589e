"""What is refused before anything is sent, and which edition takes what."""

from typing import Any

import pytest

from volcasr_async import Corpus, InputError, Options, SensitiveWords
from volcasr_async.options import check_options, editions_taking, field_notes

ALL, V3, POLLED, STANDARD = ("standard", "idle", "flash", "v1"), ("standard", "idle", "flash"), ("standard", "idle"), (
    "standard",
)  # fmt: skip
TAKEN: dict[Any, tuple[str, ...]] = (
    dict.fromkeys(("enable_itn", "enable_punc", "enable_ddc", "enable_speaker_info", "enable_channel_split",
                   "show_utterances", "corpus"), ALL)
    | dict.fromkeys(("enable_lid", "enable_auto_lang", "vad_segment", "end_window_size", "enable_poi_fc",
                     "enable_music_fc", "output_zh_variant", "sensitive_words_filter"), V3)
    | dict.fromkeys(("show_speech_rate", "show_volume", "enable_emotion_detection", "enable_gender_detection"), POLLED)
    | dict.fromkeys(("ssd_version", "ssd_mode", "enable_age_detection", "model_version"), STANDARD)
)  # fmt: skip
VALUES: dict[str, Any] = {"ssd_version": "200", "ssd_mode": 0, "end_window_size": 500, "output_zh_variant": "tw", "model_version": "400",
          "sensitive_words_filter": SensitiveWords(), "corpus": Corpus(boosting_table_name="a")}  # fmt: skip


def test_the_table() -> None:
    """Which edition takes what is the reference's 4.3 and 8.1; every field says what it does."""
    assert editions_taking() == TAKEN
    assert all(note.description for note in field_notes().values())


@pytest.mark.parametrize("edition", ALL)
@pytest.mark.parametrize("name", TAKEN)
def test_refusals_name_an_edition_that_does(name: str, edition: str) -> None:
    """A field that an edition does not take is refused with one that does."""
    fields: dict[str, Any] = {name: VALUES.get(name, True)} | ({"ssd_version": "200"} if name == "ssd_mode" else {})
    options = Options(**fields)
    if edition in TAKEN[name]:
        check_options(options, edition)
        return
    with pytest.raises(InputError, match="standard"):
        check_options(options, edition)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [(Options, {"enable_itn": "yes"}), (Options, {"enable_itn": 1}), (Options, {"end_window_size": "800"}),
     (Options, {"end_window_size": True}), (Options, {"ssd_version": 200}), (Options, {"corpus": {"hotwords": ["a"]}}),
     (Options, {"extra": {"a": 1j}}), (Options, {"extra": "x"}), (Options, {"sensitive_words_filter": 5}),
     (Options, {"model_version": "\ud800"}), (Options, {"end_window_size": 299}), (Options, {"end_window_size": 5001}),
     (Options, {"enable_auto_lang": True, "corpus": Corpus()}), (Options, {"ssd_mode": 1}),
     (Options, {"enable_speaker_info": True, "show_utterances": False}), (Corpus, {"hotwords": "abc"}),
     (Corpus, {"hotwords": [1]}),
     (Corpus, {"boosting_table_name": 5}), (Corpus, {"context": 5}), (Corpus, {"context": {"a": 1j}}),
     (SensitiveWords, {"filter_with_empty": "abc"}), (SensitiveWords, {"system_reserved_filter": "yes"})],
    ids=repr,
)  # fmt: skip
def test_refused(kind: Any, fields: dict[str, Any]) -> None:
    """Wrong types, ranges and combinations are an `InputError` where the value is made."""
    with pytest.raises(InputError):
        kind(**fields)


def test_hotwords_and_a_ready_context() -> None:
    """A ready string cannot take hot words."""
    with pytest.raises(InputError, match="hotwords"):
        Options(corpus=Corpus(hotwords=("a",), context="{}"))
