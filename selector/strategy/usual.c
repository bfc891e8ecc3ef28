#include "selector/strategy/usual.h"

#include "selector/kernel/centered.h"
#include "selector/kernel/nearest.h"
#include "selector/kernel/vector.h"
#include "selector/strategy/scale.h"
#include "selector/strategy/subset.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLE = 3000 };

static const double isolation_deviations = 2.5;

void select_usual_bounds(const float *distances2, size_t count, float *scratch, float *spacing, float *isolation)
{
    memcpy(scratch, distances2, count * sizeof *scratch);
    *spacing = select_median(scratch, count);
    *isolation = HUGE_VALF;
    double middle = log((double)*spacing);
    if (!isfinite(middle))
        return;
    for (size_t i = 0; i < count; i++)
        scratch[i] = (float)fabs(log((double)distances2[i]) - middle);
    double deviation = 1.4826 * (double)select_median(scratch, count);
    *isolation = (float)exp(middle + isolation_deviations * fmax(deviation, 0.05));
}

static enum select_status measure(struct select_usual *usual, struct kernel_team *team)
{
    size_t count = usual->points.count;
    float *distances2 = malloc((count + 1) * sizeof *distances2);
    float *scratch = malloc((count + 1) * sizeof *scratch);
    enum select_status status = SELECT_NO_MEMORY;
    if (distances2 == NULL || scratch == NULL)
        goto done;
    struct kernel_subset set = {usual->rows, usual->slots, count, usual->origin};
    status = select_status_of(kernel_neighbor_distance(team, &usual->points, usual->slots, &set, USUAL_NEIGHBOR, distances2));
    if (status == SELECT_OK)
        select_usual_bounds(distances2, count, scratch, &usual->spacing, &usual->isolation);
done:
    free(distances2);
    free(scratch);
    return status;
}

enum select_status select_usual_init(
    struct select_usual *usual, struct kernel_team *team, const struct kernel_rows *rows, const uint32_t *slots, size_t count)
{
    size_t room = (count < SAMPLE ? count : SAMPLE) + 1;
    *usual = (struct select_usual){
        .rows = rows,
        .slots = malloc(room * sizeof *usual->slots),
        .values = malloc(room * rows->width * sizeof *usual->values),
        .norm2 = malloc(room * sizeof *usual->norm2),
        .origin = malloc(rows->width * sizeof *usual->origin),
    };
    if (usual->slots == NULL || usual->values == NULL || usual->norm2 == NULL || usual->origin == NULL)
        return SELECT_NO_MEMORY;
    size_t thinned = select_thin(slots, count, SAMPLE, usual->slots);
    if (!kernel_gather_centered(team, rows, usual->slots, thinned, usual->origin, usual->values, usual->norm2))
        return SELECT_CANCELED;
    usual->points = (struct kernel_points){usual->values, usual->norm2, thinned, rows->width};
    return measure(usual, team);
}

void select_usual_deinit(struct select_usual *usual)
{
    free(usual->slots);
    free(usual->values);
    free(usual->norm2);
    free(usual->origin);
    *usual = (struct select_usual){0};
}

size_t select_usual_scratch(const struct select_usual *usual, size_t count)
{
    return count * (usual->rows->width + 1 + usual->points.count);
}

void select_usual_distances(
    const struct select_usual *usual, const uint32_t *slots, size_t count, float *scratch, float *distances2)
{
    size_t width = usual->rows->width;
    size_t sampled = usual->points.count;
    float *norm2 = scratch + count * width;
    float *to_sample = norm2 + count;
    kernel_gather(usual->rows, slots, count, usual->origin, scratch);
    for (size_t i = 0; i < count; i++)
        norm2[i] = kernel_norm2(scratch + i * width, width);
    kernel_distances(scratch, norm2, count, &usual->points, to_sample);
    for (size_t i = 0; i < count; i++) {
        struct kernel_nearest nearest;
        uint32_t others[USUAL_NEIGHBOR];
        float least[USUAL_NEIGHBOR];
        kernel_nearest_init(&nearest, USUAL_NEIGHBOR, others, least);
        for (size_t j = 0; j < sampled; j++) {
            if (usual->slots[j] != slots[i])
                kernel_nearest_add(&nearest, to_sample[i * sampled + j], usual->slots[j]);
        }
        distances2[i] = kernel_nearest_last(&nearest);
    }
}
