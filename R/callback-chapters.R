# The chapters of the help page of callback_model_checkpoint().

#' @name callback_model_checkpoint
#'
#' @section Formats:
#' | suffix of `filepath` | full model | weights only |
#' |---|---|---|
#' | `.keras` | Keras 3 archive | error |
#' | `.weights.h5` | error | weights and the state of the optimizer, Keras 3 |
#' | `.h5`, `.hdf5` | HDF5 | HDF5, as `load_model_weights()` reads it |
#' | any other, or none | error | error |
#'
#' The error names the suffix that fits. A full model loads with
#' `keras3::load_model()`, weights load with `keras3::load_model_weights()`.
#' A full model with a part that has no config (a layer, loss, metric or
#' learning rate schedule of your own without `get_config`) raises an error
#' before the first batch; its weights alone can be saved. So does what HDF5
#' cannot hold, so that it would not load (the vocabulary of a
#' `layer_text_vectorization()`, a function as loss, a class that its config
#' does not rebuild). The error names a format that works. A `.keras` file of
#' a class that its config does not rebuild is saved, and a line before the
#' first batch says that `load_model()` does not rebuild it,
#' that `load_model_weights()` takes the same file, and how to mend the class.
#'
#' @section Object stores:
#' `filepath` may begin with `s3://`, `gs://`, `az://` or `abfs://`, followed by
#' a bucket and a name: `"s3://bucket/run/{epoch:02d}.keras"`. All arguments work
#' as they do with a folder. It needs the Python package obstore
#' (`reticulate::py_install("obstore")`). Keys and endpoint come from the
#' environment (`AWS_*`, `GOOGLE_*`, `AZURE_*`) or from the role of the machine.
#' Set them in the shell, or by `Sys.setenv()` before the callback is created.
#'
#' A file appears whole, and counts as saved once the store has confirmed it.
#' Uploads run in the background, the first one too. A request that fails is
#' repeated for up to a minute, but only until the next save is due. At its end,
#' `fit()` waits for the last upload for as many seconds as the environment
#' variable `MODELCHECKPOINT_UPLOAD_TIMEOUT` says (600 if it is not set). An upload
#' that has not ended by then is reported as `on_error` says. If another run left
#' an object of the same name, that object is first copied to
#' `<name>.run-<id><suffix>`. A missing bucket, a missing permission, a wrong key
#' and a missing network are errors before the first batch. [fetch_checkpoint()]
#' copies a checkpoint to this machine; see
#' `vignette("object-storage", "modelcheckpoint")`.
#'
#' @section Going on:
#' With `resume = TRUE` the newest checkpoint of the same `filepath` (below its
#' folder, which may have moved) and format is loaded when `fit()` begins, if
#' its size and checksum are right; a damaged one is passed over, and
#' told. Weights, the optimizer with its learning rate, the seed generators (of
#' Dropout, and of layers that draw without a seed), and the states of stateful
#' recurrent layers are restored, `best`, the counts of samples and of what passed
#' since a save fell due go on, the journal continues under the same run, and
#' `fit()` begins with the next epoch, whatever `initial_epoch` is. With seeds
#' set and data in a fixed order (`shuffle = FALSE`), the weights are those of a
#' run that was never stopped, bit for bit on a CPU, on TensorFlow, JAX and
#' Torch. One line says where it goes on.
#'
#' * An epoch in whose middle the checkpoint was saved begins anew, with seed
#'   generators and states as they were when it was saved.
#' * States of stateful layers that take more than 64 KiB together are not in
#'   the journal: the layers keep those that they have, which is told.
#' * With `save_best_only` the newest checkpoint is the best one: training goes
#'   on from there.
#' * `.h5` and `.hdf5` with `save_weights_only` have no optimizer state: the
#'   optimizer starts anew, which is told.
#' * The state of another optimizer than the one here (`Adam` in the file, `AdamW`
#'   in the script) is not used: the optimizer starts from scratch, and a warning
#'   names both.
#' * On tf_keras, and Keras 2, the state of Dropout is lost.
#' * Beside Keras' `SwapEMAWeights(swap_on_epoch = TRUE)`, placed before this
#'   callback, the files hold averages, and training goes on from the trained
#'   weights all the same; from a file without the optimizer's state it goes on
#'   from the averages, which is told. The last epoch of a `fit()` leaves only
#'   averages.
#' * Not restored is what other callbacks have counted (early stopping, a
#'   learning rate that is to be reduced on a plateau), and the order of
#'   shuffled data. Put this callback last in the list, so that it saves what
#'   others have changed.
#' * The model has to be as it was, and to be compiled as it was; another one is
#'   an error that leaves it as it is.
#' * After a `fit()` that ended as it should, the next one with this callback
#'   goes on from the model, not from a file. A script with several calls of
#'   `fit()` needs one numbering of epochs (`initial_epoch`) to be resumed.
#'
#' If nothing is found but the folder has other checkpoints (another `filepath`,
#' a lost journal, files written by Keras), a warning names the newest of them,
#' and files that this run did not write are kept under another name,
#' `<name>.run-<id><suffix>` or `<name>.run-unknown<suffix>`, before they are
#' overwritten.
#'
#' Without `resume`, one line says so where a folder could be resumed, unless
#' [restore_checkpoint()] has done it by hand.
#'
#' @section How it differs from Keras' own callback:
#' * A number as `save_freq` counts samples; Keras counts batches. With
#'   `save_freq_unit = "batches"` both count alike.
#' * Keras writes in place, so that a save that fails destroys the checkpoint
#'   that was there. Here the old file stays until the new one is complete.
#' * Without its metric, Keras overwrites the best model. Here it is kept.
#' * A `NaN` in the first epoch stays the best for ever in Keras, not here.
#' * Names are made only for a save that happens: with `validation_freq = 2`,
#'   `{val_loss}` ends training in Keras.
#' * An unknown `mode`, a suffix that does not fit, and a `save_freq` of 0 are
#'   errors here at once.
#' * A worse second run does not overwrite the best of the first: that file is
#'   kept aside, as `best.run-<id>.keras`, and both values are told.
#' * The seventh argument is `period`, `save_freq` is the eighth.
#'
#' @section Keeping few:
#' With none of `keep_latest`, `keep_best` and `keep_every` every checkpoint
#' stays, also with `save_best_only`. With any of them, what stays is what at
#' least one of them asks for; the newest and the best stay in any case. Of
#' equal values the earlier is the better, and a value that is `NaN`, infinite
#' or not there is never the best.
#'
#' Only files are deleted that this run wrote (another `fit()` with the same
#' callback and model is the same run), that have the size they were written
#' with, and that no other run has written since: another callback's
#' checkpoints in the same folder stay. Of the checkpoints of this `filepath`
#' that one run has kept aside for another, the best stays.
#'
#' If two checkpoints of one run get the same name (`{val_loss:.2f}` rounded
#' alike, a second `fit()`), the earlier one is replaced, unless it is the best
#' or otherwise to be kept: then it is kept as `<name>.run-<id><suffix>`. You
#' are warned once.
#' A folder below that of the checkpoints that is empty then goes, too. What
#' cannot be deleted is told once, and tried again after each save. The journal
#' tells of each deletion.
#'
#' They need a `filepath` with a field: one without has one checkpoint, which
#' each save overwrites.
#'
#' @section Leaving early:
#' With `save_on_exit = TRUE`, Ctrl-C (SIGINT) and SIGTERM wait until the batch
#' in flight has ended and the model is saved; then they do what they would
#' have done: Ctrl-C is an interrupt of R, SIGTERM ends the session. A second
#' one acts at once. What a field of the name needs and is there at the end of
#' an epoch only is written as `nan`. While no `fit()` runs, or after one that
#' ended with an error, both act as ever. They are not waited for where several
#' workers save together, which is told, and a signal that comes while a
#' function of R runs, `on_saved` say, is seen when that has returned. But while
#' such a function sleeps in [Sys.sleep()], which has a handler of its own,
#' Ctrl-C ends it at once: `fit()` ends with an error, and nothing is saved.
#' `reticulate::import("time")$sleep()` has none.
#'
#' @section The journal:
#' Each save adds one line of JSON to the file `modelcheckpoint.jsonl` in the
#' folder of the checkpoints, with the keys `schema`, `path` (seen from that
#' folder), `epoch`, `batch`, `samples`, `logs`, `monitor`, `value`, `mode`,
#' `best` (was it the best so far?), `format`, `bytes`, `crc32`, `time` (UTC),
#' `run`, `template`, `versions`, `epochs_done`, `since` (a save last fell due),
#' and, to go on from there, `seeds`, `random`, `global_seed`, `states`,
#' `averaged`, `build` and `optimizer`. In the line of a file that was kept under
#' a second name, `kept_by` is the run that kept it. Read the journal with
#'
#' ```r
#' jsonlite::stream_in(file("checkpoints/modelcheckpoint.jsonl"))
#' ```
#'
#' A session that is killed while it writes can leave a torn line, at which
#' `stream_in()` stops; `Filter(jsonlite::validate, readLines(file))` leaves it
#' out. A checkpoint that was deleted, or never came, has another line, with its
#' name in `removed` and no `path`. The checkpoints load without the journal.
#' When it is deleted, `resume` finds nothing to go on from, and what was saved
#' before is listed, but neither verified nor deleted.
NULL
