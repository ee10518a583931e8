"""dblink: PostgreSQL's dblink as a pure-Python engine. Manual: F.12.

>>> with dblink.Session() as session:
...     session.dblink_connect("sales", "host=db1 dbname=sales user=app password=secret")
...     for customer, total in session.dblink("sales", "SELECT name, total FROM customer"):
...         print(customer, total)
"""

from dblink.events import WaitEvent
from dblink.functions import FUNCTIONS
from dblink.keys import KeyColumn
from dblink.local import Local
from dblink.result import Result, ResultColumn
from dblink.session import Notify, Session

__all__ = [
    "FUNCTIONS",
    "KeyColumn",
    "Local",
    "Notify",
    "Result",
    "ResultColumn",
    "Session",
    "WaitEvent",
]
