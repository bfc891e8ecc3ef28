#include "selector/kernel/cover.h"

#include "selector/kernel/neighbors.h"

#include <stdlib.h>
#include <string.h>

enum { PART = 131072 }; /* rows of the set that are sketched together: what that takes is bounded */

/* The nearest of the rows behind the first `count` of a list of `all`, for each of these. */
static enum kernel_status find_nearest(struct kernel_team *team, const struct kernel_rows *rows, const uint32_t *list,
    size_t count, size_t all, uint64_t seed, const struct kernel_neighbors *found)
{
    struct kernel_sketch sketch = {0};
    uint32_t *queries = malloc((count + 1) * sizeof *queries);
    enum kernel_status status = KERNEL_NO_MEMORY;
    if (queries == NULL)
        goto done;
    for (size_t i = 0; i < count; i++)
        queries[i] = (uint32_t)i;
    status = kernel_sketch_init(&sketch, team, rows, list, all, KERNEL_SKETCH_NEIGHBORS, seed);
    if (status == KERNEL_OK)
        status = kernel_neighbors_find(team, &sketch, queries, count, found);
done:
    kernel_sketch_deinit(&sketch);
    free(queries);
    return status;
}

enum kernel_status kernel_cover_by_many(struct kernel_team *team, const struct kernel_rows *rows, const uint32_t *slots,
    size_t count, const uint32_t *set, size_t set_count, float scale, uint64_t seed, float *cover)
{
    size_t parts = (set_count + PART - 1) / PART;
    uint32_t *list = malloc((count + PART) * sizeof *list);
    struct kernel_neighbors found = {
        .k = 1,
        .slots = malloc((count + 1) * sizeof *found.slots),
        .distances2 = malloc((count + 1) * sizeof *found.distances2),
        .hidden = count,
    };
    enum kernel_status status = KERNEL_NO_MEMORY;
    if (list == NULL || found.slots == NULL || found.distances2 == NULL)
        goto done;
    memcpy(list, slots, count * sizeof *list);
    status = KERNEL_OK;
    for (size_t part = 0; count > 0 && part < parts && status == KERNEL_OK; part++) {
        size_t at = set_count * part / parts;
        size_t size = set_count * (part + 1) / parts - at;
        memcpy(list + count, set + at, size * sizeof *list);
        status = find_nearest(team, rows, list, count, count + size, seed, &found);
        if (status == KERNEL_OK)
            kernel_similarities(found.distances2, count, scale);
        for (size_t i = 0; i < count && status == KERNEL_OK; i++)
            cover[i] = found.distances2[i] > cover[i] ? found.distances2[i] : cover[i];
    }
done:
    free(list);
    free(found.slots);
    free(found.distances2);
    return status;
}
