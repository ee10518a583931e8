"""The only rooms with sockets and clocks: they run the conversations of `pgwire.flows`."""
