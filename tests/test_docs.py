"""The code blocks of the documentation run as they stand, against the simulator on a real port."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
BLOCKS = [
    pytest.param(code, id=f"{page.relative_to(ROOT)}-{number}")
    for page in PAGES
    for number, code in enumerate(
        re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    )
]


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    """A simulator in its own process; yields its base URL."""
    command = [sys.executable, "-m", "volcasr_async", "simulate", "--port", "0", "--processing-time", "0.2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        line = next(line for line in process.stdout if "http://" in line)
        yield re.findall(r"http://[\d.]+:\d+", line)[0]
        process.terminate()


@pytest.mark.parametrize("code", BLOCKS)
def test_the_block_runs(code: str, service: str, tmp_path: Path) -> None:
    """A reader who copies it gets what it says."""
    (tmp_path / "block.py").write_text(code, "utf-8")
    (tmp_path / "talk.wav").write_bytes(files("volcasr_async.cli").joinpath("demo.wav").read_bytes())
    (tmp_path / "urls.txt").write_text("https://example.com/a.mp3\nhttps://example.com/b.mp3\n")
    environment = {**os.environ, "VOLCASR_BASE_URL": service, "VOLCASR_API_KEY": "any-key"}
    run = subprocess.run(
        [sys.executable, "block.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_inside_the_project_lead_somewhere(page: Path) -> None:
    """A relative link names a file that is there."""
    for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_both_readmes_show_the_same_code() -> None:
    """The Chinese README is as good as the English one: the same blocks, but for comments."""
    english, chinese = (
        [
            re.sub(r"#.*", "", block).split()
            for block in re.findall(r"^```\w+\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        ]
        for text in ((ROOT / "README.md").read_text("utf-8"), (ROOT / "docs/README.zh.md").read_text("utf-8"))
    )
    assert english == chinese
