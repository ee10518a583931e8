"""TLS as libpq does it, without sockets: contexts, verification, and a layer over the frames.

`ssl` is imported here and nowhere else, and only when a connection may need it.
"""
