#include "selector/kernel/split.h"

#include <stdbool.h>

enum { DEPTH_MAX = 64 };

struct axis {
    const float *values; /* of the coordinate that is split */
    size_t stride;
};

static bool before(const struct axis *axis, uint32_t a, uint32_t b)
{
    float x = axis->values[a * axis->stride];
    float y = axis->values[b * axis->stride];
    return x < y || (!(x > y) && a < b);
}

static void swap(uint32_t *a, uint32_t *b)
{
    uint32_t kept = *a;
    *a = *b;
    *b = kept;
}

/* Puts the least `middle` of order[0..count) first (Hoare's selection, 1961). */
static void select_least(const struct axis *axis, uint32_t *order, size_t count, size_t middle)
{
    size_t low = 0;
    size_t high = count - 1;
    while (low < high) {
        swap(&order[low + (high - low) / 2], &order[high]);
        uint32_t pivot = order[high];
        size_t less = low;
        for (size_t i = low; i < high; i++) {
            if (before(axis, order[i], pivot))
                swap(&order[less++], &order[i]);
        }
        swap(&order[less], &order[high]);
        if (less == middle)
            return;
        if (less < middle)
            low = less + 1;
        else
            high = less - 1;
    }
}

static size_t widest(const float *values, size_t width, size_t stride, const uint32_t *order, size_t count)
{
    size_t best = 0;
    double most = -1;
    for (size_t j = 0; j < width; j++) {
        double sum = 0, sum2 = 0;
        for (size_t i = 0; i < count; i++) {
            double x = (double)values[order[i] * stride + j];
            sum += x;
            sum2 += x * x;
        }
        double variance = sum2 - sum * sum / (double)count;
        best = variance > most ? j : best;
        most = variance > most ? variance : most;
    }
    return best;
}

void kernel_split(const float *values, size_t count, size_t width, size_t stride, size_t leaf, uint32_t *order)
{
    struct {
        size_t from;
        size_t count;
    } open[DEPTH_MAX] = {{0, count}};
    size_t depth = 1;
    while (depth > 0) {
        depth--;
        size_t from = open[depth].from;
        size_t here = open[depth].count;
        if (here <= leaf)
            continue;
        size_t middle = (here + leaf - 1) / leaf / 2 * leaf;
        struct axis axis = {values + widest(values, width, stride, order + from, here), stride};
        select_least(&axis, order + from, here, middle);
        open[depth].from = from;
        open[depth++].count = middle;
        open[depth].from = from + middle;
        open[depth++].count = here - middle;
    }
}
