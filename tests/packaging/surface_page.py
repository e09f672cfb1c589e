"""The public surface as one page, read from the source: `python tests/packaging/surface_page.py` rewrites `docs/surface.md`.

Only names and signatures stand there, in a stable order, so that the page differs when the surface does, and only then.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import griffe
from griffe import Alias, Attribute, Class, Function, Module, Object, Parameter, ParameterKind

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "surface.md"
COMMAND = "python tests/packaging/surface_page.py"

MODULES: dict[str, tuple[str, ...]] = {
    "volcasr_async": (),
    "volcasr_async.subtitles": (),
    "volcasr_async.probe": (),
    "volcasr_async.callbacks": (),
    "volcasr_async.telemetry": (),
    "volcasr_async.testing": (),
    "volcasr_async.journal": (),
    "volcasr_async.sqlite_journal": (),
    # What the signatures above name, for those who annotate their own functions.
    "volcasr_async.sources": ("Source", "SourceLike"),
    "volcasr_async.credentials": ("Credentials",),
    "volcasr_async.errors": ("Sent",),
    "volcasr_async.client": ("Engine",),
    "volcasr_async.batch.feed": ("Input", "Item"),
    "volcasr_async.telemetry.records": ("End", "Verb"),
    "volcasr_async.telemetry.watch": ("Observe",),
}
"""The public modules; of some, a few names only."""

HEAD = f"""# The public surface

What the version number speaks for: every public name with its signature, as the source has it. Where this page changes, the
surface does. What does not stand here may change in any release, also in modules whose names have no underscore.

Written by `{COMMAND}`; a test compares. `Struct` is msgspec's: its fields are its parameters, in this order; those
below `_: KW_ONLY` are given by name.
"""

WIDTH = 100
SPOKEN = ("__init__", "__call__", "__aenter__", "__aexit__", "__aiter__", "__anext__")
"""The methods with underscores that a caller uses, most of them by writing `async with` and `async for`."""


def page() -> str:
    """Write the whole page."""
    return "\n".join([HEAD, *(section(name, names) for name, names in MODULES.items())])


@cache
def package() -> Module:
    """Read the source."""
    found = griffe.load("volcasr_async", search_paths=[ROOT], resolve_aliases=True)
    assert isinstance(found, Module)
    return found


def module_of(name: str) -> Module:
    """Find a module of the package."""
    inside = name.removeprefix("volcasr_async").lstrip(".")
    found = package()[inside] if inside else package()
    assert isinstance(found, Module), name
    return found


def section(name: str, only: tuple[str, ...]) -> str:
    """Write a module's names; a blank line stands around what takes several lines."""
    blocks = [list(lines_of(public, named(module_of(name), public))) for public in only or names_of(module_of(name))]
    lines: list[str] = []
    for before, block in zip([[], *blocks], blocks, strict=False):
        if before and max(len(before), len(block)) > 1:
            lines.append("")
        lines += block
    return f"## `{name}`\n\n```pyi\n" + "\n".join(lines) + "\n```\n"


def names_of(module: Module) -> list[str]:
    """Name what is public: `__all__`, or what the module itself defines without an underscore."""
    if module.exports is not None:
        return sorted(map(str, module.exports))
    return sorted(n for n, o in module.members.items() if not (n.startswith("_") or o.is_alias or o.is_module))


def named(module: Module, name: str) -> Object:
    """Bring what a name stands for; what is imported goes before a module inside that is called the same."""
    found = module[name]
    if found.is_module:
        found = package()[module.imports[name].partition(".")[2]]
    target = found.final_target if isinstance(found, Alias) else found
    assert isinstance(target, Object)
    return target


@cache
def on_the_page() -> frozenset[str]:
    """Collect the paths of all that has a place on the page."""
    return frozenset(
        named(module_of(name), public).path
        for name, only in MODULES.items()
        for public in only or names_of(module_of(name))
    )


# ---- one name ----


def lines_of(name: str, found: Object) -> Iterator[str]:
    """Write what a name stands for."""
    match found:
        case Class():
            yield from class_lines(name, found)
        case Function():
            yield from function_lines(name, found)
        case Attribute():
            yield assignment(name, found)
        case _:
            raise TypeError(f"{name} is neither class, function nor value: {found!r}")


def class_lines(name: str, found: Class) -> Iterator[str]:
    """Write a class: its fields, then its methods."""
    bases = list(dict.fromkeys(shown_bases(found)))
    bases += [f"{key}={value}" for key, value in found.keywords.items() if key in {"frozen", "kw_only"}]
    body = [*fields(found), *methods(found)]
    for decorator in found.decorators:
        yield f"@{decorator.value}"
    yield f"class {name}" + (f"({', '.join(bases)})" if bases else "") + (":" if body else ": ...")
    yield from (f"    {line}" for line in body)


