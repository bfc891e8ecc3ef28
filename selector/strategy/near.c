#include "selector/strategy/near.h"

#include "selector/kernel/directions.h"
#include "selector/kernel/gemm.h"
#include "selector/kernel/sort.h"
#include "selector/kernel/vector.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    TILE = 256,        /* rows */
    MARKS = 16,        /* coordinates along the rows' main directions */
    MARKS_FROM = 4096, /* rows from which on they pay */
    MARKS_WIDTH = 64,  /* elements of a row from which on they pay */
    SAMPLE = 2048,     /* rows that the directions are found from */
    ROUNDS = 3,
};

struct entry {
    double length;
    uint32_t slot;
};

/* Rows by rising length. */
struct list {
    struct entry *entries;
    size_t count;
    size_t room;
};

/*
 * Two rows within r of each other have lengths within r of each other, so only a window of a list that is sorted by length can
 * hold a near-duplicate. Of the rows that are there at first, which can be many, the window is thinned by a few coordinates
 * along orthonormal directions: in these, too, two such rows are within r.
 */
struct select_near {
    struct kernel_team *team;
    const struct kernel_rows *rows;
    const float *origin;
    double distance2;
    double distance;
    struct list first;
    struct list added;
    struct kernel_directions directions; /* MARKS of them, or none: then there are no marks */
    float *marks;                        /* [first.count x MARKS] */
    double mark_error;                   /* of the distance of two marks, for lengths of 1 */
    float *row;                          /* [width] of the search at hand */
    float *scratch;                      /* [workers x TILE x width] */
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
    near->scratch = malloc((kernel_team_size(team) * TILE * rows->width + 1) * sizeof *near->scratch);
    if (near->row == NULL || near->scratch == NULL)
        select_near_free(&near);
    return near;
}

