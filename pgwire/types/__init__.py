"""Codecs: the values of PostgreSQL's types as Python objects, in text and in binary format.

`registry` finds the codec of a type or of a Python value, `catalog` and `names` know the built-in
types; the other modules hold a family of types each and are imported when a type is first met.
"""
