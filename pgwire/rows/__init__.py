"""Rows: their columns, and decoders that turn runs of DataRow messages into tuples."""
