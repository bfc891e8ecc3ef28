#include "selector/kernel/centers.h"

#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>

void kernel_centers_init(struct kernel_centers *centers, const struct kernel_rows *rows, const struct kernel_residual *residual)
{
    *centers = (struct kernel_centers){.rows = rows, .residual = residual, .width = rows->width};
    if (residual != NULL)
        centers->classes = residual->probabilities->width;
}

void kernel_centers_deinit(struct kernel_centers *centers)
{
    free(centers->values);
    free(centers->residuals);
    free(centers->norm2);
    free(centers->residual_norm2);
    *centers = (struct kernel_centers){0};
}

void kernel_residuals_gather(const struct kernel_residual *residual, const uint32_t *slots, size_t count, float *to)
{
    size_t classes = residual->probabilities->width;
    kernel_gather(residual->probabilities, slots, count, NULL, to);
    for (size_t i = 0; i < count; i++, to += classes) {
        size_t first = 0;
        if (kernel_row(residual->probabilities, slots[i]) == NULL)
            continue;
        for (size_t c = 0; c < classes; c++) {
            first = to[c] > to[first] ? c : first;
            if (residual->multi_label && to[c] >= 0.5F)
                to[c] -= 1;
        }
        if (!residual->multi_label)
            to[first] -= 1;
    }
}

struct kernel_point kernel_point_of(const struct kernel_centers *centers, const float *row, const float *residual)
{
    struct kernel_point point = {.row = row, .norm2 = (double)kernel_norm2(row, centers->width), .residual_norm2 = 1};
    if (centers->residual != NULL) {
        point.residual = residual;
        point.residual_norm2 = (double)kernel_norm2(residual, centers->classes);
    }
    return point;
}

/* Room for one centre more. */
static bool make_room(struct kernel_centers *centers)
{
    if (centers->count < centers->room)
        return true;
    size_t room = centers->room == 0 ? 64 : 2 * centers->room;
    float *values = realloc(centers->values, room * centers->width * sizeof *values);
    if (values != NULL)
        centers->values = values;
    double *norm2 = realloc(centers->norm2, room * sizeof *norm2);
    if (norm2 != NULL)
        centers->norm2 = norm2;
    double *residual_norm2 = realloc(centers->residual_norm2, room * sizeof *residual_norm2);
    if (residual_norm2 != NULL)
        centers->residual_norm2 = residual_norm2;
    float *residuals = realloc(centers->residuals, (room * centers->classes + 1) * sizeof *residuals);
    if (residuals != NULL)
        centers->residuals = residuals;
    if (values == NULL || norm2 == NULL || residual_norm2 == NULL || residuals == NULL)
        return false;
    centers->room = room;
    return true;
}

bool kernel_centers_add(struct kernel_centers *centers, uint32_t slot)
{
    if (!make_room(centers))
        return false;
    float *row = centers->values + centers->count * centers->width;
    float *residual = centers->residuals + centers->count * centers->classes;
    kernel_gather(centers->rows, &slot, 1, NULL, row);
    if (centers->residual != NULL)
        kernel_residuals_gather(centers->residual, &slot, 1, residual);
    struct kernel_point point = kernel_point_of(centers, row, residual);
    centers->norm2[centers->count] = point.norm2;
    centers->residual_norm2[centers->count++] = point.residual_norm2;
    return true;
}

/*
 * |r x - r' x'|^2 of outer products = (A (X + X') + B (R + R') - A B + (R - R') (X - X')) / 2 with A = |r - r'|^2,
 * B = |x - x'|^2, capitals the squared lengths: 0 where both factors are equal.
 */
double kernel_centers_distance2(const struct kernel_centers *centers, const struct kernel_point *point, size_t center)
{
    double b = (double)kernel_distance2(point->row, centers->values + center * centers->width, centers->width);
    if (point->residual == NULL)
        return b;
    double a = (double)kernel_distance2(point->residual, centers->residuals + center * centers->classes, centers->classes);
    double x = point->norm2;
    double x2 = centers->norm2[center];
    double r = point->residual_norm2;
    double r2 = centers->residual_norm2[center];
    double distance2 = (a * (x + x2) + b * (r + r2) - a * b + (r - r2) * (x - x2)) / 2;
    if (isnan(distance2))
        return INFINITY;
    return distance2 > 0 ? distance2 : 0;
}
