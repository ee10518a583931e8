"""The frontend/backend protocol, 3.0 and 3.2, without any I/O. Manual: chapter 54.

* `frontend` and `backend`: the messages, each of which can be encoded and decoded;
* `framing`: where messages begin and end in what has been received;
* `state`: which message is legal when;
* `md5`, `scram`, `saslprep`: the computations of authentication.
"""
