"""Side by side with other drivers: `make bench`, or `python -m bench --help`."""
