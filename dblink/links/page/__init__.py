"""The catalogue as a page of HTML: clusters by region, links as arrows, and all of it as a table.

`text` says things in words, `regions` sorts what is there, `graph` and `layout` find places for it,
`drawing`, `table` and `document` write it down.
"""

from dblink.links.page.document import page

__all__ = ["page"]
