#include "selector/strategy/near.h"

#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/*
 * Two rows within r of each other have lengths within r of each other, so only a window of the list, which is sorted by length,
 * can hold a near-duplicate.
 */
struct select_near {
    const struct kernel_rows *rows;
    const float *origin;
    double distance2;
    double distance;
    size_t count;
    size_t room;
    struct near_entry {
        double length;
        uint32_t slot;
    } * entries;  /* by rising length */
    float *row;   /* [width] scratch */
    float *other; /* [width] scratch */
};

struct select_near *select_near_new(const struct kernel_rows *rows, const float *origin, double distance2)
{
    struct select_near *near = calloc(1, sizeof *near);
    if (near == NULL)
        return NULL;
    near->rows = rows;
    near->origin = origin;
    near->distance2 = distance2;
    /* A little wider than the distance: lengths are rounded. */
    near->distance = sqrt(distance2) * 1.0001;
    near->row = malloc((rows->width + 1) * sizeof *near->row);
    near->other = malloc((rows->width + 1) * sizeof *near->other);
    if (near->row == NULL || near->other == NULL)
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
    free(near->other);
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

static int compare_entries(const void *a, const void *b)
{
    const struct near_entry *x = a;
    const struct near_entry *y = b;
    int by_length = (x->length > y->length) - (x->length < y->length);
    return by_length != 0 ? by_length : (x->slot > y->slot) - (x->slot < y->slot);
}

bool select_near_add_all(struct select_near *near, const uint32_t *slots, size_t count)
{
    if (!make_room(near, near->count + count))
        return false;
    for (size_t i = 0; i < count; i++)
        near->entries[near->count + i] = (struct near_entry){load(near, slots[i], near->row), slots[i]};
    near->count += count;
    if (near->count > 0)
        qsort(near->entries, near->count, sizeof *near->entries, compare_entries);
    return true;
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

bool select_near_has(struct select_near *near, uint32_t slot)
{
    double length = load(near, slot, near->row);
    double slack = near->distance + 1e-5 * length;
    for (size_t i = lower_bound(near, length - slack); i < near->count && near->entries[i].length <= length + slack; i++) {
        kernel_gather(near->rows, &near->entries[i].slot, 1, near->origin, near->other);
        if ((double)kernel_distance2(near->row, near->other, near->rows->width) <= near->distance2)
            return true;
    }
    return false;
}
