"""Values as people type them in a shell: normalised, or refused in the words of the shell."""

import os
from pathlib import Path

import pytest
from cli_calls import Caller, Port, readable

from volcasr_async.cli.words import in_flags
from volcasr_async.testing import Simulator

LINK = "https://h.example/a.mp3"
REAL = "https://openspeech.bytedance.com"
PYTHON_WORDS = ("=True", "pathlib", "AudioUrl", "ApiKey(", "AppKey(", "b64decode", "Options(", "extra={", "bytes)")


@pytest.mark.parametrize(
    "argv",
    [["--language", "Chinese"], ["--language", "zh_CN.UTF-8"], ["--audio-format", ".MP3"], ["--edition", "Turbo"],
     ["--audio-format", "audio/mpeg"], ["--output-zh-variant", "TW"], ["--resource-id", "Volc.BigASR.AUC"]],
)  # fmt: skip
@pytest.mark.parametrize("link", [f"<{LINK}>", f'"{LINK}"\n'])
def test_known_spellings_are_taken(volcasr: Caller, service: Simulator, argv: list[str], link: str) -> None:
    """The simulator, which knows the values of the service, has nothing to object."""
    before = len(service.violations)
    end = volcasr("transcribe", *argv, link)
    assert end.status == 0, end.err
    assert len(service.violations) == before


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--language", "chinesse", LINK], "--language 'chinesse' is not a language code. The closest is \"zh-CN\""),
        (["--language", "auto", LINK], "give --enable-auto-lang to have it detected"),
        (["--audio-format", "mpr3", LINK], "--audio-format 'mpr3' is not an audio format. The closest is \"mp3\""),
        (["--edition", "flahs", LINK], "there is no edition 'flahs'. The closest is \"flash\""),
        (["--resource-id", "volc.bigasr.sauc.duration", LINK], "--resource-id is 'volc.bigasr.sauc.duration', which"),
        (["--ssd-version", "100", LINK], "goes into --extra NAME=JSON"),
        (["--callback", "me.example", LINK], "--callback takes a link"),
        (["--base-url", REAL, "--callback", "http://10.0.0.1/x", LINK], "or leave --callback out"),
        (["--base-url", REAL, "http://192.168.1.5/a.mp3"], "cannot download from 192.168.1.5, which is a private"),
        (["--base-url", REAL, "http://localhost:9000/a.mp3"], "Give a public link, or give the file itself"),
        (["file:///tmp/a%20b.wav"], "Give the path: '/tmp/a b.wav'"),
        (["data:audio/wav;base64,U0VDUkVU"], "Decode it into a file, and give its path"),
        (["blob:https://h.example/x"], "Save the recording to a file, and give its path"),
        (["s3://bucket/a.mp3"], "Make a pre-signed https:// link"),
        (["https：//h.example/a.mp3"], "full-width characters"),
        (["https://h.example/a\u200bb.mp3"], "an invisible character (U+200B) after 19 characters. Remove it"),
        (["ftp://h.example/a.mp3"], "for a local file give its path"),
    ],
)
def test_refusals_speak_of_flags(volcasr: Caller, service: Simulator, argv: list[str], said: str) -> None:
    """What is wrong and what to do, without a word of Python; nothing is sent."""
    before = service.requests.total()
    end = volcasr("transcribe", *argv)
    readable(end, most=4)
    assert end.status == 2
    assert said in end.err
    assert not [word for word in PYTHON_WORDS if word in end.err]
    assert "U0VDUkVU" not in end.err
    assert service.requests.total() == before


def test_an_unlisted_language_is_a_warning_in_flags(volcasr: Caller, service: Simulator) -> None:
    """It is sent, and the warning is the shell's."""
    end = volcasr("transcribe", "--language", "sv_se", LINK)
    assert end.status == 0
    assert "warning: --language 'sv-SE' is sent as it is" in end.err
    assert service.charges


@pytest.mark.parametrize(
    ("pasted", "said"),
    [('"SECRET"', "is in quotes"), ("Bearer SECRET", "scheme"), ("ark-SECRET", "the Ark platform"), ("$SECRET", "variable"),
     ("export VOLCASR_API_KEY=SECRET", "a whole assignment"), ("<API_KEY>", "a placeholder"), ("SEC\u200bRET", "invisible")],
)  # fmt: skip
def test_pasted_keys(
    volcasr: Caller, port: Port, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pasted: str, said: str
) -> None:
    """From the environment and from a file; `doctor` says the same; no part of the key is shown."""
    monkeypatch.setenv("VOLCASR_BASE_URL", port.url)
    before = port.simulator.requests.total()
    file = tmp_path / "key.toml"
    file.write_text(f"api_key = '''{pasted}'''\n", "utf-8")
    os.chmod(file, 0o600)  # noqa: PTH101
    ends = [volcasr("transcribe", "--credentials", file, LINK), volcasr("doctor", "--credentials", file)]
    assert f"api_key in {file} " in " ".join(ends[0].err.split())
    monkeypatch.setenv("VOLCASR_API_KEY", pasted)
    ends += [volcasr("transcribe", LINK), volcasr("doctor")]
    assert "VOLCASR_API_KEY " in ends[2].err
    for end, status in zip(ends, (2, 1, 2, 1), strict=True):
        assert end.status == status
        assert said in " ".join((end.out + end.err).split())
        assert "SECRET" not in (end.out + end.err).replace(str(tmp_path), "")
    assert port.simulator.requests.total() == before


def test_a_key_with_a_line_end_works(volcasr: Caller, port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `export VOLCASR_API_KEY="$(cat key; echo)"` or a secret mounted as a file leaves it."""
    monkeypatch.setenv("VOLCASR_BASE_URL", port.url)
    monkeypatch.setenv("VOLCASR_API_KEY", "k3y\r\n")
    assert volcasr("transcribe", LINK).status == 0


def test_no_flag_is_made_of_what_is_none() -> None:
    """Replacing is for messages only; a text without Python words stays."""
    text = "the service cannot read s3:// URLs; callback, language and format are words"
    assert in_flags(text) == text


@pytest.mark.parametrize("link", ["https：//h.example/a.mp3", "data:audio/wav;base64,UklGRg=="])
def test_a_resource_id_for_links_and_files(volcasr: Caller, service: Simulator, link: str) -> None:
    """A link counts as one in every spelling."""
    end = volcasr("transcribe", "--resource-id", "volc.bigasr.auc", link, "talk.wav")
    assert end.status == 2
    assert "Name the edition too" in end.err
