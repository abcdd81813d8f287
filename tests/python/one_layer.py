"""A model of one layer, and shorthands for what is saved of it."""

from __future__ import annotations

from conftest import lines


def make_model(K, loss="mean_squared_error", **compiled):
    model = K.Sequential([K.Input((3,)), K.layers.Dense(1)])
    model.compile("sgd", loss=loss, **compiled)
    # Otherwise the step is traced twice in tf_keras, as in conftest.
    model.optimizer.build(model.trainable_variables)
    return model


def weights_only(name):
    return {"filepath": name, "save_weights_only": True}


def seen(folder, prefix=""):
    return [x["samples"] for x in lines(folder) if x["path"].startswith(prefix)]


class Inside:
    """Make a callback that runs a function at the end of the first epoch."""

    def __new__(cls, K, function):
        class Run(K.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                if epoch == 0:
                    function()

        return Run()
