"""What Keras itself writes, to compare our files with."""

from __future__ import annotations

import h5py


def save_by_keras(K, model, path, suffix):
    if suffix == ".hdf5" and hasattr(K, "ops"):
        # Keras 3 reads this layout, and writes it only inside full models.
        from keras.src.legacy.saving import legacy_h5_format

        with h5py.File(path, "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, model)
    elif suffix in (".weights.h5", ".hdf5"):
        model.save_weights(path)
    else:
        config = getattr(model, "_compile_config", None)
        compiled_with = config and dict(config.config)
        try:
            model.save(path)
        finally:
            if config:  # Keras 3.15 takes the optimizer from it for HDF5
                config.config = compiled_with


def slots_in(path):
    """Return the optimizer's variables from an HDF5 file, which Keras does not read."""
    with h5py.File(path, "r") as file:
        if "optimizer_weights" not in file:
            return []
        group = file["optimizer_weights"]
        return [group[name][()] for name in group.attrs["weight_names"]]


def as_hdf5_holds(values):
    """HDF5 has no bfloat16; float32 holds each of its values."""
    return [v.astype("float32") if v.dtype.name == "bfloat16" else v for v in values]
