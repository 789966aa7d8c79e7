"""Real authorities and certificates for tests, good and bad ones, made by `cryptography` beside the code under test."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as forms
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SSL_REQUEST = b"\0\0\0\x08\x04\xd2\x16\x2f"


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key; as an authority it signs others."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(forms.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())

    def leaf(self, *names: str, begin: int = -1, end: int = 90, subject: str = "server") -> Pair:
        """A certificate for these names, valid from `begin` to `end` days from now, signed by this one."""
        return made(subject, self, names, begin, end, ca=False)

    def intermediate(self, subject: str = "Intermediate", *, begin: int = -1, end: int = 900, ca: bool = True) -> Pair:
        return made(subject, self, (), begin, end, ca=ca)

    def write(self, folder: Path, name: str = "server", chain: Sequence[Pair] = ()) -> tuple[Path, Path]:
        """The files NAME.crt (0644) and NAME.key (0600)."""
        certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
        certificate.write_bytes(self.pem + b"".join(one.pem for one in chain))
        key.write_bytes(self.key_pem)
        certificate.chmod(0o644)
        key.chmod(0o600)
        return certificate, key


def authority(subject: str = "Test CA", *, begin: int = -10, end: int = 1000) -> Pair:
    """A self-signed one."""
    return made(subject, None, (), begin, end, ca=True)


def made(subject: str, signer: Pair | None, names: Sequence[str], begin: int, end: int, *, ca: bool) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(signer.certificate.subject if signer else who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() + timedelta(days=begin))
        .not_valid_after(now() + timedelta(days=end))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
    return Pair(builder.sign(signer.key if signer else key, hashes.SHA256()), key)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@dataclass
class TlsServer:
    """A real TLS server on a free port. `postgres`: it waits for SSLRequest, and answers with `says`."""

    folder: Path
    pair: Pair
    chain: Sequence[Pair] = ()
    clients: Pair | None = None
    postgres: bool = False
    says: bytes = b"S"
    newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3

    def __post_init__(self) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.maximum_version = self.newest
        self.context.load_cert_chain(*self.pair.write(self.folder, "served", self.chain))
        if self.clients:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(cadata=self.clients.pem.decode())

    @contextmanager
    def running(self) -> Iterator[str]:
        """Its host:port, until the block ends."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=self._serve, args=(listener,))
            thread.start()
            host, port = listener.getsockname()
            try:
                yield f"{host}:{port}"
            finally:
                with socket.create_connection((host, port)) as last:
                    last.sendall(b"stop")
                thread.join()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            line, _ = listener.accept()
            with line:
                line.settimeout(10)
                if line.recv(4, socket.MSG_PEEK) == b"stop":
                    return
                with suppress(OSError):
                    self._answer(line)

    def _answer(self, line: socket.socket) -> None:
        if self.postgres:
            assert line.recv(8) == SSL_REQUEST
            line.sendall(self.says)
            if self.says != b"S":
                return
        with self.context.wrap_socket(line, server_side=True) as tls:
            tls.recv(1)
