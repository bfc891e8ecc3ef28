#include "selector/strategy/near.h"

#include "selector/kernel/sort.h"
#include "selector/kernel/vector.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { TILE = 256 }; /* rows */

/*
 * Two rows within r of each other have lengths within r of each other, so only a window of the list, which is sorted by length,
 * can hold a near-duplicate.
 */
struct select_near {
    struct kernel_team *team;
    const struct kernel_rows *rows;
    const float *origin;
    double distance2;
    double distance;
    size_t count;
    size_t room;
    struct near_entry {
        double length;
        uint32_t slot;
    } * entries;    /* by rising length */
    float *row;     /* [width] of the search at hand */
    float *scratch; /* [workers x width] */
};

struct select_near *select_near_new(
    struct kernel_team *team, const struct kernel_rows *rows, const float *origin, double distance2)
{
    struct select_near *near = calloc(1, sizeof *near);
    if (near == NULL)
        return NULL;
    near->team = team;
    near->rows = rows;
    near->origin = origin;
    near->distance2 = distance2;
    /* A little wider than the distance: lengths are rounded. */
    near->distance = sqrt(distance2) * 1.0001;
    near->row = malloc((rows->width + 1) * sizeof *near->row);
    near->scratch = malloc((kernel_team_size(team) * rows->width + 1) * sizeof *near->scratch);
    if (near->row == NULL || near->scratch == NULL)
        select_near_free(&near);
    return near;
}

void select_near_free(struct select_near **pointer)
{
    struct select_near *near = *pointer;
    if (near == NULL)
        return;
    free(near->entries);
    free(near->row);
    free(near->scratch);
    free(near);
    *pointer = NULL;
}

static double load(const struct select_near *near, uint32_t slot, float *row)
{
    kernel_gather(near->rows, &slot, 1, near->origin, row);
    return sqrt((double)kernel_norm2(row, near->rows->width));
}

/* The first entry that is not shorter than `length`. */
static size_t lower_bound(const struct select_near *near, double length)
{
    size_t low = 0;
    size_t high = near->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (near->entries[middle].length < length)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool make_room(struct select_near *near, size_t count)
{
    if (count <= near->room)
        return true;
    size_t room = count < 2 * near->room ? 2 * near->room : count;
    struct near_entry *entries = realloc(near->entries, room * sizeof *entries);
    if (entries == NULL)
        return false;
    near->entries = entries;
    near->room = room;
    return true;
}

static void length_tile(void *context, size_t tile, unsigned worker)
{
    struct select_near *near = context;
    float *row = near->scratch + worker * near->rows->width;
    for (size_t i = tile * TILE; i < (tile + 1) * TILE && i < near->count; i++)
        near->entries[i].length = load(near, near->entries[i].slot, row);
}

/* Puts entries that are in the order of their slots in the order of their lengths. False without memory. */
static bool sort_entries(struct select_near *near)
{
    double *keys = malloc((near->count + 1) * sizeof *keys);
    uint32_t *order = malloc((near->count + 1) * sizeof *order);
    struct near_entry *sorted = malloc((near->count + 1) * sizeof *sorted);
    bool ok = keys != NULL && order != NULL && sorted != NULL;
    for (size_t i = 0; ok && i < near->count; i++)
        keys[i] = -near->entries[i].length;
    ok = ok && kernel_sort_falling(keys, near->count, order);
    for (size_t i = 0; ok && i < near->count; i++)
        sorted[i] = near->entries[order[i]];
    if (ok) {
        struct near_entry *unsorted = near->entries;
        near->entries = sorted;
        near->room = near->count + 1;
        sorted = unsorted;
    }
    free(keys);
    free(order);
    free(sorted);
    return ok;
}

enum kernel_status select_near_begin(struct select_near *near, const uint32_t *slots, size_t count)
{
    if (!make_room(near, count))
        return KERNEL_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        near->entries[i].slot = slots[i];
    near->count = count;
    if (!kernel_team_run(near->team, (count + TILE - 1) / TILE, length_tile, near))
        return KERNEL_STOPPED;
    return sort_entries(near) ? KERNEL_OK : KERNEL_NO_MEMORY;
}

bool select_near_add(struct select_near *near, uint32_t slot)
{
    if (!make_room(near, near->count + 1))
        return false;
    double length = load(near, slot, near->row);
    size_t at = lower_bound(near, length);
    memmove(near->entries + at + 1, near->entries + at, (near->count - at) * sizeof *near->entries);
    near->entries[at] = (struct near_entry){.length = length, .slot = slot};
    near->count++;
    return true;
}

/* The entries that are about as long as near->row. */
struct window {
    struct select_near *near;
    size_t from;
    size_t end;
    atomic_bool found;
};

static void search_tile(void *context, size_t tile, unsigned worker)
{
    struct window *window = context;
    const struct select_near *near = window->near;
    size_t width = near->rows->width;
    float *other = near->scratch + worker * width;
    size_t from = window->from + tile * TILE;
    for (size_t i = from; i < from + TILE && i < window->end && !atomic_load(&window->found); i++) {
        kernel_gather(near->rows, &near->entries[i].slot, 1, near->origin, other);
        if ((double)kernel_distance2(near->row, other, width) <= near->distance2)
            atomic_store(&window->found, true);
    }
}

enum kernel_status select_near_has(struct select_near *near, uint32_t slot, bool *has)
{
    double length = load(near, slot, near->row);
    double slack = near->distance + 1e-5 * length;
    struct window window = {.near = near, .from = lower_bound(near, length - slack)};
    for (window.end = window.from; window.end < near->count && near->entries[window.end].length <= length + slack;)
        window.end++;
    if (!kernel_team_run(near->team, (window.end - window.from + TILE - 1) / TILE, search_tile, &window))
        return KERNEL_STOPPED;
    *has = atomic_load(&window.found);
    return KERNEL_OK;
}
