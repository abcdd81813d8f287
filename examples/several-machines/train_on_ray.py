"""Train as train.py does, as a job of Ray Train with two workers.

    python train_on_ray.py FOLDER

FOLDER is as for train.py. After a stop, the same command continues.
"""

from __future__ import annotations

import sys

import keras
import ray.train
import train
from ray.train.torch import TorchTrainer


def in_each_worker(config):
    saved = [None]

    def report(epoch, logs):
        ray.train.report({**logs, "checkpoint": saved[-1]})

    train.train(
        config["folder"],
        *train.join(),
        others=[keras.callbacks.LambdaCallback(on_epoch_end=report)],
        on_saved=lambda record: saved.append(record.path),
        save_seconds=1,
    )


class Reports(ray.train.UserCallback):
    """Print what the workers report; `metrics` has one entry for each of them."""

    def after_report(self, run_context, metrics, checkpoint):
        print("Ray knows:", metrics[0])


if __name__ == "__main__":
    TorchTrainer(
        in_each_worker,
        train_loop_config={"folder": sys.argv[1]},
        scaling_config=ray.train.ScalingConfig(num_workers=2),
        run_config=ray.train.RunConfig(
            failure_config=ray.train.FailureConfig(max_failures=3),
            callbacks=[Reports()],
        ),
    ).fit()
