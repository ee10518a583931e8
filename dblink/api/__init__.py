"""The link catalogue over HTTP, as the service has it: version 2017-08-01, RPC style.

`dblink.api.app.application` makes an ASGI application of a catalogue, `dblink.api.server.Server`
serves it; both need the extra `api`. `dblink.api.signature.sign` is all that a small client needs.
"""

from __future__ import annotations
