"""Large objects: the memory that an upload takes, and objects too large to copy."""

from __future__ import annotations

import errno
import subprocess
import sys

import pytest
from remote_runs import at

from modelcheckpoint.storage.object_store import as_system_errors

UPLOAD = """
import resource, sys
from modelcheckpoint.storage import storage_for

def most_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

storage = storage_for(sys.argv[1])
storage.check("w.keras")
data = b"1234567" * (150 << 17)
pieces = [memoryview(data)[start : start + 999_999]
          for start in range(0, len(data), 999_999)]
before = most_bytes()
with storage.staged("w.keras", ".keras") as staged:
    staged.write([(piece, None) for piece in pieces])
    staged.publish()
print(most_bytes() - before)
"""


@pytest.mark.remote
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has other units there")
def test_the_memory_that_an_upload_takes(bucket):
    """Apart from the image of the file, it takes only the parts being sent."""
    said = subprocess.run(
        [sys.executable, "-c", UPLOAD, at(bucket)],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    ).stdout
    assert (bucket / "run" / "w.keras").stat().st_size == 7 * (150 << 17)
    assert int(said) < 64 << 20


def test_what_is_too_large_to_be_copied():
    """S3 refuses, and the message names a way out."""
    exceptions = pytest.importorskip("obstore.exceptions")
    answer = (
        "Generic S3 error: Error performing PUT https://bucket.s3.amazonaws.com/run/w "
        "in 1s - Server returned non-2xx status code: 400 Bad Request: <Error><Code>"
        "InvalidRequest</Code><Message>The specified copy source is larger than the "
        "maximum allowable size for a copy source: 5368709120</Message></Error>"
    )
    error = exceptions.GenericError(answer)
    given = "s3://bucket/run/w.keras"
    with (
        pytest.raises(OSError, match="another `file") as raised,
        as_system_errors(given),
    ):
        raise error
    assert raised.value.errno == errno.EFBIG  # and not one that is retried
