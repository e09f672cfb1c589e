"""What things cost, measured so that anyone can repeat it: `python -m benchmarks`."""
