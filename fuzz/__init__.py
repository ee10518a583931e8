"""Fuzzers for everything that reads what somebody else wrote. `make fuzz`, or `python -m fuzz`."""
