"""Looks into a wheel and an sdist: `python archives.py DIST`. Nothing is missing, nothing is there that nobody needs."""

import email
import re
import sys
import tarfile
import zipfile
from pathlib import Path

MOST_BYTES = {"wheel": 700_000, "sdist": 2_000_000}
"""Packed; half as much again as they take now. Whatever goes beyond got there by mistake, or is worth a look."""
LARGEST = 300_000
DATA = {"volcasr_async/py.typed", "volcasr_async/cli/demo.wav"}
DIST_INFO = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
SDIST_TOP = {".gitignore", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}
SDIST_FOLDERS = {"volcasr_async", "tests", "benchmarks", "docs"}
NEEDED = {"tests/conftest.py", "tests/samples/README.md", "docs/changelog.md", "benchmarks/__main__.py"}
LITTER = re.compile(
    r"(^|/)(__pycache__|\.[^/]*_cache|\.hypothesis|\.coverage.*|_build|out|dist|\.venv[^/]*)(/|$)|\.pyc$|\.db$|~$"
)


def check_wheel(path: Path) -> set[str]:
    """The package with its types, its demo and its licence, and nothing else; gives the package's files."""
    with zipfile.ZipFile(path) as wheel:
        sizes = {entry.filename: entry.file_size for entry in wheel.infolist()}
        info = next(name for name in sizes if name.endswith(".dist-info/METADATA"))
        described = email.message_from_bytes(wheel.read(info))
        version = re.findall(rb'__version__ = "(.+)"', wheel.read("volcasr_async/_version.py"))[0].decode()
        points = wheel.read(info.replace("METADATA", "entry_points.txt")).decode()
    folder = info.removesuffix("METADATA")
    code = {name for name in sizes if not name.startswith(folder)}
    assert {name.removeprefix(folder) for name in sizes if name.startswith(folder)} == DIST_INFO
    assert {name for name in code if not name.endswith(".py")} == DATA
    assert all(name.startswith("volcasr_async/") for name in code)
    assert described["Version"] == version == path.name.split("-")[1]
    assert described["Requires-Python"] == ">=3.11"
    assert described["License-Expression"] == "MIT"
    assert described["Description-Content-Type"] == "text/markdown"
    assert "volcasr = volcasr_async.cli:main" in points
    check_sizes("wheel", path, sizes)
    return code


def check_sdist(path: Path, code: set[str]) -> None:
    """What the wheel is made of, and what its tests need."""
    with tarfile.open(path) as sdist:
        sizes = {entry.name.partition("/")[2]: entry.size for entry in sdist.getmembers() if entry.isfile()}
    assert {name for name in sizes if "/" not in name} == SDIST_TOP
    assert {name.partition("/")[0] for name in sizes if "/" in name} == SDIST_FOLDERS
    assert {name for name in sizes if name.startswith("volcasr_async/")} == code
    assert set(sizes) >= NEEDED
    check_sizes("sdist", path, sizes)


def check_sizes(kind: str, path: Path, sizes: dict[str, int]) -> None:
    """No litter, nothing large."""
    litter = [name for name in sizes if LITTER.search(name)]
    assert not litter, litter
    large = {name: size for name, size in sizes.items() if size > LARGEST}
    assert not large, large
    assert path.stat().st_size < MOST_BYTES[kind], f"{path.name} has {path.stat().st_size} bytes"


def main(dist: Path) -> None:
    """Look into both."""
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    check_sdist(sdist, check_wheel(wheel))
    sys.stdout.write(f"{wheel.name}: {wheel.stat().st_size} bytes; {sdist.name}: {sdist.stat().st_size} bytes\n")


main(Path(sys.argv[1]))
