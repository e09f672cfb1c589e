"""`python tests/fuzz TARGET --seconds N`: look for inputs that break a promise, led by coverage; needs atheris."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from hashlib import sha1
from importlib import import_module
from pathlib import Path
from typing import Any

_NAMES = ("reply", "journal", "listing", "subtitles", "documents", "probe")
_MOST_BYTES = 16_384


def main() -> int:
    """Fuzz in a process of its own, for libFuzzer ends the one that it runs in; then keep what reaches most."""
    asked = _asked()
    if asked.inside:
        _fuzz(asked.target, asked.inside)
        return 0
    with tempfile.TemporaryDirectory() as work:
        found = asked.found or Path(work) / "found"
        found.mkdir(parents=True, exist_ok=True)
        for data in _begin_with(asked.target):
            (found / sha1(data, usedforsecurity=False).hexdigest()).write_bytes(data)
        failed = subprocess.run(_command(asked, Path(work), found), check=False).returncode
        if asked.keep:
            from fuzz_keep import keep

            print(keep(asked.target, found, asked.keep))
    return failed


def _asked() -> Any:
    parser = argparse.ArgumentParser(prog="python tests/fuzz", description=__doc__)
    parser.add_argument("target", choices=_NAMES)
    parser.add_argument("--seconds", type=int, default=60, help="how long to look (60)")
    parser.add_argument("--keep", type=int, metavar="N", help="afterwards, keep the N files that reach most as corpus")
    parser.add_argument("--found", type=Path, metavar="DIR", help="where to go on from, and to put what is found")
    parser.add_argument("--inside", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser.parse_args()


def _begin_with(name: str) -> list[bytes]:
    from fuzz_kit import corpus
    from fuzz_targets import TARGETS

    return [*TARGETS[name].seeds(), *(data for _, data in corpus(name))]


def _command(asked: Any, work: Path, found: Path) -> list[str]:
    from fuzz_targets import TARGETS

    words = work / "words"
    words.write_text("".join(f'"{_quoted(word)}"\n' for word in TARGETS[asked.target].dictionary))
    flags = [f"-max_total_time={asked.seconds}", "-timeout=20", "-rss_limit_mb=2000", f"-max_len={_MOST_BYTES}"]
    flags += [f"-dict={words}", f"-artifact_prefix={Path.cwd()}/", "-print_final_stats=1"]
    return [sys.executable, str(Path(__file__).parent), asked.target, "--inside", *flags, str(found)]


def _quoted(word: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word.encode().decode("unicode_escape").encode("latin-1", "replace"))


def _fuzz(name: str, flags: list[str]) -> None:
    atheris: Any = import_module("atheris")  # only here: nothing else needs it

    with atheris.instrument_imports(include=["volcasr_async"]):
        from fuzz_targets import TARGETS
    atheris.Setup([sys.argv[0], *flags], TARGETS[name].run)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
