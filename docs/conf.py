"""How `sphinx-build docs OUT` makes the site. Pages are plain Markdown; what the site needs beyond it is added here."""
# ruff: noqa: INP001 - Sphinx reads this file by its path

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any, get_type_hints

import httpx
from msgspec import Meta, Struct

from volcasr_async import __version__, client

project = "volcasr_async"
author = "The volcasr_async authors"
copyright = author  # noqa: A001 - the name that Sphinx reads
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
exclude_patterns = ["examples"]
html_theme = "furo"
html_title = f"volcasr_async {__version__}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = html_copy_source = False

myst_heading_anchors = 3
copybutton_exclude = ".linenos, .gp"

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
maximum_signature_line_length = 100
# The standard library, httpx and the rest have sites of their own.
nitpick_ignore_regex = [
    ("py:.*", r"(?!volcasr_async).*"),
    ("py:class", r".*Literal\['.*"),  # a signature with `<factory>` is not parsed but cut at its commas
]
nitpick_ignore = [
    ("py:class", "volcasr_async.testing.asgi.App"),  # "an ASGI callable" is all that it promises
    # Shapes that an object of the caller's has; the page names the usual ones.
    ("py:class", "volcasr_async._file_objects.BinaryFile"),
    ("py:class", "volcasr_async._file_objects.UploadedFile"),
]


# ---- pages: the navigation is what the front pages list ----

_SECTION = re.compile(r"^## (.+)\n\n((?:- .+\n(?:  .+\n)*)+)", re.MULTILINE)
_ENTRY = re.compile(r"^- \[(.+?)\]\(([\w./-]+)\.md\)", re.MULTILINE)
_OUTWARD = re.compile(r"\[([^\]]+)\]\(\.\./[^)]+\)")


def navigation(text: str) -> str:
    """Write a hidden table of contents for each section that is a list of pages."""
    sections = [(caption, _ENTRY.findall(items)) for caption, items in _SECTION.findall(text)]
    return "".join(
        f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n"
        + "\n".join(f"{title.replace('`', '')} <{page}>" for title, page in pages)
        + "\n```\n"
        for caption, pages in sections
        if pages
    )


def complete(_app: object, name: str, source: list[str]) -> None:
    """Make a page of the site from one that is read as it is elsewhere."""
    if name in {"index", "api/index"}:
        source[0] += navigation(source[0])
    if "/" not in name:  # what lies outside the folder is not on the site, but for the page that the README becomes
        source[0] = _OUTWARD.sub(r"\1", source[0].replace("](../README.md)", "](index.md)"))


# ---- docstrings: plain text with names in backticks ----

MODULES = ("volcasr_async", *(f"volcasr_async.{name}" for name in ("subtitles", "testing", "probe", "telemetry")))
_NAME = re.compile(r"`([^`]+)`(\w?)")
_CLASS = re.compile(r"(?:[a-z_]+\.)*([A-Z]\w*)|([a-z_]+)$")


def public_names() -> dict[str, str]:
    """Tell where each public name stands in the reference."""
    names = {name: f"{module}.{name}" for module in MODULES for name in import_module(module).__all__}
    return names | {"CallbackReceiver": "volcasr_async.callbacks.CallbackReceiver"}


PUBLIC = public_names()
vars(client)["httpx"] = httpx  # which it imports late: so that its annotations can be read


def marked_up(text: str, owner: str) -> str:
    """Write `Name` as a link where the reference has it, and as code elsewhere."""

    def written(found: re.Match[str]) -> str:
        said, after = found.groups()
        name = _CLASS.match(said.partition("(")[0])
        target = PUBLIC.get(name[1] or name[2]) if name is not None else None
        known = target is not None and not owner.startswith(target)
        return (f":py:obj:`{said} <{target}>`" if known else f"``{said}``") + (after and f"\\ {after}")

    return _NAME.sub(written, text)


def described(kind: type[Struct]) -> Iterator[str]:
    """List the fields that say themselves what they are."""
    for name, hint in get_type_hints(kind, include_extras=True).items():
        for meta in getattr(hint, "__metadata__", ()):
            if isinstance(meta, Meta) and meta.description:
                editions = ", ".join((meta.extra or {}).get("editions", ()))
                yield f"- ``{name}``: {meta.description}" + (f" ({editions})" if editions else "")


def write_docstring(_app: object, what: str, name: str, of: Any, _options: object, lines: list[str]) -> None:
    """Make reStructuredText of a docstring."""
    lines[:] = marked_up("\n".join(lines), name).split("\n")
    if what == "class" and isinstance(of, type) and issubclass(of, Struct) and (fields := [*described(of)]):
        lines += ["", *fields, ""]


def setup(app: Any) -> None:
    """Join both to Sphinx."""
    app.connect("source-read", complete)
    app.connect("autodoc-process-docstring", write_docstring)
