"""The table of the models that users bring, by what is special about them."""

from . import (  # noqa: F401  (each puts its models into the table)
    building,
    keras_layers,
    losses,
    optimizers,
    own_layers,
    precision,
    training,
    vocabularies,
)
from .base import (
    AS_KERAS,
    CASES,
    ERROR,
    FILE,
    MENDED,
    SUFFIXES,
    Case,
    feature,
    needs,
    trained,
)

__all__ = [
    "AS_KERAS",
    "CASES",
    "ERROR",
    "FILE",
    "MENDED",
    "SUFFIXES",
    "Case",
    "feature",
    "needs",
    "trained",
]
