"""The table of the models that users bring; a small function makes each.

A row says for each format whether a file must come of it, or an error before the
first batch. `K` is the Keras that makes the model: Keras 3, or tf_keras.
"""

from __future__ import annotations

import contextlib
import functools
import os
import tempfile
from dataclasses import dataclass, field, replace
from typing import Any, Callable

import numpy as np
import pytest

keras = pytest.importorskip("keras")

FILE = "file"
"""Keras' own file loads; ours holds the same."""
MENDED = "mended"
"""Keras' own file does not load (newer Keras may), or as another model; ours loads."""
ERROR = "error"
"""Keras' own file does not load, nor would ours: an error before the first batch."""

AS_KERAS = "as keras"
"""FILE where the Keras at hand loads its own file, ERROR where it does not."""

SUFFIXES = (".keras", ".weights.h5", ".h5", ".hdf5")
"""`.h5` stands for the full model in HDF5, `.hdf5` for the weights in HDF5."""


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Attributes:
        make: Makes the compiled model, each time with other weights.
        data: Makes x and y: eight samples, two batches.
        cells: FILE, MENDED, ERROR or AS_KERAS for each suffix.
        custom: The user's classes and functions, which nobody registered.
        checkpoint: Further arguments of ModelCheckpoint.
        precision: The global policy, when the model is made and when it is loaded.
        inexact: Why no file brings back what the model predicts; empty if one does.
        fragile: Whether older Keras 3 cannot load its own files of it.
        safe_mode: What `load_model` is called with.
        evaluated: Whether what `evaluate` says is compared, too.
        compiled: Whether a full model comes back compiled, so with its optimizer.
        keras2: Whether tf_keras and Keras 2 make this model, too.
        cells2: The cells that are others there.
    """

    make: Callable[[Any], Any]
    data: Callable[[Any], tuple[Any, Any]]
    cells: dict[str, str]
    custom: tuple[Any, ...] = ()
    checkpoint: dict[str, Any] = field(default_factory=dict)
    precision: str = "float32"
    inexact: str = ""
    fragile: bool = False
    safe_mode: bool = True
    evaluated: bool = False
    compiled: bool = True
    keras2: bool = False
    cells2: dict[str, str] = field(default_factory=dict)

    def cell(self, K, suffix):
        old = {} if hasattr(K, "ops") else self.cells2
        return old.get(suffix, self.cells[suffix])

    def custom_objects(self, K):
        """Return the user's classes and functions, for `load_model`."""
        made = {} if K is keras else {"Plain": plain_model(K)}
        return {**{item.__name__: item for item in self.custom}, **made}

    @contextlib.contextmanager
    def policy(self, K):
        """Set the global policy for a while."""
        K.mixed_precision.set_global_policy(self.precision)
        try:
            yield
        finally:
            K.mixed_precision.set_global_policy("float32")


CASES: dict[str, Case] = {}

IN_HDF5_ERROR = {".h5": ERROR, ".hdf5": ERROR}


def numbers(K):
    random = np.random.default_rng(0)
    x = random.normal(size=(8, 3)).astype("float32")
    return x, x.sum(axis=1, keepdims=True)


def images(K):
    x = np.random.default_rng(0).normal(size=(8, 6, 6, 2)).astype("float32")
    return x, x.sum(axis=(1, 2, 3))[:, None]


def sequences(K):
    x = np.random.default_rng(0).normal(size=(8, 4, 3)).astype("float32")
    return x, x.sum(axis=(1, 2))[:, None]


def tokens(K):
    x = np.arange(32).reshape(8, 4) % 7
    return x, (x.sum(axis=1, keepdims=True) % 3).astype("float32")


def words(K):
    tf = needs("tensorflow", "strings are tensors of TensorFlow")
    x = tf.constant([["a"], ["b"], ["c"], ["a"], ["b"], ["c"], ["a"], ["a"]])
    return x, np.arange(8, dtype="float32")[:, None]


def named(K):
    x, y = numbers(K)
    return {"a": x, "b": x[:, :2]}, {"one": y, "two": (y > 0).astype("float32")}


def case(h5=FILE, hdf5=FILE, data=numbers, **row):
    """Put a function that makes a model into the table."""
    cells = dict.fromkeys(SUFFIXES, FILE) | {".h5": h5, ".hdf5": hdf5}

    def put(make):
        CASES[make.__name__] = Case(make, data, cells, **row)
        return make

    return put


def needs(module, why):
    """Return a module, or skip the model, saying why it needs it."""
    if module in ("jax", "tensorflow", "torch") and backend() != module:
        pytest.skip(f"{why}, and the backend is {backend()}")
    return pytest.importorskip(module, reason=why)


