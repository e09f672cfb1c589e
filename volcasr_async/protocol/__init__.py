"""The wire contract, pure: no I/O, no clock, no dice. Job -> Call, Reply -> Step."""
