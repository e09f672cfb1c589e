"""Whatever a recording is called, its result is a file of its own in the output directory."""

import re
import tempfile
import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from volcasr_async.cli.output import file_names, mark_of, rewrite_file, stable_name, write_file
from volcasr_async.subtitles import FORMATS

SUFFIXES = sorted({one.suffix for one in FORMATS.values()}, key=len)
LONGEST = SUFFIXES[-1]
RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:[. ].*)?", re.IGNORECASE)
WICKED = [
    *("", ".", "..", "/", "\\", "../../etc/passwd", "..\\..\\boot.ini", "/etc/passwd", "C:\\Windows\\x.wav", "C:x.wav"),
    *("a/../../b", "https://e.com/%2e%2e%2f%2e%2e%2fb.mp3", "https://e.com/..%5c..%5cb", "https://[", "x://[/a?b@c"),
    *("a\0b", "a\nb\r.wav", "\x1b[31mred.wav", "a\u202ewav.exe", "\udc80.wav", "\x85", "a:stream.wav", "a|b<c>d*?.wav"),
    *(
        "CON",
        "con.wav",
        "NUL.txt",
        "aux",
        "Lpt9.tar.gz",
        "COM¹.wav",
        "nul .wav",
        "a.",
        "a. .",
        "a ",
        " a",
        "~",
        "~root",
    ),
    *("-rf", "--output=x.wav", ".hidden", "...", "._", "-", "é", "e\u0301", "ß", "SS", "ﬁ", "İ", "K", "𠀀" * 300),
    *(
        "好" * 300,
        "a" * 300,
        "好" * 85 + ".wav",
        "\uf900",
        "\u8c48",
        "\u1112\u1161\u11ab",
        "한",
        "failures.jsonl",
        "volcasr-journal.db",
        ".failures.jsonl.part",
    ),
]
keys = st.text() | st.text("./\\-_ aA~\0:%2eé\u0301好𠀀CONnul1") | st.sampled_from(WICKED)


def is_safe(name: str) -> bool:
    """Tell whether a file can be called so everywhere, in the directory that it is meant for."""
    plain = PurePosixPath(name).name == name == PureWindowsPath(name).name and PureWindowsPath(name).drive == ""
    said = name.isprintable() and not re.search(r'[<>:"/\\|?*]', name)
    ends = name[0] not in ".- ~" and name[-1] not in ". "
    room = len(f".{name}.{'0' * 8}.part".encode()) <= 255  # what it is called while it is written
    return plain and said and ends and room and not RESERVED.fullmatch(name)


def alike(name: str) -> str:
    """Write alike what macOS and Windows take for one name."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


@given(keys, st.sampled_from(SUFFIXES))
def test_a_key_names_a_file_of_the_directory(key: str, suffix: str) -> None:
    """For any key: a plain name, of 255 bytes at most with all that is put around it, and always the same."""
    name = stable_name(key, suffix)
    assert is_safe(name), name
    assert name.endswith(f".{suffix}")
    assert name == stable_name(key, suffix)


@given(st.lists(keys, unique=True, max_size=30))
@example(WICKED)
@example(sorted({*WICKED, *map(str.swapcase, WICKED)}))
@example(["\udc80.wav", "\udc81.wav", "?.wav"])
def test_keys_have_files_of_their_own(keys: list[str]) -> None:
    """Distinct keys never share a file, on no file system."""
    assert len({alike(stable_name(key, "txt")) for key in keys}) == len(keys)


@given(st.lists(keys, max_size=30))
@example(WICKED + WICKED)
@example(["a.wav", "A.wav", "a-2.wav", "a.mp3", "é.wav", "e\u0301.wav", "ß", "ss", "\uf900", "\u8c48"])
def test_sources_have_files_of_their_own(sources: list[str]) -> None:
    """The same for what `transcribe` puts into a directory, the same source twice included."""
    names = file_names(sources, LONGEST)
    assert all(map(is_safe, names)), names
    assert len({alike(name) for name in names}) == len(sources)


@pytest.mark.parametrize("number", range(len(WICKED)))
def test_they_can_be_written(number: int) -> None:
    """The file system takes them, and nothing is written anywhere else."""
    with tempfile.TemporaryDirectory() as folder:
        inside = Path(folder, "out")
        inside.mkdir()
        first, second = stable_name(WICKED[number], LONGEST), file_names([WICKED[number]], LONGEST)[0]
        rewrite_file(inside / first, "text", mark=mark_of(inside / "run.db"))
        write_file(inside / second, "text")
        assert sorted(path.name for path in inside.iterdir()) == sorted([first, second])
        assert [path.name for path in Path(folder).iterdir()] == ["out"]