def feature(holder, *names):
    """Return the first of an object's attributes that there is, or skip."""
    for name in names:
        if hasattr(holder, name):
            return getattr(holder, name)
    pytest.skip(f"Keras {keras.__version__} has no {names[0]}")


def backend():
    return getattr(keras.backend, "backend", lambda: "tensorflow")()


def trained(model, optimizer="adam", loss="mean_squared_error", **compiled):
    if backend() == "tensorflow":  # XLA takes a second for each model
        compiled.setdefault("jit_compile", False)
    model.compile(optimizer=optimizer, loss=loss, **compiled)
    return model


def stack(K, *layers, shape=(3,), dtype=None, **compiled):
    inputs = K.Input(shape, dtype=dtype)
    return trained(K.Sequential([inputs, *layers]), **compiled)


# Ways to build a model


@case(keras2=True)
def sequential(K):
    return stack(K, K.layers.Dense(2, activation="relu"), K.layers.Dense(1))


@case()
def sequential_built_by_fit(K):
    return trained(K.Sequential([K.layers.Dense(2), K.layers.Dense(1)]))


@case(keras2=True)
def functional(K):
    inputs = K.Input((3,))
    x = K.layers.Dense(2)(inputs)
    x = K.layers.Concatenate()([inputs, K.layers.Activation("relu")(x)])
    return trained(K.Model(inputs, K.layers.Dense(1)(x)))


# Their names stand for layers, or for nothing.
@case(h5=ERROR)
def operations(K):
    inputs = K.Input((3,))
    x = K.layers.Dense(2)(inputs)
    return trained(K.Model(inputs, K.layers.Dense(1)(K.ops.relu(x) + x)))


@functools.lru_cache
def plain_model(K):
    class Plain(K.Model):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.parts = [K.layers.Dense(2), K.layers.Dense(2)]
            self.last = K.layers.Dense(1)

        def call(self, inputs):
            for part in self.parts:
                inputs = part(inputs)
            return self.last(inputs)

    return Plain


Plain = plain_model(keras)


@case(h5=ERROR, custom=(Plain,), keras2=True)
def subclassed(K):
    return trained((Plain if K is keras else plain_model(K))())


@case(h5=ERROR, custom=(Plain,))
def subclassed_built_before_fit(K):
    model = Plain()
    model.build((None, 3))
    return trained(model)