def shown_bases(found: Class) -> Iterator[str]:
    """Name the bases; what a base that is not public adds is the class's own, and its own bases stand for it."""
    inside = {base.path: base for base in found.mro()}
    for base in found.bases:
        path = base if isinstance(base, str) else base.canonical_path
        if path in inside and path not in on_the_page():
            yield from shown_bases(inside[path])
        else:
            yield str(base)


def fields(found: Class) -> Iterator[str]:
    """Write the fields and attributes: its own, then what comes from bases that are not public."""
    inherited = {n: m for n, m in hidden_members(found).items() if n not in found.members}
    for name, member in found.members.items():
        if is_field(name, member) and not repeats(found, name, member):
            yield assignment(name, member, found)
    kept = [assignment(name, member, found) for name, member in inherited.items() if is_field(name, member)]
    if kept and "kw_only" not in found.keywords:
        yield "_: KW_ONLY"
    yield from kept


def methods(found: Class) -> Iterator[str]:
    """Write the properties and methods."""
    made = any(str(decorator.value).startswith("dataclass") for decorator in found.decorators)
    for name, member in {**hidden_members(found), **found.members}.items():
        if name.startswith("_") and (name not in SPOKEN or made):
            continue
        if isinstance(member, Function):
            yield from function_lines(name, member)
        elif isinstance(member, Attribute) and "property" in member.labels:
            yield from ("@property", f"def {name}(self) -> {member.annotation}: ...")


def hidden_members(found: Class) -> dict[str, Object]:
    """Collect what comes from bases that are not public."""
    targets = {name: alias.final_target for name, alias in found.inherited_members.items()}
    return {
        name: target
        for name, target in targets.items()
        if isinstance(target, Object) and target.parent is not None and target.parent.path not in on_the_page()
    }


def is_field(name: str, member: Object | Alias) -> bool:
    """Whether it is a public value, and no property."""
    return isinstance(member, Attribute) and not name.startswith("_") and "property" not in member.labels


def repeats(found: Class, name: str, member: Object | Alias) -> bool:
    """Whether it is but another text for what a base declares, such as the hint of an error."""
    plain = isinstance(member, Attribute) and member.annotation is None
    return plain and name in found.inherited_members and str(member.value) not in {"True", "False"}  # type: ignore[union-attr]


def assignment(name: str, found: Object | Alias, within: Class | None = None) -> str:
    """Write a value; an attribute of instances without its value, which is the constructor's affair."""
    assert isinstance(found, Attribute)
    of_class, of_instance = ("class-attribute" in found.labels), ("instance-attribute" in found.labels)
    kind = str(found.annotation) if found.annotation is not None else given_kind(within, name)
    kind = kind.removeprefix("Annotated[").partition(", Meta(")[0]  # the rest is for the command's help
    if within is not None and of_class and not of_instance and kind:
        kind = f"ClassVar[{kind}]"
    value = "" if (within is not None and not of_class) or name.startswith("__") else str(found.value or "")
    shown = value if len(value) <= WIDTH else "..."
    return name + (f": {kind}" if kind else "") + (f" = {shown}" if shown else "")


def given_kind(within: Class | None, name: str) -> str:
    """Tell the type of an attribute that keeps a parameter of the same name."""
    if within is None or "__init__" not in within.members:
        return "str" if name == "__version__" else ""
    begin = within["__init__"]
    assert isinstance(begin, Function)
    return next((str(p.annotation) for p in begin.parameters if p.name == name), "")


def function_lines(name: str, found: Function) -> Iterator[str]:
    """Write a function, each parameter on a line of its own where they do not fit on one."""
    for decorator in found.decorators:
        if str(decorator.value) in {"classmethod", "staticmethod"}:
            yield f"@{decorator.value}"
    begin = ("async " if "async" in found.labels else "") + f"def {name}("
    end = f") -> {found.returns}: ..."
    given = list(parameters(found))
    line = begin + ", ".join(given) + end
    yield from [line] if len(line) <= WIDTH else [begin, *(f"    {parameter}," for parameter in given), end]


def parameters(found: Function) -> Iterator[str]:
    """Write each parameter, and the star before those that are given by name."""
    starred = False
    for given in found.parameters:
        if given.kind is ParameterKind.keyword_only and not starred:
            yield "*"
        starred = starred or given.kind in {ParameterKind.keyword_only, ParameterKind.var_positional}
        yield parameter(given)


def parameter(given: Parameter) -> str:
    """Write one parameter."""
    stars = (
        {ParameterKind.var_positional: "*", ParameterKind.var_keyword: "**"}.get(given.kind, "") if given.kind else ""
    )
    kind = f": {given.annotation}" if given.annotation is not None else ""
    return f"{stars}{given.name}{kind}" + (f" = {given.default}" if given.default is not None and not stars else "")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
