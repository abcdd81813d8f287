"""Servers of stores other than `object_server`'s; `make test-remote` installs them."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import os
import pathlib
import urllib.request
from email.utils import formatdate

import pytest
from object_server import RCLONE, ObjectServer
from server_process import ServerProcess

INSTALLED = pathlib.Path(__file__).parents[2] / ".venvs" / "servers"


class Moto(ServerProcess):
    """S3, as emulated by moto."""

    scheme, program, copies = "s3", INSTALLED / "bin" / "moto_server", True

    def __init__(self, folder):
        super().__init__(self.program)

    @property
    def environment(self):
        return {
            "AWS_ACCESS_KEY_ID": "moto-test",
            "AWS_SECRET_ACCESS_KEY": "moto-secret",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
        }

    def arguments(self):
        return ["-p", str(self.port)]

    def bucket(self, name):
        scope = "Credential=moto-test/20200101/us-east-1/s3/aws4_request"
        headers = {"Authorization": f"AWS4-HMAC-SHA256 {scope}"}
        _put(f"{self.url}/{name}", headers)


class Google(ObjectServer):
    """Google's XML API. It is like S3's, so rclone answers all of it but the copy."""

    scheme, program, copies = "gs", RCLONE, False
    auth = ()

    @property
    def environment(self):
        key = {"gcs_base_url": self.url, "disable_oauth": True}
        names = ("client_email", "private_key", "private_key_id")
        key.update(dict.fromkeys(names, ""))
        return {
            "GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps(key),
            "GOOGLE_ALLOW_HTTP": "true",
        }


class Azurite(ServerProcess):
    """Azure, as emulated by Microsoft's own emulator."""

    scheme, copies = "az", True
    program = INSTALLED / "node_modules" / ".bin" / "azurite-blob"
    account = "devstoreaccount1"
    key = (  # the same in every emulator, and documented
        "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/"
        "KBHBeksoGMGw=="
    )

    def __init__(self, folder):
        super().__init__(self.program)

    @property
    def environment(self):
        return {
            "AZURE_STORAGE_USE_EMULATOR": "true",
            "AZURITE_BLOB_STORAGE_URL": self.url,
            "AZURE_ALLOW_HTTP": "true",
        }

    def arguments(self):
        port = ["--blobPort", str(self.port), "--disableTelemetry"]
        return [*port, "--inMemoryPersistence", "--silent", "--skipApiVersionCheck"]

    def bucket(self, name):
        date, version = formatdate(usegmt=True), "2021-08-06"
        named = f"x-ms-date:{date}\nx-ms-version:{version}\n"
        resource = f"/{self.account}/{self.account}/{name}\nrestype:container"
        text = "PUT" + 12 * "\n" + named + resource
        digest = hmac.new(base64.b64decode(self.key), text.encode(), hashlib.sha256)
        signature = base64.b64encode(digest.digest()).decode()
        headers = {
            "x-ms-date": date,
            "x-ms-version": version,
            "Content-Length": "0",
            "Authorization": f"SharedKey {self.account}:{signature}",
        }
        _put(f"{self.url}/{self.account}/{name}?restype=container", headers)


OTHERS = {"moto": Moto, "google": Google, "azurite": Azurite}


@contextlib.contextmanager
def other_server(kind, folder):
    """Give a server of a kind, and stop it; skip if none is installed."""
    pytest.importorskip("obstore")
    if not os.path.exists(OTHERS[kind].program):
        pytest.skip(f"{kind} is missing: make test-remote installs it")
    server = OTHERS[kind](folder)
    try:
        yield server
    finally:
        server.stop()


def _put(url, headers):
    request = urllib.request.Request(url, method="PUT", headers=headers)
    urllib.request.urlopen(request, timeout=30).close()
