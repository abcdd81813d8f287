"""How the environment configures an object store, and a clock that is wrong."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from other_servers import INSTALLED

from modelcheckpoint import list_checkpoints
from modelcheckpoint.storage import storage_for

pytestmark = pytest.mark.remote

CHECK = """
from modelcheckpoint.storage import storage_for
try:
    storage_for("s3://{bucket}/run").check("w.keras")
except OSError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize("shift", ["+1h", "-1h"])
def test_a_clock_that_is_off(bucket, shift):
    """The message points to the clock, not to the keys."""
    libraries = INSTALLED.glob("lib/*/site-packages/libfaketime/**/libfaketime.so.1")
    library = next(libraries, None)
    if library is None:
        pytest.skip("libfaketime is not here: make test-remote installs it")
    wrong = {"FAKETIME": shift, "DONT_FAKE_MONOTONIC": "1", "LD_PRELOAD": str(library)}
    process = subprocess.run(
        [sys.executable, "-c", CHECK.format(bucket=bucket.name)],
        env={**os.environ, **wrong},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "the clock of this machine is off: set it" in process.stdout, process
    assert process.stdout.startswith("PermissionError")


@pytest.mark.parametrize(
    ("address", "name", "value"),
    [
        ("s3://bucket/run", "AWS_ENDPOINT_URL", "127.0.0.1:9000"),
        ("s3://bucket/run", "AWS_ENDPOINT_URL", "http://127.0.0.1:99999"),
        ("s3://bucket/run", "AWS_ENDPOINT", ""),
        ("s3://bucket/run", "AWS_ENDPOINT_URL_S3", "http://"),
        ("gs://bucket/run", "GOOGLE_BASE_URL", "storage.googleapis.com"),
        ("az://bucket/run", "AZURE_STORAGE_ENDPOINT", "ftp://somebody:secret@host"),
        ("abfs://bucket/run", "AZURE_ENDPOINT", "host"),
    ],
)
def test_what_is_not_the_address_of_a_server(monkeypatch, address, name, value):
    """The variable is named, but not its value, which can hold a password."""
    pytest.importorskip("obstore")
    monkeypatch.setenv(name, value)
    with pytest.raises(
        ValueError, match=f"{name} must be the address of a ser"
    ) as raised:
        list_checkpoints(address)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("address", "variables", "reason"),
    [
        ("s3://bucket/run", {"AWS_ACCESS_KEY_ID": "a-key"}, "Missing SecretAccessKey"),
        ("az://bucket/run", {}, "Account must be specified"),
        ("gs://bucket/run", {"GOOGLE_SERVICE_ACCOUNT": "/no/file"}, "Unable to open"),
        ("gs://bucket/run", {"GOOGLE_SERVICE_ACCOUNT_KEY": '"a-key"'}, "Unable to dec"),
        (
            "az://bucket/run",
            {
                "AZURE_STORAGE_ACCOUNT_NAME": "name",
                "AZURE_STORAGE_ACCOUNT_KEY": "a-key",
            },
            r"Invalid Access Key\)",
        ),
    ],
)
def test_half_of_the_keys(monkeypatch, address, variables, reason):
    """The message names the missing variable, and where to set it."""
    pytest.importorskip("obstore")
    without_keys(monkeypatch)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(OSError, match=f"does not say how .*{reason}") as raised:
        list_checkpoints(address)
    assert "its keys come from the environment" in str(raised.value)
    assert "a-key" not in str(raised.value)


@pytest.mark.parametrize("has_file", [True, False])
def test_keys_that_only_a_file_has(monkeypatch, tmp_path, has_file):
    """The message says that the file is not read, and names the way out."""
    pytest.importorskip("obstore")
    without_keys(monkeypatch)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    if has_file:
        (tmp_path / ".aws").mkdir()
        (tmp_path / ".aws" / "credentials").write_text("[default]\n")
    with pytest.raises(OSError, match="there are no keys") as raised:
        storage_for("s3://bucket/run").check("w.keras")
    assert "its keys come from the environment" in str(raised.value)
    unread = f"not from {os.path.join('~', '.aws', 'credentials')}: set AWS_ACCESS_KEY"
    assert (unread in str(raised.value)) == has_file
    way_out = "aws configure export-credentials"
    assert (way_out in str(raised.value)) == has_file
    with pytest.raises(OSError, match="does not say how") as raised:
        list_checkpoints("az://bucket/run")
    assert way_out not in str(raised.value)


def without_keys(monkeypatch):
    for name in [*os.environ]:
        if name.startswith(("AWS_", "AZURE_", "GOOGLE_")):
            monkeypatch.delenv(name)


def test_a_wrong_key_of_azure(servers, monkeypatch):
    """Its answer becomes one sentence, too."""
    server = servers("azurite")
    server.bucket("bucket")
    variables = {
        "AZURE_STORAGE_ACCOUNT_NAME": "devstoreaccount1",
        "AZURE_STORAGE_ACCOUNT_KEY": "YW5vdGhlciBrZXk=",
        "AZURE_STORAGE_ENDPOINT": f"{server.url}/devstoreaccount1",
        "AZURE_ALLOW_HTTP": "true",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(PermissionError, match="the store refuses access") as raised:
        storage_for("az://bucket/run").check("w.keras")
    assert "\n" not in str(raised.value)
    assert "RequestId" not in str(raised.value)
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", f"{server.url}/nobody")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "nobody")
    with pytest.raises(FileNotFoundError, match="there is no such bucket"):
        storage_for("az://bucket/run").check("w.keras")