@keras.saving.register_keras_serializable("models")
class Registered(keras.Model):
    def __init__(self, units=2, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.first, self.last = keras.layers.Dense(units), keras.layers.Dense(1)
        self.scale = self.add_weight(shape=(), initializer="uniform", name="scale")

    def call(self, inputs):
        return self.last(self.first(inputs)) * self.scale

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@case(h5=ERROR)
def registered(K):
    return trained(Registered(units=3))


@keras.saving.register_keras_serializable("models")
class Eager(Registered):
    def __init__(self, units=2, **kwargs):
        super().__init__(units, **kwargs)
        self.build((None, 3))

    def build(self, shape):
        self.first.build(shape)
        self.last.build((None, self.units))
        self.built = True


# Keras writes the name of the class, which is not the name it is registered by.
@case(h5=MENDED)
def registered_built_by_its_constructor(K):
    return trained(Eager(units=3))


class Unregistered(Eager):
    pass


@case(custom=(Unregistered,))
def unregistered_built_by_its_constructor(K):
    return trained(Unregistered(units=3))


@keras.saving.register_keras_serializable("models")
class RegisteredGraph(keras.Model):
    """A graph, as a class of the user's."""


@case(h5=MENDED)
def registered_graph(K):
    inputs = K.Input((3,))
    return trained(RegisteredGraph(inputs, K.layers.Dense(1)(inputs)))


@case(data=named, keras2=True)
def several_inputs_and_outputs(K):
    a, b = K.Input((3,), name="a"), K.Input((2,), name="b")
    x = K.layers.Concatenate()([a, b])
    outputs = {
        "one": K.layers.Dense(1, name="one")(x),
        "two": K.layers.Dense(1, activation="sigmoid", name="two")(x),
    }
    losses = {"one": "mean_squared_error", "two": "binary_crossentropy"}
    model = K.Model({"a": a, "b": b}, outputs)
    return trained(model, loss=losses, loss_weights={"one": 1.0, "two": 0.5})


@case(keras2=True)
def nested(K):
    inner = K.Sequential([K.Input((3,)), K.layers.Dense(2), K.layers.Dense(2)])
    inputs = K.Input((3,))
    middle = K.Model(inputs, inner(inputs), name="middle")
    inputs = K.Input((3,))
    return trained(K.Model(inputs, K.layers.Dense(1)(middle(inputs))))


@case(h5=MENDED, hdf5=MENDED, fragile=True, keras2=True, cells2=IN_HDF5_ERROR)
def nested_with_equal_names(K):
    """Keras gives two datasets of one group the same name, and fails."""

    def part():
        inputs = K.Input((3,))
        return K.Model(inputs, K.layers.Dense(3, name="same")(inputs))

    inputs = K.Input((3,))
    outer = K.Model(inputs, part()(part()(inputs)))
    inputs = K.Input((3,))
    return trained(K.Model(inputs, K.layers.Dense(1)(outer(inputs))))


class Twins(keras.Model):
    """Gives names to its layers as it likes; Keras fails to write them."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        names = ("same_1", "same", "same", "top_level_model_weights")
        self.parts = [keras.layers.Dense(3, name=name) for name in names]
        self.last = keras.layers.Dense(1)
        self.scale = self.add_weight(shape=(), initializer="uniform", name="scale")

    def call(self, inputs):
        for part in self.parts:
            inputs = part(inputs)
        return self.last(inputs) * self.scale


@case(h5=ERROR, hdf5=MENDED, custom=(Twins,))
def layers_with_equal_names(K):
    return trained(Twins())


@case(fragile=True, keras2=True)
def shared_layer(K):
    shared = K.layers.Dense(3)
    inputs = K.Input((3,))
    return trained(K.Model(inputs, K.layers.Dense(1)(shared(shared(inputs)))))


class Tied(keras.Model):
    """An embedding that also decodes."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.embedding = keras.layers.Embedding(7, 2)
        self.pool = keras.layers.GlobalAveragePooling1D()
        self.again = self.embedding

    def call(self, inputs):
        x = self.pool(self.again(inputs))
        scores = keras.ops.matmul(x, keras.ops.transpose(self.embedding.embeddings))
        return keras.ops.sum(scores, axis=-1, keepdims=True)


@case(h5=ERROR, data=tokens, custom=(Tied,))
def tied_weights(K):
    return trained(Tied())


@case(keras2=True)
def frozen_layers(K):
    frozen = K.layers.Dense(2)
    frozen.trainable = False
    normalization = K.layers.BatchNormalization(trainable=False)
    return stack(K, frozen, normalization, K.layers.Dense(1))


@case()
def frozen_base(K):
    base = [K.Input((3,)), K.layers.Dense(2), K.layers.BatchNormalization()]
    base = K.Sequential(base)
    base.trainable = False
    inputs = K.Input((3,))
    x = base(inputs, training=False)
    return trained(K.Model(inputs, K.layers.Dense(1)(x)))


@case()
def names_of_all_kinds(K):
    names = ["x-1", "top_level_model_weight"]
    # TensorFlow has names in ASCII only, Torch no dot.
    names += ["a.b"] if backend() == "tensorflow" else ["größe", "層 2"]
    return stack(K, *(K.layers.Dense(1, name=name) for name in names))


@case()
def loaded_and_trained_on(K):
    model = sequential(K)
    x, y = numbers(K)
    model.fit(x, y, batch_size=4, verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "m.keras")
        model.save(path)
        return K.models.load_model(path)


# The user's own layers


class OwnVariables(keras.layers.Layer):
    """Keeps its variables under names of its own, and its parts where it likes."""

    def __init__(self, part=None, **kwargs):
        super().__init__(**kwargs)
        self.part = part or keras.layers.Dense(2)
        self.steps = self.add_weight(
            shape=(), dtype="int32", initializer="zeros", trainable=False, name="n"
        )

    def build(self, shape):
        if not self.part.built:
            self.part.build(shape)
        self.scale = self.add_weight(shape=(2,), initializer="uniform", name="scale")

    def call(self, inputs):
        return self.part(inputs) * self.scale

    def compute_output_shape(self, shape):
        return (*shape[:-1], 2)

    def save_own_variables(self, store):
        store["my_scale"] = keras.ops.convert_to_numpy(self.scale)
        store["my_steps"] = keras.ops.convert_to_numpy(self.steps)

    def load_own_variables(self, store):
        self.scale.assign(store["my_scale"])
        self.steps.assign(store["my_steps"])

    def get_config(self):
        part = keras.saving.serialize_keras_object(self.part)
        return {**super().get_config(), "part": part}

    @classmethod
    def from_config(cls, config):
        config["part"] = keras.saving.deserialize_keras_object(config["part"])
        return cls(**config)


@case(custom=(OwnVariables,))
def own_variables(K):
    layer = OwnVariables()
    model = stack(K, layer, K.layers.Dense(1))
    layer.steps.assign(3)
    return model


class OwnState(keras.layers.Layer):
    """Keeps a value that is no variable, so HDF5 does not see it."""

    value = 1.0

    def call(self, inputs):
        return inputs * self.value

    def save_own_variables(self, store):
        store["value"] = np.array(self.value, "float32")

    def load_own_variables(self, store):
        self.value = float(np.array(store["value"]))


# Weights in HDF5 lose the state, too: what is loaded predicts something else.
@case(h5=ERROR, hdf5=ERROR, custom=(OwnState,))
def own_state(K):
    layer = OwnState()
    layer.value = float(np.random.default_rng().uniform(2, 3))
    return stack(K, layer, K.layers.Dense(1))


class OwnAssets(keras.layers.Layer):
    """Keeps a file beside its weights."""

    value = 2.0

    def call(self, inputs):
        return inputs * self.value

    def save_assets(self, folder):
        with open(os.path.join(folder, "value.txt"), "w") as file:
            file.write(str(self.value))

    def load_assets(self, folder):
        with open(os.path.join(folder, "value.txt")) as file:
            self.value = float(file.read())


@case(h5=ERROR, custom=(OwnAssets,))
def own_assets(K):
    layer = OwnAssets()
    model = stack(K, layer, K.layers.Dense(1))
    layer.value = 5.0
    return model


class Block(keras.layers.Layer):
    """Keeps layers in a list and in a dictionary."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.parts = [keras.layers.Dense(2), keras.layers.LayerNormalization()]
        self.more = {"b": keras.layers.Dense(3), "a": keras.layers.Dropout(0.5)}

    def build(self, shape):
        for part in (*self.parts, self.more["a"], self.more["b"]):
            part.build(shape)
            shape = part.compute_output_shape(shape)
        self.built = True

    def call(self, inputs, training=False):
        for part in self.parts:
            inputs = part(inputs)
        return self.more["b"](self.more["a"](inputs, training=training))


@case(custom=(Block,))
def layers_in_layers(K):
    return stack(K, Block(name="one"), Block(name="two"), K.layers.Dense(1))


class Noisy(keras.Model):
    """Draws by a seed of its own, keeps a metric, adds a loss: an autoencoder does."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(1)
        self.seed = keras.random.SeedGenerator(1)
        self.seen = keras.metrics.Mean(name="seen")

    def call(self, inputs, training=False):
        outputs = self.dense(inputs)
        if training:
            noise = keras.random.normal(keras.ops.shape(outputs), seed=self.seed)
            self.add_loss(0.1 * keras.ops.mean(outputs**2))
            if backend() != "jax":  # whose jit takes no metric in `call`
                self.seen.update_state(keras.ops.mean(outputs))
            outputs = outputs + noise
        return outputs


@case(h5=ERROR, custom=(Noisy,))
def seed_metric_and_loss_of_its_own(K):
    return trained(Noisy())


# Layers with a vocabulary, and other layers that adapt


# Weights come back into a model that is made with its vocabulary.
@case(h5=ERROR, data=words, keras2=True, cells2=IN_HDF5_ERROR)
def string_lookup(K):
    layer = K.layers.StringLookup(output_mode="multi_hot")
    layer.adapt(["a", "b", "b"])
    return stack(K, layer, K.layers.Dense(1), shape=(1,), dtype="string")


@case(h5=ERROR, data=words, keras2=True, cells2=IN_HDF5_ERROR)
def text_vectorization(K):
    layer = K.layers.TextVectorization(output_sequence_length=2)
    layer.adapt(["a b", "c"])
    pool = K.layers.GlobalAveragePooling1D()
    layers = (layer, K.layers.Embedding(9, 2), pool, K.layers.Dense(1))
    return stack(K, *layers, shape=(1,), dtype="string")


@case(data=words)
def vocabulary_given(K):
    layer = K.layers.StringLookup(vocabulary=["a", "b"], output_mode="multi_hot")
    return stack(K, layer, K.layers.Dense(1), shape=(1,), dtype="string")


@case(h5=ERROR, data=words)
def vocabulary_in_a_nested_model(K):
    layer = K.layers.StringLookup(output_mode="multi_hot")
    layer.adapt(["a", "b", "b"])
    inner = K.Sequential([K.Input((1,), dtype="string"), layer])
    return stack(K, inner, K.layers.Dense(1), shape=(1,), dtype="string")


@case(h5=ERROR, data=tokens)
def integer_lookup(K):
    needs("tensorflow", "IntegerLookup looks up in TensorFlow")
    layer = K.layers.IntegerLookup(output_mode="multi_hot")
    layer.adapt(np.array([1, 2, 2, 5]))
    return stack(K, layer, K.layers.Dense(1), shape=(4,), dtype="int64")


@case(data=words)
def hashing(K):
    layer = K.layers.Hashing(4, output_mode="one_hot")
    return stack(K, layer, K.layers.Dense(1), shape=(1,), dtype="string")


@case(data=tokens)
def category_encoding(K):
    layer = K.layers.CategoryEncoding(7, output_mode="count")
    model = stack(K, layer, K.layers.Dense(1), shape=(4,), dtype="int32")
    try:
        model.predict(tokens(K)[0], verbose=0)
    except TypeError as error:
        pytest.skip(f"Keras {keras.__version__} casts the integers: {error}")
    return model


def adapted(K):
    layer = K.layers.Normalization()
    layer.adapt(np.random.default_rng().normal(size=(8, 3)).astype("float32"))
    return layer


@case()
def discretization(K):
    pytest.importorskip("tensorflow", reason="Discretization adapts by TensorFlow")
    layer = K.layers.Discretization(num_bins=3)
    layer.adapt(numbers(K)[0])
    return stack(K, layer, K.layers.Embedding(3, 2), K.layers.Flatten())


def finished(deeper):
    """Return whether Keras finishes an adapted layer's state that it loads from HDF5.

    Older ones never do, newer ones do not for a layer that lies deeper; on Torch this
    state is a view of the variables, and needs nothing.
    """
    if backend() == "torch" or not hasattr(keras, "ops"):
        return FILE
    from keras.src.legacy.saving import legacy_h5_format as legacy

    code = getattr(getattr(legacy, "_set_weights", None), "__code__", None)
    known = code is not None and "finalize_state" in code.co_names
    return FILE if known and not deeper else ERROR


@case(h5=finished(deeper=False), hdf5=finished(deeper=False))
def normalization(K):
    return stack(K, adapted(K), K.layers.Dense(1))


@case(h5=finished(deeper=True), hdf5=finished(deeper=True))
def normalization_in_a_nested_model(K):
    inner = K.Sequential([K.Input((3,)), adapted(K)])
    return stack(K, inner, K.layers.Dense(1))


# What nobody adapted is as the config makes it, wherever it lies.
@case()
def normalization_of_nothing_in_a_nested_model(K):
    inner = K.Sequential([K.Input((3,)), K.layers.Normalization()])
    return stack(K, inner, K.layers.Dense(1))


# Keras' layers


@case(keras2=True)
def batch_normalization(K):
    return stack(K, K.layers.BatchNormalization(), K.layers.Dense(1))


@case(keras2=True)
def dropout(K):
    noise = K.layers.GaussianNoise(0.1)
    return stack(K, K.layers.Dropout(0.5, seed=1), noise, K.layers.Dense(1))


@case(data=tokens, keras2=True)
def embedding(K):
    pool = K.layers.GlobalAveragePooling1D()
    embedded = K.layers.Embedding(7, 2, mask_zero=True)
    return stack(K, embedded, pool, K.layers.Dense(1), shape=(4,))


@case(data=sequences, keras2=True)
def lstm(K):
    return stack(K, K.layers.LSTM(2), K.layers.Dense(1), shape=(4, 3))


@case(data=sequences, fragile=True)
def bidirectional_gru(K):
    gru = K.layers.GRU(2, recurrent_dropout=0.1)
    both = K.layers.Bidirectional(gru)
    return stack(K, both, K.layers.Dense(1), shape=(4, 3))


@case(data=sequences)
def rnn_with_state(K):
    inputs = K.Input(batch_shape=(4, 4, 3))
    x = K.layers.SimpleRNN(2, stateful=True)(inputs)
    return trained(K.Model(inputs, K.layers.Dense(1)(x)))


@case(data=sequences)
def rnn_of_cells(K):
    cells = [K.layers.LSTMCell(2), K.layers.GRUCell(2)]
    return stack(K, K.layers.RNN(cells), K.layers.Dense(1), shape=(4, 3))


@case(data=images)
def convolution(K):
    layers = (
        K.layers.RandomFlip(seed=1),
        K.layers.Conv2D(2, 3, activation="relu"),
        K.layers.SeparableConv2D(2, 2),
        K.layers.MaxPooling2D(),
        K.layers.GroupNormalization(1),
        K.layers.Flatten(),
    )
    return stack(K, *layers, K.layers.Dense(1), shape=(6, 6, 2))


@case(data=sequences)
def attention(K):
    inputs = K.Input((4, 3))
    attended = K.layers.MultiHeadAttention(2, 2, dropout=0.1)(inputs, inputs)
    x = K.layers.LayerNormalization()(K.layers.Add()([inputs, attended]))
    x = K.layers.TimeDistributed(K.layers.Dense(2))(x)
    x = K.layers.EinsumDense("abc,cd->ad", output_shape=1)(x)
    return trained(K.Model(inputs, x))


@case()
def spectral_normalization(K):
    layer = K.layers.SpectralNormalization(K.layers.Dense(2))
    return stack(K, layer, K.layers.Dense(1))


@case()
def constraints_and_regularizers(K):
    layer = K.layers.Dense(
        2,
        kernel_constraint=K.constraints.MaxNorm(1.0),
        kernel_regularizer=K.regularizers.L1L2(0.01, 0.01),
        kernel_initializer=K.initializers.HeNormal(seed=None),
        activity_regularizer="l2",
    )
    return stack(K, layer, K.layers.PReLU(), K.layers.Dense(1))


@case(safe_mode=False, fragile=True)
def lambda_layer(K):
    layer = K.layers.Lambda(lambda x: x * 2.0, output_shape=(3,))
    return stack(K, layer, K.layers.Dense(1))


def double(x):
    return x * 2.0


@case(custom=(double,), fragile=True)
def lambda_layer_with_a_function(K):
    layer = K.layers.Lambda(double, output_shape=(3,))
    return stack(K, layer, K.layers.Dense(1, activation=double))


# Keras does not find it by its name.
@case(h5=ERROR, safe_mode=False)
def torch_module(K):
    torch = needs("torch", "it wraps a module of Torch")
    layer = feature(K.layers, "TorchModuleWrapper")(torch.nn.Linear(3, 2))
    return stack(K, layer, K.layers.Dense(1))


def jax_call(params, inputs):
    return inputs @ params


def jax_init(rng, inputs):
    import jax

    return jax.random.normal(rng, (3, 2))


@case(h5=ERROR, custom=(jax_call, jax_init))
def jax_layer(K):
    needs("jax", "it wraps functions of JAX")
    pytest.importorskip("tensorflow", reason="JaxLayer needs TensorFlow, too")
    layer = feature(K.layers, "JaxLayer")(jax_call, jax_init)
    return stack(K, layer, K.layers.Dense(1))


# Precision


def in_precision(name, **row):
    def make(K):
        return stack(K, K.layers.Dense(2), K.layers.Dense(1))

    make.__name__ = name
    case(precision=name, **row)(make)


in_precision("mixed_float16", keras2=True)
in_precision("mixed_bfloat16", keras2=True)
in_precision("bfloat16", h5=MENDED, hdf5=MENDED)
in_precision("float16")
in_precision("float64")


@case(h5=MENDED, hdf5=MENDED)
def precision_of_one_layer(K):
    layer = K.layers.Dense(2, dtype="bfloat16")
    return stack(K, layer, K.layers.Dense(1, dtype="mixed_float16"))


def quantized(mode):
    def make(K):
        model = stack(K, K.layers.Dense(4), K.layers.Dense(2), K.layers.Dense(1))
        feature(model, "quantize")
        try:
            model.quantize(mode)
        except (ValueError, NotImplementedError) as error:
            pytest.skip(f"Keras {keras.__version__} has no {mode}: {error}")
        return trained(model)

    make.__name__ = mode
    return make


case()(quantized("int8"))
case()(quantized("int4"))
# In older Keras its variables come back in another order.
case(h5=AS_KERAS, fragile=True)(quantized("float8"))


@case(data=tokens)
def int8_embedding(K):
    pool = K.layers.GlobalAveragePooling1D()
    embedded = K.layers.Embedding(7, 4)
    model = stack(K, embedded, pool, K.layers.Dense(1), shape=(4,))
    feature(embedded, "quantize")("int8")
    return trained(model)


def with_lora(K):
    layer = K.layers.Dense(3)
    model = stack(K, layer, K.layers.Dense(1))
    feature(layer, "enable_lora")(2)
    return model, layer


@case()
def lora(K):
    return trained(with_lora(K)[0])


_MERGED = "Keras merges LoRA into int8, which rounds"


@case(inexact=_MERGED)
def int8_lora(K):
    model = stack(K, K.layers.Dense(4), K.layers.Dense(1))
    feature(model.layers[0], "quantize")("int8")
    try:
        model.layers[0].enable_lora(2)
    except ValueError as error:
        pytest.skip(f"Keras {keras.__version__} has no LoRA on int8: {error}")
    return trained(model)


@case(inexact=_MERGED)
def lora_int8(K):
    model, layer = with_lora(K)
    layer.quantize("int8")
    return trained(model)


@case(data=tokens)
def lora_embedding(K):
    embedded = K.layers.Embedding(7, 4)
    pool = K.layers.GlobalAveragePooling1D()
    model = stack(K, embedded, pool, K.layers.Dense(1), shape=(4,))
    feature(embedded, "enable_lora")(2)
    return trained(model)


# Optimizers


def optimized(name, make_optimizer, keras2=False, eager=False, **row):
    def make(K):
        optimizer = make_optimizer(K)
        return stack(K, K.layers.Dense(1), optimizer=optimizer, run_eagerly=eager)

    make.__name__ = name
    case(keras2=keras2, **row)(make)


optimized("ema", lambda K: K.optimizers.Adam(use_ema=True, ema_momentum=0.9))
optimized(
    "ema_overwriting",
    lambda K: K.optimizers.SGD(0.1, use_ema=True, ema_overwrite_frequency=1),
)
optimized(
    "gradient_accumulation",
    lambda K: K.optimizers.Adam(0.1, gradient_accumulation_steps=2),
)
optimized(
    "schedule",
    lambda K: K.optimizers.Adam(K.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)),
    keras2=True,
)
optimized("clipping", lambda K: K.optimizers.RMSprop(0.1, clipnorm=0.1, centered=True))
optimized("momentum", lambda K: K.optimizers.SGD(0.1, momentum=0.9, nesterov=True))
for _name in ("AdamW", "Lion", "Nadam", "Adamax", "Ftrl", "ScheduleFreeAdamW"):
    optimized(
        _name.lower(), lambda K, name=_name: feature(K.optimizers, name)(), eager=True
    )
