"""`volcasr probe`: the table, the lines for programs, and the exit status."""

import json
import os
from pathlib import Path

import pytest
from cli_calls import Caller

from volcasr_async.testing import make_wav

M4A = b"\0\0\0\x10ftypM4A \0\0\0\0" + b"\0\0\0\x08moov"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Some recordings, where the shell stands."""
    (tmp_path / "talk.wav").write_bytes(make_wav(75, channels=2))
    (tmp_path / "phone.m4a").write_bytes(M4A)
    (tmp_path / "liar.mp3").write_bytes(make_wav(2))
    (tmp_path / "bare.pcm").write_bytes(bytes(32000))
    (tmp_path / "list.txt").write_text("https://example.com/a.mp3\n")
    (tmp_path / "empty.wav").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_a_table_for_people(volcasr: Caller) -> None:
    """One line for each file, then what is to be said about them, then the sum."""
    end = volcasr("probe", "talk.wav", "phone.m4a", "liar.mp3", "list.txt", "empty.wav")
    lines = [line.split() for line in end.out.splitlines()]
    assert lines[0] == ["file", "audio", "length", "Hz", "ch", "bits", "size", "standard", "idle", "flash", "v1"]
    assert lines[1] == ["talk.wav", "wav", "pcm", "1:15", "16000", "2", "16", "4.8", "MB", "yes", "yes", "yes", "yes"]
    assert lines[2][0] == "phone.m4a"
    assert "flash: m4a is not taken. Convert it to OGG OPUS" in end.out
    assert "it is named like mp3 but holds wav" in end.out
    assert (
        "it is text: https://example.com/a.mp3. Pass the recording itself; a list of recordings goes to volcasr batch"
        in end.out
    )
    assert end.out.splitlines()[-1].startswith("5 files, 4.9 MB, 1:17 and more; flash takes 2.")
    assert end.status == 1
    assert end.err == ""


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["talk.wav"], 0),
        (["talk.wav", "phone.m4a"], 1),
        (["phone.m4a", "--edition", "standard"], 0),
        (["talk.wav", "nothing.wav"], 2),
        (["phone.m4a", "."], 2),
        (["https://example.com/a.mp3?token=secret"], 2),
        (["talk.wav", "--edition", "fast"], 2),
        (["talk.wav", "--format", "xml"], 2),
        (["talk.wav", "--rate", "0"], 2),
        ([], 2),
    ],
)
@pytest.mark.usefixtures("folder")
def test_the_exit_status(words: list[str], status: int, volcasr: Caller) -> None:
    """0: flash, or the edition that was named, takes all; 1: not all; 2: something cannot be looked at, or wrong usage."""
    end = volcasr("probe", *words)
    assert end.status == status
    assert bool(end.err) == (status == 2)
    assert "secret" not in end.out + end.err
    assert "Traceback" not in end.err


@pytest.mark.usefixtures("folder")
def test_what_cannot_be_looked_at_leaves_the_others(volcasr: Caller) -> None:
    """A directory is refused with the cure, and the rest is shown."""
    end = volcasr("probe", ".", "talk.wav")
    assert "talk.wav" in end.out
    assert "is a directory; name the files in it" in end.err


@pytest.mark.usefixtures("folder")
def test_lines_for_programs(volcasr: Caller) -> None:
    """Each file is a line of JSON, also one that cannot be looked at."""
    end = volcasr("probe", "--format", "json", "talk.wav", "phone.m4a", "nothing.wav")
    talk, phone, nothing = map(json.loads, end.out.splitlines())
    assert (talk["name"], talk["container"], talk["codec"], talk["duration_s"]) == ("talk.wav", "wav", "pcm", 75.0)
    assert [talk["editions"][name]["fits"] for name in ("standard", "idle", "flash", "v1")] == [True] * 4
    assert phone["editions"]["flash"]["reasons"] == ["m4a is not taken"]
    assert (nothing["name"], "cannot be read" in nothing["error"]) == ("nothing.wav", True)


@pytest.mark.usefixtures("folder")
def test_bare_samples_need_words(volcasr: Caller) -> None:
    """Rate, bits and channels of raw PCM come from flags."""
    assert "16000 Hz, 16 bits, mono" in volcasr("probe", "bare.pcm").out
    [told] = volcasr("probe", "bare.pcm", "--rate", "8000", "--channel", "2", "-f", "json").out.splitlines()
    assert json.loads(told)["duration_s"] == 1.0


@pytest.mark.skipif(os.name != "posix", reason="file systems elsewhere take text only")
@pytest.mark.parametrize("form", ["txt", "json"])
def test_names_that_are_no_text(form: str, folder: Path, volcasr: Caller) -> None:
    """A file whose name is no UTF-8, or moves the cursor, is shown all the same."""
    for name in (b"\xff\xfe.wav", b"\x1b[31mred[bold].wav"):
        (folder / os.fsdecode(name)).write_bytes(make_wav(1))
        end = volcasr("probe", os.fsdecode(name), "--format", form)
        assert (end.status, end.err) == (0, "")
        assert "\x1b[31m" not in end.out


def test_many_files_share_their_remarks(folder: Path, volcasr: Caller) -> None:
    """What is the same about a hundred files is said once."""
    names = [f"{number}.flac" for number in range(100)]
    for name in names:
        (folder / name).write_bytes(
            b"fLaC\x80\0\0\x22" + bytes(10) + (16000 << 44 | 16000).to_bytes(8, "big") + bytes(16)
        )
    end = volcasr("probe", *names)
    assert end.out.count("flac is not taken") == 1
    assert "0.flac, 1.flac, 2.flac and 97 more" in end.out


def test_a_narrow_terminal(volcasr: Caller, folder: Path) -> None:
    """Nothing is cut at 60 columns."""
    import pty
    import subprocess
    import sys

    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "volcasr_async", "probe", "talk.wav", "phone.m4a"]
    environ = {**os.environ, "COLUMNS": "60", "NO_COLOR": "1", "TERM": "xterm"}
    run = subprocess.Popen(command, cwd=folder, env=environ, stdout=follower, stderr=follower)
    os.close(follower)
    shown = b""
    try:
        while piece := os.read(leader, 4096):
            shown += piece
    except OSError:  # the other side closed
        pass
    os.close(leader)
    assert run.wait(20) == 1
    lines = shown.decode().replace("\r", "").splitlines()
    assert max(map(len, lines)) <= 60
    assert "  wav pcm, 1:15, 16000 Hz, 2 ch, 16 bits, 4.8 MB" in [line.rstrip() for line in lines]


@pytest.mark.parametrize(
    "link", ["https://h.example/a.wav", "https：//h.example/a.wav", "data:audio/wav;base64,UklGRg=="]
)
def test_a_link_in_any_spelling_is_refused_as_a_link(volcasr: Caller, link: str) -> None:
    """It is not reported as a missing file."""
    end = volcasr("probe", link)
    assert end.status == 2
    assert "this is a link, and probe looks at local files" in end.err
