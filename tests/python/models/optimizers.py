"""Optimizers."""

from __future__ import annotations

import pytest

from .base import AS_KERAS, MENDED, case, feature, keras, numbers, stack, trained


def optimized(name, make_optimizer, keras2=False, **row):
    def make(K):
        optimizer = make_optimizer(K)
        return stack(K, K.layers.Dense(1), optimizer=optimizer)

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
    optimized(_name.lower(), lambda K, name=_name: feature(K.optimizers, name)())
# Two of its variables have the same name.
optimized("adafactor", lambda K: feature(K.optimizers, "Adafactor")(), h5=MENDED)
# Older Keras does not find it by its name.
optimized("lamb", lambda K: feature(K.optimizers, "Lamb")(), h5=AS_KERAS)


@case()
def muon(K):
    def make():
        optimizer = feature(K.optimizers, "Muon")()
        return stack(K, K.layers.Dense(1), optimizer=optimizer)

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