# Two of its variables have one name.
optimized("adafactor", lambda K: feature(K.optimizers, "Adafactor")(), h5=MENDED)
# Older Keras does not find it by its name.
optimized("lamb", lambda K: feature(K.optimizers, "Lamb")(), h5=AS_KERAS)


@case()
def muon(K):
    def make():
        optimizer = feature(K.optimizers, "Muon")()
        return stack(K, K.layers.Dense(1), optimizer=optimizer, run_eagerly=True)

    try:
        make().train_on_batch(*numbers(K))
    except AttributeError as error:
        pytest.skip(f"Keras {keras.__version__} does not train with Muon: {error}")
    return make()


class OwnOptimizer(keras.optimizers.SGD):
    """A user's optimizer."""


optimized("own_optimizer", lambda K: OwnOptimizer(0.1), custom=(OwnOptimizer,))


@case()
def scaled_by_hand(K):
    scaled = feature(K.optimizers, "LossScaleOptimizer")(K.optimizers.AdamW(0.1))
    return stack(K, K.layers.Dense(1), optimizer=scaled)


@case()
def nothing_to_train(K):
    model = stack(K, K.layers.Dense(1))
    model.trainable = False
    return trained(model)


# Training


def tf_step(self, data):
    import tensorflow as tf

    x, y = data
    with tf.GradientTape() as tape:
        loss = self.compute_loss(x=x, y=y, y_pred=self(x, training=True))
    gradients = tape.gradient(loss, self.trainable_variables)
    self.optimizer.apply_gradients(zip(gradients, self.trainable_variables))
    return {"loss": loss}


