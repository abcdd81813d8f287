"""Losses and metrics."""

from __future__ import annotations

from .base import ERROR, FILE, MENDED, case, feature, keras, named, stack, trained
from .building import several_inputs_and_outputs


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
    """Put a model whose loss and metrics must come back, too, into the table."""
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


# A file that loads only without `compile` does not count as loading.
@judged(h5=ERROR, safe_mode=False, keras2=True)
def lambda_as_loss(K):
    return stack(K, K.layers.Dense(1), loss=lambda a, b: (a - b) ** 2)
