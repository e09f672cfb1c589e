"""What --output means, and how text files are marked."""

import json
import os
from pathlib import Path

import pytest
from cli_calls import SECRET, Caller, Port, readable

from volcasr_async.subtitles import FORMATS
from volcasr_async.testing import Simulator, make_wav

KEPT = json.dumps({"audio_info": {"duration": 1000}, "result": {"text": "好。"}})


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("kept.json").write_text(KEPT)
    return Path("kept.json")


@pytest.mark.parametrize("output", ["texts/", "deep/er/texts/", "a.b/", "x.srt/"])
def test_a_slash_means_a_directory(volcasr: Caller, service: Simulator, wav: Path, kept: Path, output: str) -> None:
    """Also for a single recording, and whatever it is called; it is created when missing."""
    assert volcasr("transcribe", wav, "-o", output).status == 0
    assert [path.name for path in Path(output).iterdir()] == ["talk.txt"]


def test_a_directory_that_exists(volcasr: Caller, service: Simulator, wav: Path, kept: Path) -> None:
    Path("there").mkdir()
    assert volcasr("transcribe", wav, "-o", "there", "-f", "srt").status == 0
    assert [path.name for path in Path("there").iterdir()] == ["talk.srt"]
    assert volcasr("convert", kept, "-o", "there", "-f", "srt").status == 0
    assert sorted(path.name for path in Path("there").iterdir()) == ["kept.srt", "talk.srt"]


def test_several_mean_a_directory(volcasr: Caller, service: Simulator, wav: Path, kept: Path) -> None:
    assert volcasr("transcribe", wav, wav, "-o", "texts").status == 0
    assert sorted(path.name for path in Path("texts").iterdir()) == ["talk-2.txt", "talk.txt"]


def test_the_directory_of_a_file_is_created(volcasr: Caller, service: Simulator, wav: Path, kept: Path) -> None:
    assert volcasr("transcribe", wav, "-o", "new/er/talk.srt").status == 0
    assert Path("new/er/talk.srt").read_text("utf-8").startswith("1\n")


def test_a_minus_is_stdout(volcasr: Caller, kept: Path) -> None:
    end = volcasr("convert", kept, "-o", "-")
    assert (end.status, end.out) == (0, "好。\n")
    assert [path.name for path in Path().iterdir()] == ["kept.json"]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["-o", "x.docx"], "no format has the suffix .docx"),
        (["-o", "x.pdf"], ".srt, .vtt"),
        (["-o", "x.unknown"], "The suffixes are .txt (txt, speakers), .json"),
        (["-o", "x.tmp"], "no format has the suffix .tmp"),
        (["-o", "talk-v1.2"], "no format has the suffix .2"),
        (["-o", "x.mp3"], "no format has the suffix .mp3"),
        (["-o", "x.docx", "-f", "txt"], "cannot hold the format txt: its suffix is .docx"),
        (["-o", "x.wav", "-f", "txt"], "Name it x.txt"),
        (["-o", "x.srt", "-f", "json"], "Name it x.json, or give --format srt"),
        (["-o", "x.txt", "-f", "csv"], "or give --format txt or speakers"),
        (["-o", "x.json/"], "x.json is a file, not a directory"),
        (["-o", ""], "it is empty"),
        (["--bom"], "--bom is for the formats csv and words-csv, not for txt"),
        (["--bom", "-o", "x.json"], "not for json"),
    ],
)
@pytest.mark.parametrize("command", ["transcribe", "convert"])
def test_outputs_that_are_refused(
    volcasr: Caller, service: Simulator, wav: Path, kept: Path, command: str, argv: list[str], said: str
) -> None:
    """Before anything is sent, with what to write instead, and without a file or directory that stays behind."""
    if argv[1:] == ["x.json/"]:
        Path("x.json").touch()
    before, sent = sorted(Path().rglob("*")), service.requests.total()
    end = volcasr(command, wav if command == "transcribe" else kept, *argv)
    readable(end)
    assert end.status == 2
    assert said in end.err
    assert sorted(Path().rglob("*")) == before
    assert service.requests.total() == sent


def test_a_name_that_could_be_both(volcasr: Caller, service: Simulator, wav: Path, kept: Path) -> None:
    """A glob with one match must not write a file where two would make a directory."""
    end = volcasr("transcribe", wav, "-o", "texts")
    readable(end)
    assert end.status == 2
    assert "Write texts/ for a directory, or texts.txt for a file" in end.err
    end = volcasr("transcribe", wav, wav, "-o", "all.srt")
    assert end.status == 2
    assert "all.srt names one file, but 2 recordings need a directory" in end.err
    Path("all.srt").touch()
    end = volcasr("transcribe", wav, wav, "-o", "all.srt")
    assert end.status == 2
    assert "all.srt is a file, but 2 recordings need a directory" in end.err
    assert not Path("texts").exists()


