"""One small model and its data, on Keras 3 and on tf_keras."""

from __future__ import annotations

import contextlib
import gc
import inspect
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
from importlib.util import find_spec

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import numpy as np
import pytest
from keras_process import leave_graphs_as_traced
from object_server import bucket, server  # noqa: F401 - fixtures
from storage_fixtures import place, servers, tree_place  # noqa: F401

# A shell that runs the tests in the background makes them ignore Ctrl-C, and with them
# the processes that they start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The processes that tests start find the package where this one found it.
PACKAGE = pathlib.Path(find_spec("modelcheckpoint").origin).parents[1]


def python_path_with(folder):
    """Return the PYTHONPATH of a process that looks into a folder first."""
    return os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))


os.environ["PYTHONPATH"] = python_path_with(PACKAGE)

posix = pytest.mark.skipif(os.name == "nt", reason="no signals, modes or links there")

SAMPLES = 25
# It supports only TensorFlow.
TF_KERAS = os.environ["KERAS_BACKEND"] == "tensorflow" and find_spec("tf_keras")


def pytest_report_header():
    """Say whether half of the tests are left out."""
    return "also on tf_keras" if TF_KERAS else "without tf_keras, which is missing"


def pytest_configure(config):
    """Give property tests all the time they need."""
    # Not at the top: the processes that tests start import this file, too.
    from hypothesis import HealthCheck, settings

    # How long an example takes depends on the machine.
    patient = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
    settings.register_profile("patient", **patient)
    settings.load_profile("patient")


def pytest_addoption(parser):
    parser.addoption(
        "--keras2",
        choices=("branches", "all"),
        default="branches",
        help="which tests also run on tf_keras: those marked keras2, or all",
    )


def pytest_generate_tests(metafunc):
    """Also run on tf_keras where the code takes another branch for Keras 2."""
    if "K" not in metafunc.fixturenames:
        return
    everywhere = metafunc.config.getoption("keras2") == "all"
    marked = metafunc.definition.get_closest_marker("keras2")
    packages = ["keras"]
    if TF_KERAS and (everywhere or marked):
        packages.append("tf_keras")
    metafunc.parametrize("K", packages, indirect=True)


def pytest_collection_modifyitems(items):
    """Begin with the slow files: one that began last would run on its own."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True, scope="module")
def _clean_heap():
    """Leave the next file a heap without the models of this one.

    What is alive when a file begins (Keras, TensorFlow) is frozen for good:
    `gc.collect()` skips it, here and in the tests that collect many times.
    """
    gc.freeze()
    yield
    if "keras" in sys.modules:
        sys.modules["keras"].backend.clear_session()
    gc.collect()


@pytest.fixture(autouse=True, scope="session")
def _graphs_as_traced():
    leave_graphs_as_traced()


@pytest.fixture
def K(request):
    """Keras 3 or Keras 2, then tf_keras."""
    return pytest.importorskip(request.param)


@pytest.fixture(scope="session")
def data():
    """25 samples: in batches of 4 the last one has a single sample."""
    random = np.random.default_rng(0)
    x = random.normal(size=(SAMPLES, 3)).astype("float32")
    return x, x.sum(axis=1, keepdims=True)


@pytest.fixture
def big():
    """A model too large to save while training waits, its data, and a short `fit`."""
    keras = pytest.importorskip("keras")
    from modelcheckpoint.save.pipeline import SMALL_BYTES

    model = keras.Sequential([keras.Input((1500,)), keras.layers.Dense(1500)])
    model.compile("sgd", loss="mean_squared_error", run_eagerly=False)
    assert sum(v.nbytes for v in map(np.asarray, model.get_weights())) > SMALL_BYTES
    x = np.random.default_rng(0).normal(size=(8, 1500)).astype("float32")

    def fit(*callbacks, **arguments):
        arguments = {"batch_size": 4, "epochs": 3, "verbose": 0, **arguments}
        return model.fit(x, x, callbacks=list(callbacks), **arguments)

    fit.model = model
    return fit


@pytest.fixture
def journal(tmp_path):
    """An empty journal in the folder."""
    path = tmp_path / "modelcheckpoint.jsonl"
    path.touch()
    return path


@pytest.fixture
def no_thread_is_left():
    """Fail if the callback's thread outlives the test."""
    yield
    assert "modelcheckpoint" not in [thread.name for thread in threading.enumerate()]


