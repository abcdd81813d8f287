# The sections of the help page of callback_model_checkpoint().

#' @name callback_model_checkpoint
#'
#' @section Formats:
#' | suffix of `filepath` | full model | weights only |
#' |---|---|---|
#' | `.keras` | Keras 3 archive | error |
#' | `.weights.h5` | error | weights and the optimizer's state, Keras 3 |
#' | `.h5`, `.hdf5` | HDF5 | HDF5, as `load_model_weights()` reads it |
#' | `.orbax` | a folder that Orbax writes | the same, without the config |
#' | any other, or none | error | error |
#'
#' The error names the suffix that fits. A full model loads with
#' `keras3::load_model()`, weights load with `keras3::load_model_weights()`.
#'
#' If a part of a full model has no config (a layer, loss, metric or learning
#' rate schedule of your own without `get_config`), an error is raised before the
#' first batch; the weights alone can be saved. What HDF5 cannot store, so that it
#' would not load (the vocabulary of a `layer_text_vectorization()`, a function
#' as loss, a class that its config does not rebuild), raises an error too, which
#' names a format that works. A `.keras` file of a class that its config does not
#' rebuild is saved. A line before the first batch says that `load_model()` does
#' not rebuild it, that `load_model_weights()` reads the same file, and how to fix
#' the class.
#'
#' A `.orbax` checkpoint is a folder, in the layout of Keras' own
#' `OrbaxCheckpoint`, and counts as one file: it appears, is verified, is copied
#' and is deleted as one. It needs a field in `filepath`, a path on this machine,
#' Keras 3.4 or newer, and the Python package orbax-checkpoint
#' (`reticulate::py_install("orbax-checkpoint")`; with reticulate before 1.39
#' `py_install(c("orbax-checkpoint", "numpy<2"))`, because its JAX would otherwise
#' bring NumPy 2). It contains the optimizer's state, also with
#' `save_weights_only = TRUE`. Plain Keras loads it from 3.15 on, with
#' `load_model()` and `load_weights()`. Both look for variables by their paths and
#' ignore what they do not find. If a model gets other paths when Keras creates it
#' again, a line says so once the model is built; [restore_checkpoint()] restores
#' it all the same. If several processes of JAX train the model, each writes its
#' part into the folder, which all must share; any number of processes can resume
#' from it. A layer with its own `save_own_variables`, or two variables of one
#' path, raise an error before the first batch.
#'
#' @section Object stores:
#' `filepath` may begin with `s3://`, `gs://`, `az://` or `abfs://`, followed by
#' a bucket and a name: `"s3://bucket/run/{epoch:02d}.keras"`. All arguments work
#' as they do with a folder. This needs the Python package obstore
#' (`reticulate::py_install("obstore")`). Keys and endpoint come from the
#' environment (`AWS_*`, `GOOGLE_*`, `AZURE_*`) or from the role of the machine.
#' Set them in the shell, or with `Sys.setenv()` before you create the callback.
#'
#' A file counts as saved once the store has confirmed it. Uploads run in the
#' background, including the first one. A failed request is repeated for up to a
#' minute, but only until the next save is due. At its end, `fit()` waits for the
#' last upload for at most `MODELCHECKPOINT_UPLOAD_TIMEOUT` seconds, an environment
#' variable (600 if it is not set); an upload that takes longer is reported as
#' `on_error` says. If another run left an object of the same name, that object is
#' first copied to `<name>.run-<id><suffix>`. A missing bucket, permission or
#' network and a wrong key raise errors before the first batch.
#' [fetch_checkpoint()] copies a checkpoint to this machine. See
#' `vignette("object-storage", "modelcheckpoint")`.
NULL