void select_near_free(struct select_near **pointer)
{
    struct select_near *near = *pointer;
    if (near == NULL)
        return;
    free(near->first.entries);
    free(near->added.entries);
    free(near->marks);
    kernel_directions_deinit(&near->directions);
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
static size_t lower_bound(const struct list *list, double length)
{
    size_t low = 0;
    size_t high = list->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (list->entries[middle].length < length)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool make_room(struct list *list, size_t count)
{
    if (count <= list->room)
        return true;
    size_t room = count < 2 * list->room ? 2 * list->room : count;
    struct entry *entries = realloc(list->entries, room * sizeof *entries);
    if (entries == NULL)
        return false;
    list->entries = entries;
    list->room = room;
    return true;
}

/* --- the rows that are there at first ----------------------------------------------------------------------------------- */

static size_t tile_count(const struct select_near *near, size_t tile)
{
    size_t left = near->first.count - tile * TILE;
    return left < TILE ? left : TILE;
}

static void length_tile(void *context, size_t tile, unsigned worker)
{
    struct select_near *near = context;
    float *row = near->scratch + worker * TILE * near->rows->width;
    struct entry *entries = near->first.entries + tile * TILE;
    for (size_t i = 0; i < tile_count(near, tile); i++)
        entries[i].length = load(near, entries[i].slot, row);
}

/* Puts entries that are in the order of their slots in the order of their lengths. False without memory. */
static bool sort_entries(struct list *list)
{
    double *keys = malloc((list->count + 1) * sizeof *keys);
    uint32_t *order = malloc((list->count + 1) * sizeof *order);
    struct entry *sorted = malloc((list->count + 1) * sizeof *sorted);
    bool ok = keys != NULL && order != NULL && sorted != NULL;
    for (size_t i = 0; ok && i < list->count; i++)
        keys[i] = -list->entries[i].length;
    ok = ok && kernel_sort_falling(keys, list->count, order);
    for (size_t i = 0; ok && i < list->count; i++)
        sorted[i] = list->entries[order[i]];
    if (ok) {
        free(list->entries);
        list->entries = sorted;
        list->room = list->count + 1;
        sorted = NULL;
    }
    free(keys);
    free(order);
    free(sorted);
    return ok;
}

/* The coordinates of rows less the origin, [count x width], along the directions. */
static void mark(const struct select_near *near, const float *rows, size_t count, float *marks)
{
    size_t width = near->rows->width;
    kernel_gemm_nt(count, MARKS, width, rows, width, near->directions.values, width, marks, MARKS);
}

static void mark_tile(void *context, size_t tile, unsigned worker)
{
    const struct select_near *near = context;
    size_t width = near->rows->width;
    float *rows = near->scratch + worker * TILE * width;
    const struct entry *entries = near->first.entries + tile * TILE;
    for (size_t i = 0; i < tile_count(near, tile); i++)
        kernel_gather(near->rows, &entries[i].slot, 1, near->origin, rows + i * width);
    mark(near, rows, tile_count(near, tile), near->marks + tile * TILE * MARKS);
}

static enum kernel_status make_marks(struct select_near *near, const uint32_t *slots)
{
    size_t count = near->first.count;
    if (count < MARKS_FROM || near->rows->width < MARKS_WIDTH)
        return KERNEL_OK;
    float *origin = malloc(near->rows->width * sizeof *origin);
    near->marks = malloc(count * MARKS * sizeof *near->marks);
    struct kernel_directions_wish wish = {.sample = SAMPLE, .most = MARKS, .rounds = ROUNDS};
    enum kernel_status status = KERNEL_NO_MEMORY;
    if (origin != NULL && near->marks != NULL)
        status = kernel_directions_init(&near->directions, near->team, near->rows, slots, count, &wish, origin);
    free(origin);
    if (status != KERNEL_OK || near->directions.count != MARKS)
        return status;
    near->mark_error = 2 * sqrt(MARKS) * kernel_rounding(near->rows->width) + near->directions.error;
    bool all = kernel_team_run(near->team, (count + TILE - 1) / TILE, mark_tile, near);
    return all ? KERNEL_OK : KERNEL_STOPPED;
}

enum kernel_status select_near_begin(struct select_near *near, const uint32_t *slots, size_t count)
{
    if (!make_room(&near->first, count))
        return KERNEL_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        near->first.entries[i].slot = slots[i];
    near->first.count = count;
    if (!kernel_team_run(near->team, (count + TILE - 1) / TILE, length_tile, near))
        return KERNEL_STOPPED;
    return sort_entries(&near->first) ? make_marks(near, slots) : KERNEL_NO_MEMORY;
}

bool select_near_add(struct select_near *near, uint32_t slot)
{
    struct list *list = &near->added;
    if (!make_room(list, list->count + 1))
        return false;
    double length = load(near, slot, near->row);
    size_t at = lower_bound(list, length);
    memmove(list->entries + at + 1, list->entries + at, (list->count - at) * sizeof *list->entries);
    list->entries[at] = (struct entry){.length = length, .slot = slot};
    list->count++;
    return true;
}

/* --- the search --------------------------------------------------------------------------------------------------------- */

/* The entries of a list that are about as long as near->row. */
struct window {
    const struct select_near *near;
    const struct entry *entries;
    size_t count;
    const float *marks; /* [count x MARKS], NULL: none */
    float own[MARKS];   /* of near->row */
    float most2;        /* marks that are farther apart than the root of this are of rows that are too far */
    atomic_bool found;
};

static void search_tile(void *context, size_t tile, unsigned worker)
{
    struct window *window = context;
    const struct select_near *near = window->near;
    size_t width = near->rows->width;
    float *other = near->scratch + worker * TILE * width;
    for (size_t i = tile * TILE; i < (tile + 1) * TILE && i < window->count && !atomic_load(&window->found); i++) {
        if (window->marks != NULL && kernel_distance2(window->own, window->marks + i * MARKS, MARKS) > window->most2)
            continue;
        kernel_gather(near->rows, &window->entries[i].slot, 1, near->origin, other);
        if ((double)kernel_distance2(near->row, other, width) <= near->distance2)
            atomic_store(&window->found, true);
    }
}

static enum kernel_status search(struct select_near *near, const struct list *list, double length, bool *has)
{
    double slack = near->distance + 1e-5 * length;
    size_t from = lower_bound(list, length - slack);
    struct window window = {.near = near, .entries = list->entries + from};
    while (from + window.count < list->count && window.entries[window.count].length <= length + slack)
        window.count++;
    if (list == &near->first && near->directions.count == MARKS && window.count > 0) {
        window.marks = near->marks + from * MARKS;
        mark(near, near->row, 1, window.own);
        double most = near->distance + near->mark_error * (2 * length + slack);
        window.most2 = (float)(most * most * (1 + 0x1p-16));
    }
    if (!kernel_team_run(near->team, (window.count + TILE - 1) / TILE, search_tile, &window))
        return KERNEL_STOPPED;
    *has = atomic_load(&window.found);
    return KERNEL_OK;
}

enum kernel_status select_near_has(struct select_near *near, uint32_t slot, bool *has)
{
    double length = load(near, slot, near->row);
    enum kernel_status status = search(near, &near->added, length, has);
    return status == KERNEL_OK && !*has ? search(near, &near->first, length, has) : status;
}
