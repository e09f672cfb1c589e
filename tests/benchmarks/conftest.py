"""The benchmarks lie beside the tests, not in the package: where that is installed from a wheel, they are found here."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))
