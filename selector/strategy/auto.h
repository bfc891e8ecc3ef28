/*
 * auto.h - the parts of the default strategy, uncertainty coverage per dollar. Private to strategy/.
 *
 * A set S is worth sum over reference points x of w(x) u(x) max over s in S, labelled and in flight of exp(-|x - s|^2 / s2).
 */
#pragma once

#include "selector/strategy/points.h"

/* --- auto_worth.c: u and w ---------------------------------------------------------------------------------------------- */

/* Fills job->uncertainty, job->class_weight and the predictions, at a temperature fitted on the labels received. */
enum select_status select_auto_worth(struct select_job *job);

/* --- auto_trust.c: what deserves no money ------------------------------------------------------------------------------- */

/* Sets points->spacing and points->isolated; outliers lose their weight. */
enum select_status select_auto_isolate(struct select_points *points, const struct select_job *job);

/* Lowers the weight of points near refused samples. */
enum select_status select_auto_heed(struct select_points *points, const struct select_job *job);
