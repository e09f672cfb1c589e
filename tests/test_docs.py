"""The documentation holds: its code runs as it stands, its tables are the code's, its pages and names are all there.

Blocks of Python and of shell (`sh`) run against the simulator on a real port, each in a directory of its own with a few
recordings and lists in it; those of the quick start one after the other in one, as its reader runs them. A Chinese page has
the blocks of its English one. What installs packages is run by the checks around the tests. What is only shown stands in a
block called `console`.
"""

import importlib
import importlib.util
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

import volcasr_async.callbacks
from volcasr_async.testing import make_wav

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])
FENCE = re.compile(r"^ *```([\w{}-]*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
AT_ONCE = 8  # they mostly wait
ADDRESS = "http://127.0.0.1:8080"  # where the pages have the simulator


class Block(NamedTuple):
    """A piece of a page that is run."""

    page: str
    number: int
    language: str
    code: str

    @property
    def unit(self) -> str:
        """What is run in one directory, one after the other."""
        return self.page if "quickstart" in self.page else f"{self.page}-{self.number}"


def _blocks() -> Iterator[Block]:
    for page in PAGES:
        for number, (language, code) in enumerate(FENCE.findall(page.read_text("utf-8"))):
            translated = page.name.endswith(".zh.md")
            if language in {"python", "sh"} and "pip install" not in code and not translated:
                yield Block(page.relative_to(ROOT).as_posix(), number, language, code)


BLOCKS = list(_blocks())


# ---- where they run ----


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    """A simulator in its own process; yields its base URL."""
    command = [sys.executable, "-m", "volcasr_async", "simulate", "--port", "0", "--processing-time", "0.2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        line = next(line for line in process.stdout if "http://" in line)
        yield re.findall(r"http://[\d.]+:\d+", line)[0]
        process.terminate()


COMMAND = f"""\
#!{sys.executable}
import signal, subprocess, sys
command = [sys.executable, "-m", "volcasr_async", *sys.argv[1:]]
if sys.argv[1:2] != ["simulate"]:
    sys.exit(subprocess.run(command).returncode)
with subprocess.Popen([*command, "--port", "0"], stdout=subprocess.PIPE, text=True) as simulator:  # a reader ends it with Ctrl-C
    print(next(line for line in simulator.stdout if "http://" in line))
    simulator.send_signal(signal.SIGINT)
sys.exit(simulator.returncode)
"""
# What a notebook does with a cell that awaits.
CELL = """\
import ast, asyncio, inspect, sys
coroutine = eval(compile(sys.argv[1], "<cell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT))
assert inspect.iscoroutine(coroutine)
with asyncio.Runner() as runner:
    runner.run(coroutine)
"""
# What a test file goes through.
TESTS = """\
import pathlib, sys
import pytest
pathlib.Path("test_page.py").write_text(sys.argv[1])
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "test_page.py"]))
"""
# Silence of MPEG 1 layer III: 128 kbit/s, 44.1 kHz, 417 bytes a frame.
MP3 = (b"\xff\xfb\x90\x00" + bytes(413)) * 100
RESULT = {"audio_info": {"duration": 900}, "result": {"text": "早上好。", "utterances": []}}
LINE = {"source": "https://example.com/c.mp3", "key": "c", "options": {"enable_punc": False}}


def _furnish(folder: Path) -> None:
    """Put there what the pages speak of."""
    folder.mkdir()
    speech = files("volcasr_async.cli").joinpath("demo.wav").read_bytes()
    for name in ("talk.wav", "interview.wav"):
        (folder / name).write_bytes(speech)
    (folder / "talk.mp3").write_bytes(MP3)
    (folder / "recordings" / "monday").mkdir(parents=True)
    (folder / "recordings" / "monday" / "call.wav").write_bytes(speech)
    (folder / "call.pcm").write_bytes(make_wav(1, rate=8000, channels=2)[44:])
    (folder / "urls.txt").write_text("https://example.com/a.mp3\nhttps://example.com/b.mp3\n")
    (folder / "recordings.jsonl").write_text(json.dumps(LINE) + "\n")
    (folder / "talk.json").write_text(json.dumps(RESULT))
    (folder / "volcasr.toml").write_text('api_key = "any-key"\n')
    (folder / "volcasr.toml").chmod(0o600)


class Workshop:
    """Runs blocks, several at once."""

    def __init__(self, service: str, folder: Path, wanted: set[Block]) -> None:
        bin_ = folder / "bin"
        bin_.mkdir()
        for name, program in (("volcasr", COMMAND), ("python", f'#!/bin/sh\nexec {sys.executable} "$@"\n')):
            (bin_ / name).write_text(program)
            (bin_ / name).chmod(stat.S_IRWXU)
        self._environ = {name: value for name, value in os.environ.items() if not name.startswith("VOLCASR_")}
        self._environ |= {"PATH": f"{bin_}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
        self._environ |= {"VOLCASR_BASE_URL": service, "VOLCASR_API_KEY": "any-key"}
        self._service, self._folder = service, folder
        self._kit = folder / "kit"
        _furnish(self._kit)
        for line in (
            "submit https://example.com/talk.mp3 > task.json",
            "batch urls.txt --journal calls.db --output-dir calls",
        ):
            self._run(["bash", "-c", f"volcasr {line}"], self._kit).check_returncode()
        units = {block.unit for block in wanted}
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._ends: dict[str, Future[dict[Block, subprocess.CompletedProcess[str]]]] = {
            unit: self._pool.submit(self._work_through, [block for block in BLOCKS if block.unit == unit])
            for unit in units
        }

    def end_of(self, block: Block) -> subprocess.CompletedProcess[str]:
        """Bring what became of it."""
        return self._ends[block.unit].result()[block]

    def close(self) -> None:
        """Begin no more."""
        self._pool.shutdown(cancel_futures=True)

    def _work_through(self, blocks: list[Block]) -> dict[Block, subprocess.CompletedProcess[str]]:
        folder = self._folder / blocks[0].unit.replace("/", "-")
        shutil.copytree(self._kit, folder)
        return {block: self._run(self._command(block), folder) for block in blocks}

    def _command(self, block: Block) -> list[str]:
        code = block.code.replace(ADDRESS, self._service)
        if block.language == "sh":
            return ["bash", "-euo", "pipefail", "-c", code]
        if re.search(r"^(async )?def test_", code, re.MULTILINE):
            return [sys.executable, "-c", TESTS, code]
        awaits = re.search(r"^(\w+ = )?await ", code, re.MULTILINE)
        return [sys.executable, "-c", CELL, code] if awaits else [sys.executable, "-c", code]

    def _run(self, command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=folder, env=self._environ, capture_output=True, text=True, timeout=120, check=False
        )


@pytest.fixture(scope="module")
def workshop(
    request: pytest.FixtureRequest, service: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workshop]:
    """Begins at once with all the blocks whose tests were chosen."""
    calls = [getattr(item, "callspec", None) for item in request.session.items]
    params = [call.params.get("block") for call in calls if call is not None]
    chosen = {block for block in params if isinstance(block, Block)}
    made = Workshop(service, tmp_path_factory.mktemp("docs"), chosen)
    yield made
    made.close()


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block.page}-{block.number}")
def test_the_block_runs(block: Block, workshop: Workshop) -> None:
    """A reader who copies it gets what it says."""
    end = workshop.end_of(block)
    assert end.returncode == 0, end.stderr
    assert end.stdout.strip() or block.language == "sh"


SHOWN = {
    "docs/quickstart.md": "the real service",
    "docs/quickstart.zh.md": "the real service",
    "docs/web-services.md": "three shells; tests/test_web_service.py runs the example",
}


def test_what_does_not_run_is_known() -> None:
    """Commands that are only shown stand on these pages, each with its reason, and no code is hidden from the tests."""
    found = {
        (page.relative_to(ROOT).as_posix(), language)
        for page in PAGES
        for language, _ in FENCE.findall(page.read_text("utf-8"))
    }
    assert {language for _, language in found} <= {"python", "sh", "console", "text", "pyi", "{eval-rst}"}
    assert {page for page, language in found if language == "console"} == SHOWN.keys()


# ---- pages ----


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_inside_the_project_lead_somewhere(page: Path) -> None:
    """A relative link names a file that is there."""
    for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_every_page_is_in_the_navigation() -> None:
    """The front pages list each page once; the site's navigation is made from these lists."""
    for front in (DOCS / "index.md", DOCS / "api" / "index.md"):
        listed = re.findall(r"^- \[.+?\]\(([\w./-]+)\)", front.read_text("utf-8"), re.MULTILINE)
        pages = {page.name for page in front.parent.glob("*.md")} - {"index.md"}
        assert sorted(listed) == sorted(pages | ({"api/index.md"} if front.parent == DOCS else set()))


def test_the_printed_tables_are_those_of_the_code() -> None:
    """Codes, verdicts and faults; `python docs/tables.py --write` prints them anew."""
    assert [page.name for page, _ in _tables().stale()] == []


@pytest.mark.parametrize("page", ["batch.md", "batch.zh.md"])
def test_every_state_of_a_journal_is_on_the_page(page: str) -> None:
    """The table of the next run has a row for each state, and so has the table of the states above it."""
    from volcasr_async.journal import STATES

    text = (DOCS / page).read_text("utf-8")
    described, decided = text.split("<!-- table: resume")
    assert [state for state in STATES if f"\n| `{state}` |" not in described] == []
    assert [state for state in STATES if f"\n| {state} |" not in decided] == []


def test_every_code_is_on_the_page() -> None:
    """The page of errors has a row for each code and names each error."""
    text = (DOCS / "errors.md").read_text("utf-8")
    from volcasr_async.protocol.status import CODES

    assert [code for code in CODES if f"| {code} |" not in text] == []
    names = [
        name
        for name, kind in vars(volcasr_async.errors).items()
        if isinstance(kind, type) and kind.__module__.endswith("errors")
    ]
    assert [name for name in names if name not in text] == []


MODULES = ("volcasr_async", *(f"volcasr_async.{name}" for name in ("subtitles", "testing", "probe", "telemetry")))


def test_every_public_name_is_in_the_reference() -> None:
    """Each stands on one page of docs/api, and so does what a module without `__all__` is for."""
    directives = re.findall(
        r"^\.\. (?:auto)?\w+:: ([\w.]+)",
        "".join(page.read_text("utf-8") for page in (DOCS / "api").glob("*.md")),
        re.MULTILINE,
    )
    public = [f"{module}.{name}" for module in MODULES for name in importlib.import_module(module).__all__]
    public.append(f"{volcasr_async.callbacks.__name__}.{volcasr_async.callbacks.CallbackReceiver.__name__}")
    assert [name for name in public if name not in directives] == []
    assert len(directives) == len(set(directives))


PAIRS = [
    (ROOT / "README.md", DOCS / "README.zh.md"),
    *((DOCS / f"{name}.md", DOCS / f"{name}.zh.md") for name in ("quickstart", "batch")),
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair[0].stem)
def test_both_languages_show_the_same(pair: tuple[Path, Path]) -> None:
    """The Chinese page has the blocks of the English page except for comments, the same tables, and as many sections."""
    english, chinese = (page.read_text("utf-8") for page in pair)
    assert _uncommented(english) == _uncommented(chinese)
    for heading in ("\n## ", "\n### "):
        assert english.count(heading) == chinese.count(heading)
    assert _tables_in(english) == [name.removesuffix("-zh") for name in _tables_in(chinese)]


def _tables_in(text: str) -> list[str]:
    return re.findall(r"<!-- table: ([\w-]+) -->", text)


def _uncommented(text: str) -> list[list[str]]:
    return [re.sub(r"#.*", "", block).split() for _, block in FENCE.findall(text)]


def _tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_tables", DOCS / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
