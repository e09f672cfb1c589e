"""Makes files with the tools that people use, once in a session, and skips a test where a tool is missing.

With MEDIA_TOOLS=required in the environment, as `.ci/run` sets it, a missing tool fails the test instead.
"""

import ctypes
import ctypes.util
import os
import shlex
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

REQUIRED = os.environ.get("MEDIA_TOOLS") == "required"
SPOKEN = "The quick brown fox jumps over the lazy dog."

Maker = str | Callable[["Studio", Path], None]
"""A command line, or a function that writes the file at the path. A command may have several lines; {out} is the file to
make, {folder} an empty folder for what comes before it, and every other name in braces a file of `INPUTS`."""

_FFMPEG = "ffmpeg -v error -nostdin -y "
INPUTS: dict[str, Maker] = {
    "speech": f'espeak-ng -w {{out}} "{SPOKEN}"',
    "narrow": "sox -G {speech} -r 8000 -t wav {out}",
    "wide": "sox -G {speech} -r 16000 -t wav {out}",
    "music": "sox -n -r 44100 -c 2 -b 16 -t wav {out} synth 1.5 pluck C4 pluck G4",
    "around": "sox -n -r 48000 -c 6 -b 16 -t wav {out} synth 0.6 sine 300",
    "cover": "ffmpeg -f lavfi -i testsrc=s=320x320 -frames:v 1 -f mjpeg {out}",
    # Larger than what any program reads at once: noise does not compress.
    "poster": "ffmpeg -f lavfi -i nullsrc=s=640x480,geq=random(1)*255:128:128 -frames:v 1 -q:v 2 -f mjpeg {out}",
    "film": "ffmpeg -f lavfi -i testsrc=s=160x120:r=10:d=1 -i {speech} -shortest -c:v mpeg4 -c:a aac -f mov {out}",
}


class Studio:
    """A folder of files that are made when they are first asked for. Processes of one test run share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)

    def made(self, name: str, maker: Maker) -> Path:
        """Return the path of the file *name*, made by *maker*; skip or fail the test where that is not possible."""
        path = self._folder / name
        if not path.exists():
            with tempfile.TemporaryDirectory(dir=self._folder, prefix=".making-") as folder:
                target = Path(folder) / name
                self._make(target, maker)
                target.replace(path)  # whole or not at all, for another process may ask for it now
        return path

    def input(self, name: str) -> Path:
        """Return the path of a file that others are made from."""
        return self.made(f"input-{name}", INPUTS[name])

    def _make(self, target: Path, maker: Maker) -> None:
        if callable(maker):
            maker(self, target)
            return
        for line in maker.strip().splitlines():
            self._run(line, target)
        if not target.exists() or not target.stat().st_size:
            lacking(f"{maker.split()[0]} made no {target.name}")

    def _run(self, line: str, target: Path) -> None:
        command, _, output = line.partition(" > ")
        words = [self._filled(word, target) for word in shlex.split(command)]
        if words[0] == "ffmpeg":
            words[:1] = shlex.split(_FFMPEG)
        out = run(words)
        if output:
            Path(self._filled(output.strip(), target)).write_bytes(out)

    def _filled(self, word: str, target: Path) -> str:
        names = {name: str(self.input(name)) for name in INPUTS if f"{{{name}}}" in word}
        return word.format(out=target, folder=target.parent, **names)


def run(words: list[str]) -> bytes:
    """Run a tool and return what it wrote; skip or fail the test where it is missing or cannot do it."""
    if shutil.which(words[0]) is None:
        lacking(f"{words[0]} is not installed")
    done = subprocess.run(words, check=False, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["nothing"]
        lacking(f"{' '.join(words)} failed and said: {said[-1]}")
    return done.stdout


def lacking(why: str) -> NoReturn:
    """Skip the test, or fail it where the tools have to be there."""
    if REQUIRED:
        pytest.fail(f"MEDIA_TOOLS=required: {why}")
    pytest.skip(why)


# ---- AMR, by the libraries that phones have ----


def _library(name: str) -> Any:
    found = ctypes.util.find_library(name)
    if found is None:
        lacking(f"lib{name} is not installed")
    library = ctypes.CDLL(found)
    for function in ("Encoder_Interface_init", "E_IF_init"):
        if hasattr(library, function):
            getattr(library, function).restype = ctypes.c_void_p
    return library


def _samples(path: Path) -> bytes:
    with wave.open(str(path)) as file:
        samples: bytes = file.readframes(file.getnframes())
        return samples


def write_amr(studio: Studio, target: Path) -> None:
    """Write AMR as a phone does: 12.2 kbit/s, and next to nothing where nobody speaks (DTX)."""
    library = _library("opencore-amrnb")
    coder = ctypes.c_void_p(library.Encoder_Interface_init(1))
    samples = bytes(16000) + _samples(studio.input("narrow"))
    frame, written = ctypes.create_string_buffer(64), bytearray(b"#!AMR\n")
    for at in range(0, len(samples) - 319, 320):
        size = library.Encoder_Interface_Encode(coder, 7, samples[at : at + 320], frame, 0)
        written += frame.raw[:size]
    library.Encoder_Interface_exit(coder)
    target.write_bytes(written)


def write_amr_wb(studio: Studio, target: Path, *, dtx: bool = False) -> None:
    """Write wideband AMR at 23.85 kbit/s."""
    library = _library("vo-amrwbenc")
    coder = ctypes.c_void_p(library.E_IF_init())
    samples = (bytes(32000) if dtx else b"") + _samples(studio.input("wide"))
    frame, written = ctypes.create_string_buffer(128), bytearray(b"#!AMR-WB\n")
    for at in range(0, len(samples) - 639, 640):
        size = library.E_IF_encode(coder, 8, samples[at : at + 640], frame, int(dtx))
        written += frame.raw[:size]
    library.E_IF_exit(coder)
    target.write_bytes(written)
