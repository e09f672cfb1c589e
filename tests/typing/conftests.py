"""Never run: brings every folder's fixtures before the type checkers, who would take the files for one module otherwise."""

import tests.benchmarks.conftest
import tests.cancellation.conftest
import tests.cli.conftest
import tests.crash.conftest
import tests.media.conftest
import tests.security.conftest
import tests.telemetry.conftest
import tests.testing.conftest  # noqa: F401
