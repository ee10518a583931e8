"""Certificates for tests, made anew in each run, and lists of those that are revoked."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.x509.oid import NameOID

_NOW = datetime.datetime.now(datetime.UTC)
_DAY = datetime.timedelta(days=1)

_PEM = serialization.Encoding.PEM
_PKCS8 = serialization.PrivateFormat.PKCS8


def make_key(kind: str = "ec") -> Any:
    """A private key: `ec`, `rsa`, `ed25519` or `ed448`."""
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return {
        "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate,
        "ed448": ed448.Ed448PrivateKey.generate,
    }[kind]()


class Identity(NamedTuple):
    """A certificate, its key, and those of the authorities between it and the root."""

    certificate: x509.Certificate
    key: Any
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> str:
        """The certificate, followed by the chain."""
        return "".join(c.public_bytes(_PEM).decode() for c in (self.certificate, *self.chain))

    @property
    def alone(self) -> str:
        """The certificate without the chain."""
        return self.certificate.public_bytes(_PEM).decode()

    @property
    def der(self) -> bytes:
        """The certificate as it goes over the wire."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def key_pem(self, password: str | None = None) -> str:
        """The private key, encrypted if there is a `password`."""
        protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if password is not None:
            protection = serialization.BestAvailableEncryption(password.encode())
        return self.key.private_bytes(_PEM, _PKCS8, protection).decode()

    def key_der(self, *, old: bool = False) -> bytes:
        """The private key as DER, in PKCS#8 or the `old` form of its own kind."""
        return self.key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.TraditionalOpenSSL if old else _PKCS8,
            serialization.NoEncryption(),
        )


class Authority:
    """Who signs: an identity that may."""

    def __init__(self, name: str, *, parent: Authority | None = None, key: str = "ec") -> None:
        self.identity = _sign(
            _name(name), make_key(key), parent and parent.identity, names=None, authority=True
        )

    @property
    def pem(self) -> str:
        """Its own certificate."""
        return self.identity.alone

    def issue(
        self,
        name: str | None,
        *,
        dns: Sequence[str] = (),
        ips: Sequence[str] = (),
        key: str = "ec",
        hash_name: str = "sha256",
        expired: bool = False,
    ) -> Identity:
        """A certificate for `name` (None: without common name), for servers and clients."""
        names: list[x509.GeneralName] = [x509.DNSName(dns_name) for dns_name in dns]
        names += [x509.IPAddress(ipaddress.ip_address(ip)) for ip in ips]
        return _sign(
            _name(name),
            make_key(key),
            self.identity,
            names=names,
            hash_name=hash_name,
            expired=expired,
        )

    def revocations(self, *revoked: Identity) -> str:
        """Its list of certificates that are no longer good."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.identity.certificate.subject)
            .last_update(_NOW - _DAY)
            .next_update(_NOW + 30 * _DAY)
        )
        for identity in revoked:
            entry = x509.RevokedCertificateBuilder(
                identity.certificate.serial_number, _NOW - _DAY
            ).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self.identity.key, hashes.SHA256()).public_bytes(_PEM).decode()


def self_signed(
    name: str, *, key: str = "ec", hash_name: str = "sha256", pss: str = ""
) -> Identity:
    """A certificate that vouches for itself; with `pss`, RSASSA-PSS with that hash."""
    return _sign(_name(name), make_key(key), None, names=[], hash_name=pss or hash_name, pss=pss)


def write(folder: Path, name: str, content: str | bytes, mode: int = 0o600) -> str:
    """Write a file and return its path."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return str(path)


def _name(name: str | None) -> x509.Name:
    if name is None:
        return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "nameless")])
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _sign(
    subject: x509.Name,
    key: Any,
    issuer: Identity | None,
    *,
    names: Sequence[x509.GeneralName] | None,
    authority: bool = False,
    hash_name: str = "sha256",
    expired: bool = False,
    pss: str = "",
) -> Identity:
    signing = key if issuer is None else issuer.key
    signer = subject if issuer is None else issuer.certificate.subject
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_NOW - 3 * _DAY)
        .not_valid_after(_NOW - _DAY if expired else _NOW + 30 * _DAY)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    options: dict[str, Any] = {}
    algorithm = None
    if isinstance(signing, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        algorithm = getattr(hashes, hash_name.replace("sha3_", "sha3-").upper().replace("-", "_"))()
    if pss:
        options["rsa_padding"] = padding.PSS(padding.MGF1(algorithm), padding.PSS.DIGEST_LENGTH)
    certificate = builder.sign(signing, algorithm, **options)
    # A root is not part of the chain: who trusts it has it.
    chain = (
        ()
        if issuer is None or issuer.certificate.issuer == issuer.certificate.subject
        else (issuer.certificate, *issuer.chain)
    )
    return Identity(certificate, key, chain)