def torch_step(self, data):
    import torch

    x, y = data
    self.zero_grad()
    loss = self.compute_loss(x=x, y=y, y_pred=self(x, training=True))
    loss.backward()
    gradients = [v.value.grad for v in self.trainable_weights]
    with torch.no_grad():
        self.optimizer.apply(gradients, self.trainable_weights)
    return {"loss": loss}


def jax_step(self, state, data):
    import jax

    trainable, others, optimizer, metrics = state
    x, y = data

    def loss_of(trainable, others):
        predicted, others = self.stateless_call(trainable, others, x, training=True)
        return keras.ops.mean((y - predicted) ** 2), others

    gradients = jax.value_and_grad(loss_of, has_aux=True)
    (loss, others), gradients = gradients(trainable, others)
    trainable, optimizer = self.optimizer.stateless_apply(
        optimizer, gradients, trainable
    )
    return {"loss": loss}, (trainable, others, optimizer, metrics)


class OwnStep(keras.Model):
    train_step = {"torch": torch_step, "jax": jax_step}.get(backend(), tf_step)


@case(custom=(OwnStep,))
def own_train_step(K):
    inputs = K.Input((3,))
    return trained(OwnStep(inputs, K.layers.Dense(1)(inputs)))


CASES["own_train_step_and_batches"] = replace(
    CASES["own_train_step"],
    checkpoint={"save_freq": 2, "save_freq_unit": "batches"},
)
CASES["sequential_and_samples"] = replace(
    CASES["sequential"], checkpoint={"save_freq": 8}
)


