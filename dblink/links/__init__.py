"""The link catalogue: clusters, and named links between their databases.

>>> with LinkCatalogue("links.db") as catalogue:
...     catalogue.create_link(
...         "pc-a", "dblink_test", database="shop", password=password,
...         target=Target("stock", "clerk", cluster="pc-b"),
...     )

Afterwards `dblink_test` is a connection name of dblink in the database `shop`.
"""

from dblink.links.catalogue import LinkCatalogue
from dblink.links.errors import FAILURES, LinkError
from dblink.links.lifecycle import Repair
from dblink.links.model import AccessKey, Cluster, Health, Link, Settings, Target
from dblink.links.store import StoreError

__all__ = [
    "FAILURES",
    "AccessKey",
    "Cluster",
    "Health",
    "Link",
    "LinkCatalogue",
    "LinkError",
    "Repair",
    "Settings",
    "StoreError",
    "Target",
]
