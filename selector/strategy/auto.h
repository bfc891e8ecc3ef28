/*
 * auto.h - the parts of the default strategy, uncertainty coverage per dollar. Private to strategy/.
 *
 * A set S is worth sum over reference points x of w(x) u(x) max over s in S, labelled and in flight of exp(-|x - s|^2 / s2).
 */
#pragma once

#include "selector/kernel/distance.h"
#include "selector/strategy/job.h"

/* --- auto_worth.c: u and w ---------------------------------------------------------------------------------------------- */

/* Fills job->uncertainty, job->class_weight and the predictions, at a temperature fitted on the labels received. */
enum select_status select_auto_worth(struct select_job *job);

/* w(x) u(x) of one sample. */
double select_auto_worth_of(const struct select_job *job, uint32_t slot);

/* --- auto_points.c: what the objective is made of ----------------------------------------------------------------------- */

/* Reference points, their weights, and the scale of the kernel. Free with select_auto_points_deinit. */
struct select_auto_points {
    uint32_t *slots; /* [points.count] rising */
    struct kernel_points points;
    float *values;   /* points.values */
    float *norm2;    /* points.norm2 */
    float *origin;   /* [width] mean of the reference points, taken off every row */
    float *weight;   /* [points.count] how many samples' w u each stands for */
    float *cover;    /* [points.count] by what is labelled and in flight */
    uint32_t *known; /* [known_count] labelled and in flight samples with an embedding */
    size_t known_count;
    float scale;     /* s2 */
    float spacing;   /* median squared distance of a reference point to its FILTER_NEIGHBOR-th other */
    float isolation; /* squared distance to the FILTER_NEIGHBOR-th nearest beyond which a sample is an outlier */
};

enum select_status select_auto_points_init(struct select_auto_points *points, const struct select_job *job);
void select_auto_points_deinit(struct select_auto_points *points);

/* The median of the finite values, which are sorted in place; 0 where there is none. */
float select_auto_median(float *values, size_t count);

/*
 * The candidates looked at closely: all, or where they are more than the policy's maximum, half of it by utility per dollar and
 * half by chance. Output: slots (free it) and count.
 */
enum select_status select_auto_candidates(const struct select_job *job, uint32_t **slots, size_t *count);

/* --- auto_trust.c: what deserves no money ------------------------------------------------------------------------------- */

/* Sets points->spacing and points->isolation; outliers lose their weight. */
enum select_status select_auto_isolate(struct select_auto_points *points, const struct select_job *job);

/* Lowers the weight of points near refused samples. */
enum select_status select_auto_heed(struct select_auto_points *points, const struct select_job *job);

/* --- auto_near.c: near-duplicates --------------------------------------------------------------------------------------- */

/* Rows that new ones are compared with, sorted by length so that few have to be. */
struct select_near;
struct select_near *select_near_new(const struct kernel_rows *rows, const float *origin, double distance2);
void select_near_free(struct select_near **near);
/* False without memory. */
bool select_near_add_all(struct select_near *near, const uint32_t *slots, size_t count);
bool select_near_add(struct select_near *near, uint32_t slot);
/* Whether a row that was added is within the distance of row `slot`. */
bool select_near_has(struct select_near *near, uint32_t slot);