@pytest.mark.parametrize("name", ["x.log", "notes.tmp", "talk.zh-CN", "old"])
def test_other_names_with_a_format(volcasr: Caller, kept: Path, name: str) -> None:
    """--format goes with any suffix that says nothing else."""
    assert volcasr("convert", kept, "-o", name, "-f", "txt").status == 0
    assert Path(name).read_text("utf-8") == "好。\n"


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_fits_its_suffix(volcasr: Caller, kept: Path, name: str) -> None:
    target = Path(f"out.{FORMATS[name].suffix}")
    assert volcasr("convert", kept, "-o", target, "-f", name).status == 0


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_directory_that_cannot_be_written(volcasr: Caller, service: Simulator, wav: Path, kept: Path) -> None:
    Path("locked").mkdir(0o500)
    sent = service.requests.total()
    end = volcasr("transcribe", wav, "-o", "locked/")
    assert end.status == 2
    assert "no file can be created in locked" in end.err
    assert service.requests.total() == sent


# ---- byte order marks ----

BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize("argv", [["-f", "csv"], ["-f", "words-csv"], ["-o", "x.csv"]])
def test_csv_for_excel(volcasr: Caller, kept: Path, argv: list[str]) -> None:
    """With --bom a table begins with the mark, once; without it, it does not."""
    end = volcasr("convert", kept, *argv, "--bom")
    assert end.status == 0
    data = Path("x.csv").read_bytes() if "-o" in argv else end.out.encode()
    assert data.startswith(BOM)
    assert not data[3:].startswith(BOM)
    end = volcasr("convert", kept, *argv)
    assert not (Path("x.csv").read_bytes() if "-o" in argv else end.out.encode()).startswith(BOM)


def test_csv_for_excel_of_several(volcasr: Caller, service: Simulator, wav: Path, kept: Path) -> None:
    """On stdout one mark at the beginning; in files one each; `batch` writes it as well."""
    end = volcasr("transcribe", wav, wav, "-f", "csv", "--bom")
    assert end.out.startswith("\ufeff")
    assert end.out.count("\ufeff") == 1
    assert volcasr("transcribe", wav, wav, "-f", "csv", "--bom", "-o", "out/").status == 0
    Path("list.txt").write_text(f"{wav}\n")
    assert volcasr("batch", "list.txt", "-o", "out", "-f", "csv", "--bom").status == 0
    tables = list(Path("out").glob("*.csv"))
    assert len(tables) == 3
    assert all(path.read_bytes().startswith(BOM) for path in tables)


ENCODINGS = pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])


@ENCODINGS
def test_credentials_of_any_editor(
    volcasr: Caller, port: Port, wav: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    """Notepad marks UTF-8, and its "Unicode" is UTF-16."""
    path = tmp_path / "volcasr.toml"
    path.write_bytes(f'# 密钥\r\napi_key = "{SECRET}"\r\n'.encode(encoding))
    path.chmod(0o600)
    monkeypatch.setenv("VOLCASR_BASE_URL", port.url)
    end = volcasr("transcribe", wav, "--credentials", path)
    assert (end.status, end.err) == (0, "")


def test_credentials_of_another_charset(volcasr: Caller, wav: Path, tmp_path: Path) -> None:
    path = tmp_path / "volcasr.toml"
    path.write_bytes(f'# 密钥\napi_key = "{SECRET}"\n'.encode("gbk"))
    path.chmod(0o600)
    end = volcasr("transcribe", wav, "--credentials", path)
    readable(end)
    assert end.status == 2
    assert "is not UTF-8 text" in end.err
    assert SECRET not in end.err


@ENCODINGS
def test_results_and_tasks_of_any_shell(volcasr: Caller, service: Simulator, tmp_path: Path, encoding: str) -> None:
    """`>` of PowerShell 5 writes UTF-16 with a mark."""
    path = tmp_path / "kept.json"
    path.write_bytes(KEPT.encode(encoding))
    assert volcasr("convert", path).out == "好。\n"
    path.write_bytes(volcasr("submit", "https://h.example/bom.mp3").out.encode(encoding))
    assert volcasr("wait", f"@{path}").status == 0
    path.write_bytes('{"hotwords": ["豆包"]}'.encode(encoding))
    (tmp_path / "a.wav").write_bytes(make_wav(1.0))
    assert volcasr("transcribe", tmp_path / "a.wav", "--corpus", path).status == 0
