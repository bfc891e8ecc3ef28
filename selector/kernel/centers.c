#include "selector/kernel/centers.h"

#include "selector/kernel/simd.h"
#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>

/* Squared lengths beyond this are near what float holds: nothing is ruled out there. */
static const double length2_max = 1e30;

void kernel_centers_init(
    struct kernel_centers *centers, const struct kernel_rows *rows, const float *origin, const struct kernel_residual *residual)
{
    *centers = (struct kernel_centers){.rows = rows, .origin = origin, .residual = residual, .width = rows->width};
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

/* An array with room for `count` floats; without memory the same one, and *lacking. */
static float *enlarge(float *array, size_t count, bool *lacking)
{
    float *larger = realloc(array, (count + 1) * sizeof *larger);
    *lacking = *lacking || larger == NULL;
    return larger != NULL ? larger : array;
}

/* Room for one centre more. */
static bool make_room(struct kernel_centers *centers)
{
    if (centers->count < centers->room)
        return true;
    size_t room = centers->room == 0 ? 64 : 2 * centers->room;
    bool lacking = false;
    centers->values = enlarge(centers->values, room * centers->width, &lacking);
    centers->norm2 = enlarge(centers->norm2, room, &lacking);
    centers->residuals = enlarge(centers->residuals, room * centers->classes, &lacking);
    centers->residual_norm2 = enlarge(centers->residual_norm2, room, &lacking);
    if (!lacking)
        centers->room = room;
    return !lacking;
}

bool kernel_centers_add(struct kernel_centers *centers, uint32_t slot)
{
    if (!make_room(centers))
        return false;
    float *row = centers->values + centers->count * centers->width;
    float *residual = centers->residuals + centers->count * centers->classes;
    kernel_gather(centers->rows, &slot, 1, centers->origin, row);
    if (centers->residual != NULL)
        kernel_residuals_gather(centers->residual, &slot, 1, residual);
    struct kernel_point point = kernel_point_of(centers, row, residual);
    centers->norm2[centers->count] = (float)point.norm2;
    centers->residual_norm2[centers->count++] = (float)point.residual_norm2;
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
    double x2 = (double)centers->norm2[center];
    double r = point->residual_norm2;
    double r2 = (double)centers->residual_norm2[center];
    double distance2 = (a * (x + x2) + b * (r + r2) - a * b + (r - r2) * (x - x2)) / 2;
    if (isnan(distance2))
        return INFINITY;
    return distance2 > 0 ? distance2 : 0;
}

/* --- bounds by products ------------------------------------------------------------------------------------------------- */

/* As kernel_centers_bound. `half_slack` is half the share of the lengths that a bound may be off by, `lost` what it may be off
 * by in place of a residual's length. */
KERNEL_INLINE void bound_below_body(float *products, const float *residual_products, const float *norm2,
    const float *residual_norm2, const struct kernel_point *point, float half_slack, float lost, size_t count)
{
    const float own2 = (float)point->norm2;
    const float own_residual2 = (float)point->residual_norm2;
    size_t j = 0;
    for (; j + KERNEL_LANES <= count; j += KERNEL_LANES) {
        kernel_f8 product, x2, r2;
        kernel_load8(products + j, &product);
        kernel_load8(norm2 + j, &x2);
        kernel_load8(residual_norm2 + j, &r2);
        if (residual_products != NULL) {
            kernel_f8 factor;
            kernel_load8(residual_products + j, &factor);
            product *= factor;
        }
        product = x2 * r2 * 0.5F - (x2 + own2) * ((r2 + own_residual2) * half_slack + lost) - product;
        kernel_store8(products + j, &product);
    }
    for (; j < count; j++) {
        float product = products[j] * (residual_products != NULL ? residual_products[j] : 1);
        float off = (norm2[j] + own2) * ((residual_norm2[j] + own_residual2) * half_slack + lost);
        products[j] = norm2[j] * residual_norm2[j] * 0.5F - off - product;
    }
}

KERNEL_VARIANTS(bound_below,
    (float *products, const float *residual_products, const float *norm2, const float *residual_norm2,
        const struct kernel_point *point, float half_slack, float lost, size_t count),
    (products, residual_products, norm2, residual_norm2, point, half_slack, lost, count))

void kernel_centers_bound(const struct kernel_centers *centers, const struct kernel_point *point, size_t first, size_t count,
    float *products, const float *residual_products)
{
    /* Any order of summing `width` products errs by at most width x 2^-24 of the lengths' product; the rest of this covers the
     * other steps. */
    double slack = ((double)(centers->width + centers->classes) + 64) * 0x1p-24;
    /* A residual's squares below 2^-126 are rounded to multiples of 2^-149, and a long row makes much of that. */
    double lost = (double)centers->classes * 0x1p-146;
    bound_below(products, residual_products, centers->norm2 + first, centers->residual_norm2 + first, point, (float)(slack / 2),
        (float)lost, count);
}

float kernel_centers_cut(const struct kernel_centers *centers, const struct kernel_point *point, double distance2)
{
    double length2 = point->norm2 * point->residual_norm2;
    if (!(length2 < length2_max && distance2 < length2_max))
        return INFINITY;
    double underflow = kernel_underflow(centers->width + centers->classes);
    return (float)((distance2 - length2) / 2 + 0x1p-22 * (length2 + distance2) + underflow);
}
