"""A simulator of the service, for the tests of any client.

    simulator = Simulator(qps=20, faults=[Fault("lost-answer", share=0.1)])
    async with httpx.AsyncClient(transport=simulator.transport(), base_url="http://simulator") as http: ...
    async with simulator.serve() as base_url: ...
    assert not simulator.violations and len(simulator.charges) == 1

Names are imported when they are first used: the pytest plugin loads this package into every test run.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from volcasr_async.testing.audio import make_wav
    from volcasr_async.testing.exchange import ConnectionDropped
    from volcasr_async.testing.faults import KINDS, MARKERS, Fault
    from volcasr_async.testing.records import Callback, Charge, Delivery, SimulatedTask, Upload, Violation
    from volcasr_async.testing.simulator import Simulator
    from volcasr_async.testing.virtual import VirtualTimeLoop, virtual_time

__all__ = [
    "KINDS",
    "MARKERS",
    "Callback",
    "Charge",
    "ConnectionDropped",
    "Delivery",
    "Fault",
    "SimulatedTask",
    "Simulator",
    "Upload",
    "Violation",
    "VirtualTimeLoop",
    "make_wav",
    "virtual_time",
]

_HOMES = {
    "KINDS": "faults",
    "MARKERS": "faults",
    "Callback": "records",
    "Charge": "records",
    "ConnectionDropped": "exchange",
    "Delivery": "records",
    "Fault": "faults",
    "SimulatedTask": "records",
    "Simulator": "simulator",
    "Upload": "records",
    "Violation": "records",
    "VirtualTimeLoop": "virtual",
    "make_wav": "audio",
    "virtual_time": "virtual",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
