# The number of saves above which deleted ones get a smaller mark.
many_saves <- 60

legend_columns <- 2

#' Plot the checkpoints in a folder
#'
#' Plots the monitored value of each save in the journal over its epoch, with one
#' line per run. A disc is a file that exists, a ring a file that was deleted, a
#' cross at the lower edge a save without a finite value. The best existing
#' checkpoint is a diamond.
#'
#' Only the metric that the newest checkpoint monitors is drawn. Saves from the
#' middle of an epoch appear between two epochs. If you pass some rows of a list,
#' such as `found[found$epoch > 10, ]`, only these are drawn, without deleted
#' files.
#'
#' @param x What [list_checkpoints()] returned.
#' @param ... Passed on to [graphics::plot.default()], such as `main` or `log`.
#' @return `x`, invisibly.
#' @examplesIf reticulate::py_available() && reticulate::py_module_available("keras")
#' # This example runs only if Python is already running in this session.
#' keras <- reticulate::import("keras")
#' model <- keras$Sequential(list(keras$layers$Dense(1L)))
#' model$compile(optimizer = "sgd", loss = "mse")
#' folder <- tempfile("checkpoints-")
#' checkpoint <- modelcheckpoint::callback_model_checkpoint(
#'   file.path(folder, "{epoch:02d}.keras"),
#'   monitor = "loss"
#' )
#' x <- matrix(1:8 / 8)
#' history <- model$fit(
#'   x, 2 * x,
#'   epochs = 4L, verbose = 0L, callbacks = list(checkpoint)
#' )
#'
#' plot(modelcheckpoint::list_checkpoints(folder))
#' unlink(folder, recursive = TRUE)
#' @export
plot.modelcheckpoint_list <- function(x, ...) {
  points <- curve_of(x)
  legend <- attr(points, "legend")
  points <- points[is.finite(points$epoch), ]
  if (nrow(points) == 0) {
    graphics::plot.new()
    graphics::box()
    graphics::text(0.5, 0.5, legend$label)
    return(invisible(x))
  }
  marks <- legend_marks(legend)
  lines <- ceiling(nrow(marks) / legend_columns)
  left <- lines_beside(points$value)
  old <- graphics::par(mar = c(3.6, left + 2.1, 1.2 * lines + 1, 1.1))
  on.exit(graphics::par(old))
  draw_frame(points, left, list(...))
  draw_runs(points)
  draw_not_finite(points, marks)
  draw_best(points, marks)
  draw_legend(marks)
  invisible(x)
}

# The points of the list, as long as it has its original rows.
curve_of <- function(x) {
  if (has_own_curve(x)) {
    return(attr(x, "curve"))
  }
  needed <- c("name", "epoch", "batch", "value", "monitor", "run", "best")
  missing <- setdiff(needed, names(x))
  call <- sys.call(-1)
  if (length(missing) > 0) {
    abort(
      paste0("`x` must have the column `", missing[[1]], "` to be drawn."), call
    )
  }
  curve_frame(ask_python(call, function(for_r) {
    for_r$curve(columns_for_python(as.data.frame(x), c("path", needed)))
  }))
}

draw_frame <- function(points, left, given) {
  range <- range(points$epoch)
  room <- max(0.5, 0.03 * diff(range))
  labels <- utils::modifyList(
    list(xlab = "epoch", ylab = encodeString(points$monitor[[1]]), log = ""), given
  )
  limits <- value_limits(points$value, grepl("y", labels$log))
  defaults <- list(
    x = range, y = limits, type = "n", axes = FALSE, xaxs = "i", yaxs = "i",
    xlim = range + c(-room, room), ylim = limits
  )
  given <- utils::modifyList(given, list(xlab = "", ylab = ""))
  do.call(graphics::plot.default, utils::modifyList(defaults, given))
  graphics::title(xlab = labels$xlab, line = 2.4)
  graphics::title(ylab = labels$ylab, line = left + 0.9)
  ticks <- if (diff(range) > 0) pretty(range) else range
  graphics::axis(1, at = unique(round(ticks[ticks >= range[[1]] - room])))
  if (any(is.finite(points$value))) {
    graphics::axis(2, las = 1)
  }
  graphics::box(bty = "l")
}

value_limits <- function(values, log = FALSE) {
  if (log) {
    return(10^value_limits(log10(values[is.finite(values) & values > 0])))
  }
  finite <- values[is.finite(values)]
  if (length(finite) == 0) {
    return(c(0, 1))
  }
  range <- range(finite)
  spread <- diff(range)
  range + c(-0.1, 0.1) * if (spread > 0) spread else max(abs(range[[1]]), 1)
}

# How many lines of text the labels of the value axis take.
lines_beside <- function(values) {
  labels <- format(pretty(value_limits(values)))
  1 + 0.55 * max(nchar(labels))
}

draw_runs <- function(points) {
  small <- nrow(points) > many_saves
  value <- ifelse(is.finite(points$value), points$value, NA)
  for (run in unique(points$run)) {
    own <- points$run == run
    colour <- points$colour[own][[1]]
    line <- grDevices::adjustcolor(colour, 0.6)
    graphics::lines(points$epoch[own], value[own], col = line)
    gone <- own & is.na(points$name)
    graphics::points(
      points$epoch[gone], value[gone],
      pch = 21, bg = "white", col = colour,
      cex = if (small) 0.5 else 1.2, lwd = if (small) 0.8 else 1.3
    )
    kept <- own & !is.na(points$name)
    graphics::points(
      points$epoch[kept], value[kept],
      pch = 21, bg = colour, col = colour, cex = if (small) 1 else 1.2
    )
  }
}

# Saves without a place on the value axis are drawn at its lower end.
draw_not_finite <- function(points, marks) {
  epochs <- points$epoch[!is.finite(points$value)]
  mark <- marks[marks$mark == "not finite", ]
  edge <- graphics::par("usr")[3:4]
  y <- edge[[1]] + 0.025 * diff(edge)
  if (graphics::par("ylog")) {
    y <- 10^y
  }
  graphics::points(epochs, rep(y, length(epochs)), pch = mark$pch, col = mark$col)
}

draw_best <- function(points, marks) {
  best <- points[points$best, ]
  mark <- marks[marks$mark == "best", ]
  graphics::points(
    best$epoch, best$value,
    pch = mark$pch, cex = 1.7, bg = mark$bg, col = mark$col
  )
}

# How to draw each entry of the legend.
legend_marks <- function(legend) {
  pch <- c(run = NA, kept = 21, gone = 21, "not finite" = 4, best = 23)
  colour <- legend$colour
  legend$pch <- unname(pch[legend$mark])
  legend$lwd <- ifelse(legend$mark == "run", 3, NA)
  legend$col <- ifelse(legend$mark == "best", "black", colour)
  legend$bg <- ifelse(legend$mark == "gone", "white", colour)
  legend
}

draw_legend <- function(marks) {
  edges <- graphics::par("usr")
  x <- edges[[1]]
  y <- edges[[4]]
  graphics::legend(
    if (graphics::par("xlog")) 10^x else x,
    if (graphics::par("ylog")) 10^y else y,
    legend = marks$label, pch = marks$pch, lwd = marks$lwd,
    col = marks$col, pt.bg = marks$bg, pt.cex = 1.2, pt.lwd = 1.3,
    ncol = legend_columns, xjust = 0, yjust = 0, bty = "n", xpd = NA
  )
}