class Gan(keras.Model):
    """Two models, two optimizers, and a step that trains both."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.generator = keras.layers.Dense(3)
        self.discriminator = keras.layers.Dense(1)

    def build(self, shape):
        self.generator.build(shape)
        self.discriminator.build(shape)
        self.built = True

    def compile(self, g_optimizer, d_optimizer, loss):
        super().compile(optimizer=d_optimizer, loss=loss)
        self.g_optimizer, self.d_optimizer = g_optimizer, d_optimizer

    def call(self, inputs):
        return self.discriminator(self.generator(inputs))

    def train_step(self, data):
        import tensorflow as tf

        x, y = data
        pairs = [(self.generator, self.g_optimizer)]
        for part, optimizer in [*pairs, (self.discriminator, self.d_optimizer)]:
            with tf.GradientTape() as tape:
                loss = self.compute_loss(x=x, y=y, y_pred=self(x))
            gradients = tape.gradient(loss, part.trainable_variables)
            optimizer.apply_gradients(zip(gradients, part.trainable_variables))
        return {"loss": loss}


@case(h5=ERROR, custom=(Gan,), compiled=False)
def gan(K):
    needs("tensorflow", "its train_step is TensorFlow's")
    model = Gan()
    model.build((None, 3))
    adam, sgd = K.optimizers.Adam(), K.optimizers.SGD(momentum=0.5)
    model.compile(g_optimizer=adam, d_optimizer=sgd, loss="mean_squared_error")
    model.g_optimizer.build(model.generator.trainable_variables)
    model.d_optimizer.build(model.discriminator.trainable_variables)
    return model


@case(keras2=True)
def run_eagerly(K):
    return stack(K, K.layers.Dense(1), run_eagerly=True)


@case(keras2=True)
def jit_compile(K):
    return stack(K, K.layers.Dense(1), jit_compile=True)


@case()
def steps_per_execution(K):
    if backend() == "torch":
        pytest.skip("Keras on Torch has no steps_per_execution")
    return stack(K, K.layers.Dense(1), steps_per_execution=2)


# Losses and metrics


class Counter(keras.metrics.Metric):
    """A metric with state of its own."""

    def __init__(self, name="counter", **kwargs):
        super().__init__(name=name, **kwargs)
        self.seen = self.add_weight(name="seen", shape=(), initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.seen.assign_add(1.0)

    def result(self):
        return self.seen + 0.0


def judged(h5=FILE, **row):
    """Put a model into the table whose loss and metrics must come back, too."""
    return case(h5=h5, evaluated=True, **row)


@judged(custom=(Counter,))
def metrics_with_state(K):
    metrics = [Counter(), K.metrics.AUC(num_thresholds=3)]
    dense = K.layers.Dense(1, activation="sigmoid")
    return stack(K, dense, metrics=metrics, weighted_metrics=["mean_absolute_error"])


@keras.saving.register_keras_serializable("models")
class RegisteredLoss(keras.losses.Loss):
    """A loss that is registered, with an argument."""

    def __init__(self, power=2.0, name="registered_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        self.power = power

    def call(self, y_true, y_pred):
        return keras.ops.mean(keras.ops.abs(y_true - y_pred) ** self.power, axis=-1)

    def get_config(self):
        return {**super().get_config(), "power": self.power}


@judged()
def registered_loss(K):
    return stack(K, K.layers.Dense(1), loss=RegisteredLoss(power=1.5))


class OwnLoss(RegisteredLoss):
    """A loss that is not registered."""


@judged(custom=(OwnLoss,))
def own_loss_class(K):
    return stack(K, K.layers.Dense(1), loss=OwnLoss(power=1.5))


def own_loss(y_true, y_pred):
    return keras.ops.mean((y_true - y_pred) ** 4, axis=-1)


def own_metric(y_true, y_pred):
    return keras.ops.mean(keras.ops.abs(y_true - y_pred), axis=-1)


@judged(custom=(own_loss, own_metric))
def own_loss_and_metric(K):
    return stack(K, K.layers.Dense(1), loss=own_loss, metrics=[own_metric])


@judged(keras2=True)
def loss_as_an_object(K):
    loss = K.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1)
    metrics = [K.metrics.MeanSquaredError()]
    return stack(K, K.layers.Dense(1), loss=loss, metrics=metrics)


@judged(h5=MENDED, keras2=True, cells2={".h5": FILE})
def loss_by_alias(K):
    return stack(K, K.layers.Dense(1), loss="mse", metrics=["mae", "mape"])


@judged(h5=MENDED, data=named)
def losses_by_alias(K):
    model = several_inputs_and_outputs(K)
    metrics, losses = {"one": ["mae"], "two": ["acc"]}, {"one": "mae", "two": "bce"}
    return trained(model, loss=losses, metrics=metrics)


# Keras does not find it by its name.
@judged(h5=ERROR)
def metric_by_a_function(K):
    return stack(K, K.layers.Dense(1), metrics=[feature(K.metrics, "log_cosh")])


# A file that loads only without `compile` is no file that loads.
@judged(h5=ERROR, safe_mode=False, keras2=True)
def lambda_as_loss(K):
    return stack(K, K.layers.Dense(1), loss=lambda a, b: (a - b) ** 2)
