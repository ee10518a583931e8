"""Side by side with other drivers: `make bench`."""