def make_model(K, loss="mean_squared_error", **compiled):
    """Return a small model whose optimizer has state: a momentum for each weight."""
    model = K.Sequential([K.Input((3,)), K.layers.Dense(2), K.layers.Dense(1)])
    optimizer = K.optimizers.SGD(0.001, momentum=0.9)
    model.compile(optimizer=optimizer, loss=loss, **compiled)
    # Otherwise its variables come in the first batch, whose step is then traced twice.
    optimizer.build(model.trainable_variables)
    return model


def fit(model, data, *callbacks, **arguments):
    arguments = {"batch_size": 4, "epochs": 1, "verbose": 0, **arguments}
    return model.fit(*data, callbacks=list(callbacks), **arguments)


def drive(callback, model, *epochs, first=1):
    """Call the hooks as a fit does; an epoch is given as its loss or its logs."""
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, logs in enumerate(epochs, first - 1):
        callback.on_epoch_begin(epoch)
        callback.on_epoch_end(epoch, logs if isinstance(logs, dict) else {"loss": logs})
    callback.on_train_end()


@contextlib.contextmanager
def nested(folder, monkeypatch, count=400):
    """Give a folder that is nested deeper than the limit on recursion.

    The limit is lowered meanwhile: the cost of a walk grows with the square of the
    depth.
    """
    folder.mkdir()
    with monkeypatch.context() as patch:
        patch.chdir(folder)
        for _ in range(count):
            os.mkdir("a")
            os.chdir("a")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + count - 100)
    try:
        yield folder
    finally:
        sys.setrecursionlimit(limit)
        # pytest could not delete them
        subprocess.run(["rm", "-r", str(folder)], check=True)


@contextlib.contextmanager
def tmpfs(folder, options):
    """Mount a separate file system on a folder, or skip: only root may mount one."""
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a tmpfs cannot be mounted here: needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def run_command(*arguments, **named):
    """Run the command line; `named` are variables of its environment."""
    environment = {**os.environ, **named}
    command = [sys.executable, "-m", "modelcheckpoint", *map(str, arguments)]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300
    )


def in_time(function):
    """Return what a function returns, or fail if it hangs."""
    found = []
    thread = threading.Thread(target=lambda: found.append(function()), daemon=True)
    thread.start()
    thread.join(120)
    assert found, "it hangs"
    return found[0]


def descriptors():
    """Return how many files this process has open; 0 if the system does not say."""
    return len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0


def lines(folder):
    """Return the journal's lines as dictionaries."""
    path = folder / "modelcheckpoint.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def names(folder):
    """Return the names of all files below a folder, hidden ones too."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in files)


def checkpoints(folder):
    return [name for name in names(folder) if name != "modelcheckpoint.jsonl"]


def warning_texts(warned):
    """Return the texts of our own warnings among those that were caught."""
    return [
        str(w.message) for w in warned if w.category.__name__ == "CheckpointWarning"
    ]


def backend_of(K):
    return "tensorflow" if K.__name__ == "tf_keras" else K.backend.backend()


def same_weights(one, other):
    pairs = zip(one.get_weights(), other.get_weights())
    return all(np.array_equal(a, b) for a, b in pairs)


def drop_key(folder, *keys):
    """Drop keys that an earlier version did not write from the journal's lines."""
    found = [{k: v for k, v in line.items() if k not in keys} for line in lines(folder)]
    text = "".join(json.dumps(line) + "\n" for line in found)
    (folder / "modelcheckpoint.jsonl").write_text(text, "utf-8")
