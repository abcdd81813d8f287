"""Train a small classifier, save checkpoints, load the best one back.

    make demo-python          (installs what is missing, then runs this file)
    python examples/demo.py   (if Keras and modelcheckpoint are installed)

It writes to ./demo-output/python, which is emptied first.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import keras
import numpy as np

from modelcheckpoint import ModelCheckpoint

# Fisher's measurements of 150 flowers, as R ships them.
IRIS = Path(__file__).with_name("iris.csv").resolve()
EPOCHS = 12


def main() -> None:
    start_afresh(Path("demo-output/python"))
    keras.utils.set_random_seed(7)
    train, test = load_flowers()

    heading("1. Train on iris.csv, and save while training")
    model = new_model()
    train_and_save(model, train, test)

    heading("2. What was saved, as checkpoints/modelcheckpoint.jsonl records it")
    saved = read_journal(Path("checkpoints/modelcheckpoint.jsonl"))
    best = saved["best.keras"]
    print_saved(saved, best["epoch"])

    heading("3. Load the best back, in two independent ways")
    whole = keras.models.load_model("checkpoints/best.keras")
    say("best.keras with Keras' load_model(), into a model that did not exist")
    twin = next(name for name in saved if f".{best['epoch']:02d}-" in name)
    filled = new_model()
    filled.load_weights(f"checkpoints/{twin}")
    say(f"{twin} with load_weights(), into a model never trained")

    heading("4. Do they predict what the model predicted when it was saved?")
    told = best["logs"]["val_loss"]
    losses = [val_loss(m, test) for m in (whole, filled, model)]
    print_losses(best["epoch"], [told, *losses])
    apart = np.abs(predictions(whole, test) - predictions(filled, test)).max()
    say(f"largest difference between their predictions: {apart:g}")
    right = predictions(whole, test).argmax(axis=1) == test[1]
    say(f"{right.sum()} of {len(right)} unseen flowers classified correctly")

    if apart > 1e-6 or not np.allclose(losses[:2], told, atol=1e-5):
        raise SystemExit("The loaded models differ from what was saved.")
    heading(f"Both are the best model. The files are in {os.getcwd()}")


def train_and_save(model, train, test):
    model.fit(
        *train,
        epochs=EPOCHS,
        batch_size=16,
        verbose=2,
        validation_data=test,
        callbacks=[
            # The weights after every epoch, each in a file of its own.
            ModelCheckpoint(
                "checkpoints/weights.{epoch:02d}-{val_loss:.2f}.hdf5",
                save_weights_only=True,
            ),
            # The whole model, in one file that only a better one may replace.
            ModelCheckpoint("checkpoints/best.keras", save_best_only=True, verbose=1),
        ],
    )


# ---- the model and its data ------------------------------------------------------


def load_flowers():
    rows = np.genfromtxt(IRIS, delimiter=",", skip_header=1, dtype=str)
    rows = np.random.default_rng(7).permutation(rows)
    x = rows[:, :4].astype("float32")
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    _, y = np.unique(rows[:, 4], return_inverse=True)
    return (x[:100], y[:100]), (x[100:], y[100:])


def new_model():
    model = keras.Sequential(
        [
            keras.layers.Input(shape=(4,)),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(0.05),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def val_loss(model, test):
    told = model.evaluate(*test, batch_size=16, verbose=0, return_dict=True)
    return told["loss"]


def predictions(model, test):
    return model.predict(test[0], verbose=0)


# ---- what is printed -------------------------------------------------------------


def read_journal(path):
    """One entry for each file: a file that was saved again has a newer line."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    newest = {line["path"]: line for line in lines}
    return dict(sorted(newest.items(), key=lambda item: item[1]["epoch"]))


def print_saved(saved, best_epoch):
    say(f"{'file':<22} epoch  val_loss  val_accuracy  bytes")
    for name, line in saved.items():
        loss, accuracy = line["logs"]["val_loss"], line["logs"]["val_accuracy"]
        mark = "  <- best" if line["epoch"] == best_epoch else ""
        say(
            f"{name:<22} {line['epoch']:>5}  {loss:.6f}  {accuracy:>12.2f}"
            f"  {line['bytes']:>5}{mark}"
        )


def print_losses(epoch, losses):
    of = (
        f"the journal, when epoch {epoch} was saved",
        "best.keras, loaded and evaluated now",
        "the weights file, loaded and evaluated now",
        f"the model as training left it, after epoch {EPOCHS}",
    )
    for loss, whose in zip(losses, of):
        say(f"val_loss {loss:.6f}  {whose}")


def heading(text):
    print(f"\n{text}\n", flush=True)


def say(text):
    print(f"  {text}")


def start_afresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.chdir(folder)


if __name__ == "__main__":
    main()
