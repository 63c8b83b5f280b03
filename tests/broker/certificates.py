"""Certificates for a broker with TLS, made by Java's keytool: an authority, and a server that it vouches for."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PASSWORD: Final = "of-the-keystore"  # it holds keys of tests
_STORE: Final = ("-storetype", "PKCS12", "-storepass", PASSWORD)
_KEY: Final = ("-keyalg", "EC", "-groupname", "secp256r1", "-validity", "30")


def _keytool(*words: str, given: str = "") -> str:
    return subprocess.run(["keytool", *words, *_STORE], input=given, capture_output=True, text=True, check=True).stdout


@dataclass(frozen=True, slots=True)
class Authority:
    """Who signs; `certificate` is the file that clients are given."""

    keystore: Path
    certificate: Path

    @classmethod
    def make(cls, folder: Path, name: str) -> "Authority":
        made = cls(folder / f"{name}.p12", folder / f"{name}.pem")
        store = ("-alias", "ca", "-keystore", str(made.keystore))
        _keytool("-genkeypair", *store, *_KEY, "-dname", f"CN={name}", "-ext", "bc:c")
        made.certificate.write_text(_keytool("-exportcert", "-rfc", *store))
        return made

    def server(self, keystore: Path, name: str) -> Path:
        """A keystore with a key and a certificate for a server of that name, as keytool writes it: `ip:127.0.0.1`."""
        store = ("-keystore", str(keystore))
        _keytool("-genkeypair", *store, "-alias", "server", *_KEY, "-dname", "CN=server")
        asked = _keytool("-certreq", *store, "-alias", "server")
        by_us = ("-alias", "ca", "-keystore", str(self.keystore))
        signed = _keytool("-gencert", "-rfc", *by_us, "-validity", "30", "-ext", f"san={name}", given=asked)
        _keytool("-importcert", "-noprompt", *store, "-alias", "ca", given=self.certificate.read_text())
        _keytool("-importcert", "-noprompt", *store, "-alias", "server", given=signed)
        return keystore
