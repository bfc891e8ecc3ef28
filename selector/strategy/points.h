/*
 * points.h - what a coverage is measured on: reference points with their weights, and how well they are covered already.
 * Private to strategy/.
 */
#pragma once

#include "selector/kernel/distance.h"
#include "selector/strategy/job.h"

/* Free with select_points_deinit. */
struct select_points {
    uint32_t *slots; /* [points.count] rising */
    struct kernel_points points;
    float *values;   /* points.values */
    float *norm2;    /* points.norm2 */
    float *origin;   /* [width] mean of the reference points, taken off every row */
    float *weight;   /* [points.count] how many samples' worth (select_job_worth) each stands for */
    float *chance;   /* [points.count] with which it was drawn: it is that share of what it stands for; 1: for itself alone */
    float *cover;    /* [points.count] by what is labelled, in flight or picked already */
    uint32_t *known; /* [known_count] those samples, where they have an embedding */
    size_t known_count;
    float scale;       /* of the kernel exp(-d^2 / scale) */
    float spacing;     /* median squared distance of a point to its USUAL_NEIGHBOR-th other; -1: not looked for */
    uint8_t *isolated; /* [points.count] 1: an outlier, to be kept out; all 0 at first */
};

/*
 * All candidates that have an embedding, or where these are more, `want` of them that stand for the rest: see points.c for
 * which. Weights are worth (`worth`), or 1, times the number of samples a point stands for; cover is 0. Needs memory for `want`
 * rows as floats.
 */
enum select_status select_points_init(struct select_points *points, const struct select_job *job, size_t want, bool worth);
void select_points_deinit(struct select_points *points);

/* Covers the points by what is known. */
enum select_status select_points_cover(struct select_points *points, const struct select_job *job);
