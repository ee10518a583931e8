"""Channel binding by the server's certificate: tls-server-end-point. RFC 5929, section 4."""

from __future__ import annotations

from pgwire import errors

# Signature algorithms by their object identifiers (DER bytes, in hexadecimal) -> the hash that
# the binding uses: the one of the signature, but SHA-256 in place of MD5 and SHA-1.
_SIGNATURE_HASHES = {
    "2a864886f70d010104": "sha256",  # md5WithRSAEncryption
    "2a864886f70d010105": "sha256",  # sha1WithRSAEncryption
    "2a864886f70d01010e": "sha224",
    "2a864886f70d01010b": "sha256",
    "2a864886f70d01010c": "sha384",
    "2a864886f70d01010d": "sha512",
    "2a864886f70d01010f": "sha512_224",
    "2a864886f70d010110": "sha512_256",
    "2a8648ce3d0401": "sha256",  # ecdsa-with-SHA1
    "2a8648ce3d040301": "sha224",
    "2a8648ce3d040302": "sha256",
    "2a8648ce3d040303": "sha384",
    "2a8648ce3d040304": "sha512",
    "2a8648ce380403": "sha256",  # dsa-with-sha1
    "608648016503040301": "sha224",  # dsa-with-sha224
    "608648016503040302": "sha256",
    "608648016503040303": "sha384",
    "608648016503040304": "sha512",
    "608648016503040309": "sha3_224",  # ecdsa-with-sha3-…
    "60864801650304030a": "sha3_256",
    "60864801650304030b": "sha3_384",
    "60864801650304030c": "sha3_512",
    "60864801650304030d": "sha3_224",  # rsassa-pkcs1-v1_5-with-sha3-…
    "60864801650304030e": "sha3_256",
    "60864801650304030f": "sha3_384",
    "608648016503040310": "sha3_512",
}
_RSASSA_PSS = "2a864886f70d01010a"

# Hash algorithms in the parameters of RSASSA-PSS.
_HASHES = {
    "2b0e03021a": "sha256",  # SHA-1
    "2a864886f70d0205": "sha256",  # MD5
    "608648016503040204": "sha224",
    "608648016503040201": "sha256",
    "608648016503040202": "sha384",
    "608648016503040203": "sha512",
    "608648016503040205": "sha512_224",
    "608648016503040206": "sha512_256",
    "608648016503040207": "sha3_224",
    "608648016503040208": "sha3_256",
    "608648016503040209": "sha3_384",
    "60864801650304020a": "sha3_512",
}

# What has no hash of its own, by name.
_WITHOUT_HASH = {"2b6570": "Ed25519", "2b6571": "Ed448"}

_SEQUENCE, _OBJECT_IDENTIFIER, _CONTEXT_0 = 0x30, 0x06, 0xA0


def server_end_point(certificate: bytes) -> bytes:
    """The binding data of a server's `certificate` (DER).

    Raises OperationalError naming the algorithm if its signature has no hash (Ed25519, Ed448), or
    one that is not known, and ProtocolError if it is no certificate.
    """
    import hashlib

    return hashlib.new(hash_name(certificate), certificate).digest()


def hash_name(certificate: bytes) -> str:
    """The name, for `hashlib`, of the hash to be used. Raises as `server_end_point` does."""
    # Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue }
    body = _content(certificate, 0, _SEQUENCE)
    after_tbs = _element(certificate, body[0])[2]
    start, stop = _content(certificate, after_tbs, _SEQUENCE)
    identifier, parameters = _identifier(certificate, start)
    if identifier in _SIGNATURE_HASHES:
        return _SIGNATURE_HASHES[identifier]
    if identifier == _RSASSA_PSS:
        return _pss_hash(certificate, parameters, stop)
    called = _WITHOUT_HASH.get(identifier, f"object identifier {identifier}")
    raise errors.OperationalError(
        f"channel binding is not possible: the server's certificate is signed with {called}, "
        "for which no hash is defined"
    )


def _pss_hash(data: bytes, start: int, stop: int) -> str:
    """RSASSA-PSS-params ::= SEQUENCE { [0] hashAlgorithm DEFAULT sha1, … }"""
    if start >= stop:
        return "sha256"
    first, last = _content(data, start, _SEQUENCE)
    if first >= last or data[first] != _CONTEXT_0:
        return "sha256"
    inner = _content(data, _content(data, first, _CONTEXT_0)[0], _SEQUENCE)
    identifier, _ = _identifier(data, inner[0])
    if identifier not in _HASHES:
        raise errors.OperationalError(
            "channel binding is not possible: the server's certificate is signed with RSASSA-PSS "
            f"and the unknown hash of object identifier {identifier}"
        )
    return _HASHES[identifier]


def _identifier(data: bytes, position: int) -> tuple[str, int]:
    """An object identifier in hexadecimal, and where it ends."""
    start, stop = _content(data, position, _OBJECT_IDENTIFIER)
    return data[start:stop].hex(), stop


def _content(data: bytes, position: int, tag: int) -> tuple[int, int]:
    """Where the content of the element at `position`, which must be a `tag`, begins and ends."""
    found, start, stop = _element(data, position)
    if found != tag:
        raise errors.ProtocolError("the server's certificate is not one")
    return start, stop


def _element(data: bytes, position: int) -> tuple[int, int, int]:
    """Tag, begin and end of content of the DER element at `position`."""
    if position + 2 > len(data):
        raise errors.ProtocolError("the server's certificate is not one")
    length, start = data[position + 1], position + 2
    if length & 0x80:
        count = length & 0x7F
        length, start = int.from_bytes(data[start : start + count], "big"), start + count
    if start + length > len(data):
        raise errors.ProtocolError("the server's certificate is not one")
    return data[position], start, start + length
