# Okabe and Ito's palette, which people who confuse red and green can tell apart.
run_colours <- c("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9")
best_colour <- "#D55E00"
grey <- "#767676"

# From so many saves on, those that are gone get a smaller mark.
many_saves <- 60

legend_columns <- 2

#' Draw the checkpoints of a folder
#'
#' The monitored value of each save that the journal tells of is drawn over its
#' epoch, and a line for each run leads through them. Discs are files that are
#' there, rings files that are gone, crosses at the lower edge saves without a
#' finite value. The best that is there is a diamond.
#'
#' Only the quantity that the newest checkpoint monitors is drawn. Saves from
#' the middle of an epoch stand between two epochs. Some rows of a list,
#' `found[found$epoch > 10, ]`, are drawn alone, without files that are gone.
#'
#' @param x What [list_checkpoints()] returned.
#' @param ... Passed on to [graphics::plot.default()], such as `main` or `log`.
#' @return `x`, invisibly.
#' @examplesIf reticulate::py_available() && reticulate::py_module_available("keras")
#' # These lines run in a session in which Python runs already.
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
  points <- points[is.finite(points$epoch), ]
  if (nrow(points) == 0) {
    graphics::plot.new()
    graphics::box()
    graphics::text(0.5, 0.5, "The journal tells of no save.")
    return(invisible(x))
  }
  entries <- legend_entries(points)
  lines <- ceiling(nrow(entries) / legend_columns)
  left <- lines_beside(points$value)
  old <- graphics::par(mar = c(3.6, left + 2.1, 1.2 * lines + 1, 1.1))
  on.exit(graphics::par(old))
  draw_frame(points, left, list(...))
  draw_runs(points)
  draw_not_finite(points)
  best <- points[points$best, ]
  graphics::points(
    best$epoch, best$value,
    pch = 23, cex = 1.7, bg = best_colour, col = "black"
  )
  draw_legend(entries)
  invisible(x)
}

# The points that the list came with, as long as it has the rows it came with.
curve_of <- function(x) {
  if (has_own_curve(x)) {
    return(attr(x, "curve"))
  }
  needed <- c("name", "epoch", "batch", "value", "monitor", "run", "best")
  missing <- setdiff(needed, names(x))
  if (length(missing) > 0) {
    abort(
      paste0("`x` must have the column `", missing[[1]], "` to be drawn."),
      sys.call(-1)
    )
  }
  curve_of_rows(as.data.frame(x))
}

curve_of_rows <- function(x) {
  x <- x[!is.na(x$monitor), ]
  x <- x[x$monitor == utils::tail(x$monitor, 1), ]
  # Two lists of one folder have the same files: the later rows count.
  same <- x[intersect(c("path", "name", "epoch", "batch"), names(x))]
  x <- x[!duplicated(same, fromLast = TRUE), ]
  runs <- unique(x$run)
  several <- length(runs) > length(run_colours)
  own <- if (several) utils::tail(runs, length(run_colours) - 1) else runs
  # How many batches an epoch has no list tells: at least so many as were seen.
  batch <- ifelse(is.na(x$batch), 0, x$batch)
  longest <- stats::ave(batch, x$run, FUN = max)
  data.frame(
    epoch = ifelse(is.na(x$batch), x$epoch, x$epoch - 1 + batch / longest),
    value = x$value,
    run = x$run,
    series = ifelse(x$run %in% own, substr(x$run, 1, 24), "earlier runs"),
    monitor = x$monitor,
    name = x$name,
    best = x$best %in% TRUE
  )
}

draw_frame <- function(points, left, given) {
  range <- range(points$epoch)
  room <- max(0.5, 0.03 * diff(range))
  labels <- utils::modifyList(
    list(xlab = "epoch", ylab = shown(points$monitor[[1]]), log = ""), given
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

# How many lines of text the labels of the values' axis take beside it.
lines_beside <- function(values) {
  labels <- format(pretty(value_limits(values)))
  1 + 0.55 * max(nchar(labels))
}

draw_runs <- function(points) {
  colours <- series_colours(points)
  small <- nrow(points) > many_saves
  value <- ifelse(is.finite(points$value), points$value, NA)
  for (run in unique(points$run)) {
    own <- points$run == run
    colour <- colours[[points$series[own][[1]]]]
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

# Saves that have no place on the axis of the values are drawn at its lower end.
draw_not_finite <- function(points) {
  there <- points$epoch[!is.finite(points$value)]
  edge <- graphics::par("usr")[3:4]
  y <- edge[[1]] + 0.025 * diff(edge)
  if (graphics::par("ylog")) {
    y <- 10^y
  }
  graphics::points(there, rep(y, length(there)), pch = 4, col = grey)
}

legend_entries <- function(points) {
  colours <- series_colours(points)
  finite <- points[is.finite(points$value), ]
  best <- points[points$best, ]
  entry <- function(label, pch = NA, lwd = NA, col = grey, bg = NA) {
    data.frame(label = label, pch = pch, lwd = lwd, col = col, bg = bg)
  }
  rbind(
    if (length(colours) > 1) {
      entry(shown(names(colours)), lwd = 3, col = unname(colours))
    },
    if (any(!is.na(finite$name))) entry("kept", 21, bg = grey),
    if (anyNA(finite$name)) entry("deleted or replaced", 21, bg = "white"),
    if (nrow(finite) < nrow(points)) entry("no finite value", 4),
    if (nrow(best) > 0) {
      entry(best_label(best), 23, col = "black", bg = best_colour)
    }
  )
}

# Several lists in one have a best each.
best_label <- function(best) {
  each <- sprintf(
    "%s in epoch %.0f", number_text(best$value), ceiling(best$epoch)
  )
  if (length(each) > 2) {
    return(paste("best of each of", length(each), "lists"))
  }
  paste("best:", paste(unique(each), collapse = ", "))
}

draw_legend <- function(entries) {
  edges <- graphics::par("usr")
  x <- edges[[1]]
  y <- edges[[4]]
  graphics::legend(
    if (graphics::par("xlog")) 10^x else x,
    if (graphics::par("ylog")) 10^y else y,
    legend = entries$label, pch = entries$pch, lwd = entries$lwd,
    col = entries$col, pt.bg = entries$bg, pt.cex = 1.2, pt.lwd = 1.3,
    ncol = legend_columns, xjust = 0, yjust = 0, bty = "n", xpd = NA
  )
}

series_colours <- function(points) {
  series <- unique(points$series)
  colours <- if ("earlier runs" %in% series) c(grey, run_colours) else run_colours
  stats::setNames(colours[seq_along(series)], series)
}
