"""The package: what it exports, what it costs to import, the fixture for users."""

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import volcasr_async.testing as package
from volcasr_async.testing import Simulator

pytest_plugins = ["pytester"]
HOME = str(Path(package.__file__).parents[2])


def modules_after(statement: str) -> set[str]:
    script = f"{statement}; import sys; print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": HOME}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    return set(done.stdout.split())


def test_every_exported_name_exists() -> None:
    """`__all__`, `dir` and reality agree; an unknown name is an AttributeError."""
    assert all(getattr(package, name) for name in package.__all__)
    assert set(package.__all__) <= set(dir(package))
    with pytest.raises(AttributeError, match="no attribute 'Simulater'"):
        _ = package.Simulater


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import volcasr_async.testing.plugin", ["simulator", "asgi", "service"]),
        ("from volcasr_async.testing import Simulator; Simulator()", ["loopback", "inprocess"]),
    ],
)
def test_importing_stays_light(statement: str, absent: list[str]) -> None:
    """The plugin loads no simulator; the simulator opens no face before it is asked to."""
    assert not {f"volcasr_async.testing.{name}" for name in absent} & modules_after(statement)


def test_the_simulator_shares_no_code_with_the_client() -> None:
    """One mistake made twice would look like agreement."""
    faces = "import volcasr_async.testing.loopback, volcasr_async.testing.inprocess"
    gained = {
        name
        for name in modules_after(faces) - modules_after("import volcasr_async")
        if name.startswith("volcasr_async")
    }
    assert gained
    assert all(name.startswith("volcasr_async.testing") for name in gained)


def test_the_fixture_is_a_fresh_simulator(pytester: pytest.Pytester) -> None:
    """Each test has its own; nothing is left from the one before."""
    pytester.makepyfile(
        """
        import pytest
        from volcasr_async.testing import Simulator

        @pytest.mark.parametrize("turn", [1, 2])
        def test_it(volcasr_simulator, turn):
            assert isinstance(volcasr_simulator, Simulator)
            assert volcasr_simulator.qps is None
            volcasr_simulator.qps = 5
        """
    )
    installed = any(point.name == "volcasr" for point in entry_points(group="pytest11"))
    plugin = [] if installed else ["-p", "volcasr_async.testing.plugin"]
    result = pytester.runpytest_inprocess(*plugin, "-p", "no:cacheprovider", "-p", "no:asyncio")
    result.assert_outcomes(passed=2)


def test_two_simulators_know_nothing_of_each_other() -> None:
    """State belongs to the object."""
    one, two = Simulator(), Simulator()
    one.qps = 5
    assert two.qps is None
