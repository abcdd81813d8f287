"""Be one of two processes: run_peers.py <index> <ports> <folder> [<killed>].

Both train one model with the backend named in KERAS_BACKEND. They run all scenarios
below, and write the outcome of each to `<folder>/<index>.json`. Or they run one, in
which the process of index `killed` kills itself before it agrees.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading

from peer_processes import ALL, BACKEND, COUNT, LIMIT, end_together, reported, start
from peer_training import (
    callback,
    damage,
    hook,
    model,
    pause,
    scores,
    slow,
    train,
    weights_of,
)

SCENARIOS = []


def scenario(function):
    SCENARIOS.append(function)
    return function


def other_scenario(function):
    """A scenario that does not depend on the backend."""
    return scenario(function) if ALL else function


def main(index, ports, folder, killed=None):
    index = int(index)
    start(index, ports)
    from modelcheckpoint.observe.peers import peers_of

    peers = peers_of(model()[0], "test")
    meet = peers.gather
    reports = {}
    for run in SCENARIOS if killed is None else [is_killed(int(killed))]:
        os.environ[LIMIT] = "60"
        own = os.path.join(folder, run.__name__)
        meet(run.__name__, 120)
        peers.part()  # one may be killed now
        reports[run.__name__] = reported(run, index, own, meet)
    with open(os.path.join(folder, f"{index}.json"), "w", encoding="utf-8") as file:
        json.dump(reports, file)
    if killed is not None:
        os._exit(0)  # JAX would wait for the other process
    end_together(index, folder)


# ---- the scenarios -----------------------------------------------------------


@other_scenario
def nothing_to_resume(index, folder, meet):
    return train(2, callback(folder, resume=True, verbose=1))


@scenario
def goes_on(index, folder, meet):
    train(2, callback(folder))
    meet("saved", 60)
    again = train(4, callback(folder, resume=True))
    again["whole"] = train(4)["losses"]
    return again


@other_scenario
def passes_over_what_is_damaged(index, folder, meet):
    train(3, callback(folder))
    meet("saved", 60)
    if index == 0:
        damage(os.path.join(folder, "w.3.keras"))
    meet("damaged", 60)
    return train(4, callback(folder, resume=True))


@scenario
def several_callbacks(index, folder, meet):
    """Both exchange messages at the beginning, and one of them at the end."""
    names = ("a.{epoch}.keras", "b.{epoch}.weights.h5")
    best = {"save_weights_only": True, "restore_best": True}
    train(2, callback(folder, names[0]), callback(folder, names[1], **best))
    meet("saved", 60)
    first = callback(folder, names[0], resume=True)
    return train(3, first, callback(folder, names[1], resume=True, **best))


@other_scenario
def a_second_fit(index, folder, meet):
    """One callback in two fits: the second one does not resume."""
    one, (new, data) = callback(folder, resume=True), model()
    epochs = [new.fit(**data, epochs=1, callbacks=[one]).epoch for _ in range(2)]
    return {"epochs": epochs, "problems": one.problems}


@other_scenario
def folders_of_their_own(index, folder, meet):
    """Each process has another newest checkpoint, in a folder that is not shared."""
    shared, own = os.path.join(folder, "shared"), os.path.join(folder, f"own{index}")
    train(2, callback(shared))
    meet("saved", 60)
    shutil.copytree(shared, own)
    if index == 0:
        os.unlink(os.path.join(own, "w.2.keras"))
    os.environ[LIMIT] = "5"
    return train(4, callback(own, resume=True))


@other_scenario
def empty_folders_of_their_own(index, folder, meet):
    own = os.path.join(folder, f"own{index}")
    os.environ[LIMIT] = "5"
    return train(1, callback(own, resume=True))


@other_scenario
def a_folder_that_process_0_cannot_use(index, folder, meet):
    if index == 0:
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        with open(folder, "w"):
            pass
    meet("made", 60)
    return train(1, callback(folder, resume=True))


@scenario
def the_model_of_process_1_is_another(index, folder, meet):
    train(1, callback(folder))
    meet("saved", 60)
    return train(2, callback(folder, resume=True), another=index == 1)


@scenario
def best_weights(index, folder, meet):
    from modelcheckpoint import ModelCheckpoint, restore_checkpoint

    name = os.path.join(folder, "w.{epoch}.keras")
    best = ModelCheckpoint(name, "score", mode="max", restore_best=True, verbose=1)
    report = train(3, scores(1, 3, 2), best)
    meet("trained", 60)
    loaded, _ = model()
    restore_checkpoint(loaded, name.format(epoch=2))
    report["best"] = weights_of(loaded)
    return report


@other_scenario
def the_best_is_damaged(index, folder, meet):
    from modelcheckpoint import ModelCheckpoint

    def harm(record):
        if record.epoch == 3:
            damage(os.path.join(folder, "w.2.keras"))

    name = os.path.join(folder, "w.{epoch}.keras")
    best = ModelCheckpoint(name, "score", mode="max", restore_best=True, on_saved=harm)
    report = train(3, scores(1, 3, 2), best)
    report["last"] = train(3)["weights"]
    return report


@scenario
def the_save_of_the_chief_fails(index, folder, meet):
    """It fails in the second epoch; the third one is better than what was saved."""
    from modelcheckpoint import ModelCheckpoint

    if index == 0:
        os.makedirs(os.path.join(folder, "w.2.keras", "in the way"))
    meet("made", 60)
    name = os.path.join(folder, "w.{epoch}.keras")
    best = ModelCheckpoint(name, "score", mode="max", save_best_only=True)
    report = train(4, scores(1, 3, 2, 0), best)
    meet("trained", 60)
    return {**report, "best": best.best, "saved": sorted(os.listdir(folder))}


@scenario
def by_the_clock(index, folder, meet):
    """Each process has a clock of its own."""
    given = {"save_seconds": 0.2, "period": 1000}
    timed = callback(folder, "w.{epoch}-{batch}.keras", **given)
    report = train(4, slow(0.04), timed)
    meet("trained", 60)
    return {**report, "saved": sorted(os.listdir(folder))}


@other_scenario
def a_limit_that_is_no_time(index, folder, meet):
    os.environ[LIMIT] = "soon"
    return train(1, callback(folder, resume=True))


@other_scenario
def without_resume_nobody_waits(index, folder, meet):
    """On Torch only: elsewhere all processes take part in a save."""
    if BACKEND != "torch":
        return {}
    os.environ[LIMIT] = "1"
    report = train(1, *([callback(folder)] if index == 0 else []))
    meet("trained", 60)
    return {**report, "saved": sorted(os.listdir(folder))}


@other_scenario
def topics_on_threads(index, folder, meet):
    from modelcheckpoint.observe.peers import peers_of

    found = []
    new = model()[0]
    saves = peers_of(new, "saves")

    def gather():
        found.extend(saves.gather(f"save {index} ü", 60))

    thread = threading.Thread(target=gather)
    thread.start()
    fits = [peers_of(new).gather(f"fit {index}.{n}", 60) for n in range(5)]
    thread.join()
    return {"saves": found, "fits": fits}


@scenario
def public_collectives(index, folder, meet):
    """What is used if the private names are gone."""
    from modelcheckpoint.observe.collectives import Collective, all_gather_of

    gather = Collective(all_gather_of(model()[0]), COUNT)
    return {"texts": [gather(f"{index}{'ü' * 9 * index}", 60), gather("", 60)]}


@other_scenario
def process_1_never_comes(index, folder, meet):
    os.environ[LIMIT] = "2"
    return train(1, pause(5 * index), callback(folder, resume=True))


@other_scenario
def process_0_never_comes(index, folder, meet):
    os.environ[LIMIT] = "2"
    return train(1, pause(7 * (1 - index)), callback(folder, resume=True))


def is_killed(rank):
    """Return a scenario in which a process kills itself when `fit` begins."""

    def one_is_killed(index, folder, meet):
        os.environ[LIMIT] = "3"
        kill = [hook(lambda: os.kill(os.getpid(), signal.SIGKILL))]
        return train(1, *kill[: index == rank], callback(folder, resume=True))

    return one_is_killed


if __name__ == "__main__":
    main(*sys.argv[1:])
