#include "selector/kernel/sums.h"

#include <stdlib.h>

enum { FAN = 64 };

bool kernel_sums_init(struct kernel_sums *sums, size_t count)
{
    *sums = (struct kernel_sums){0};
    for (bool top = false; !top; count = (count + FAN - 1) / FAN) {
        top = count <= 1;
        sums->count[sums->depth] = count;
        sums->level[sums->depth] = calloc(count + 1, sizeof(double));
        if (sums->level[sums->depth++] == NULL)
            return false;
    }
    return true;
}

void kernel_sums_deinit(struct kernel_sums *sums)
{
    for (unsigned d = 0; d < sums->depth; d++)
        free(sums->level[d]);
    *sums = (struct kernel_sums){0};
}

/* The end of node's children at level d. */
static size_t children_end(const struct kernel_sums *sums, unsigned d, size_t node)
{
    size_t end = (node + 1) * FAN;
    return end < sums->count[d] ? end : sums->count[d];
}

/* Sums up one node of level d from level d - 1. */
static void sum_node(struct kernel_sums *sums, unsigned d, size_t node)
{
    double sum = 0;
    for (size_t i = node * FAN; i < children_end(sums, d - 1, node); i++)
        sum += sums->level[d - 1][i];
    sums->level[d][node] = sum;
}

void kernel_sums_build(struct kernel_sums *sums)
{
    for (unsigned d = 1; d < sums->depth; d++) {
        for (size_t node = 0; node < sums->count[d]; node++)
            sum_node(sums, d, node);
    }
}

void kernel_sums_set(struct kernel_sums *sums, size_t item, double number)
{
    sums->level[0][item] = number;
    for (unsigned d = 1; d < sums->depth; d++) {
        item /= FAN;
        sum_node(sums, d, item);
    }
}

double kernel_sums_total(const struct kernel_sums *sums)
{
    return sums->level[sums->depth - 1][0];
}

size_t kernel_sums_find(const struct kernel_sums *sums, double share)
{
    size_t node = 0;
    double left = share * kernel_sums_total(sums);
    for (unsigned d = sums->depth - 1; d-- > 0;) {
        const double *child = sums->level[d];
        size_t end = children_end(sums, d, node);
        size_t last = node * FAN;
        size_t i = node * FAN;
        for (; i < end; i++) {
            if (!(child[i] > 0))
                continue;
            last = i;
            if (left < child[i])
                break;
            left -= child[i];
        }
        /* Rounding may leave something beyond the last child: it is then at that one's end. */
        if (i == end)
            left = child[last];
        node = last;
    }
    return node;
}
