#include "selector/kernel/typicality.h"

#include "selector/kernel/simd.h"
#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>

enum { TILE = 128, PART = 256 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* --- the k smallest distances of each row ------------------------------------------------------------------------------- */

/* Squared ones, rising, a row's behind KERNEL_LANES times -INFINITY and with room for a multiple of KERNEL_LANES. */
struct smallest {
    size_t k;
    size_t stride;
    float *values; /* [rows x stride] */
};

static size_t smallest_stride(size_t k)
{
    return KERNEL_LANES + (k + KERNEL_LANES - 1) / KERNEL_LANES * KERNEL_LANES;
}

static struct smallest smallest_init(float *values, size_t rows, size_t k)
{
    struct smallest smallest = {.k = k, .stride = smallest_stride(k), .values = values};
    for (size_t i = 0; i < rows * smallest.stride; i++)
        values[i] = i % smallest.stride < KERNEL_LANES ? -INFINITY : INFINITY;
    return smallest;
}

KERNEL_INLINE float *smallest_of(const struct smallest *smallest, size_t row)
{
    return smallest->values + row * smallest->stride + KERNEL_LANES;
}

/*
 * Joins a distance to the k smallest of a row: each of them becomes the middle of itself, the one before it and the new one,
 * at once and with no branch that could be guessed wrong.
 */
KERNEL_INLINE void join(float *of, size_t k, float distance)
{
    const kernel_f8 value = (kernel_f8){0} + distance;
    for (size_t end = (k + KERNEL_LANES - 1) / KERNEL_LANES * KERNEL_LANES; end > 0; end -= KERNEL_LANES) {
        kernel_f8 own, before;
        kernel_load8(of + end - KERNEL_LANES, &own);
        kernel_load8(of + end - KERNEL_LANES - 1, &before);
        kernel_max8(&before, &value, &before);
        kernel_min8(&own, &before, &own);
        kernel_store8(of + end - KERNEL_LANES, &own);
    }
}

static float mean_distance(const struct smallest *smallest, size_t row)
{
    const float *of = smallest_of(smallest, row);
    double sum = 0;
    size_t found = 0;
    for (; found < smallest->k && isfinite(of[found]); found++)
        sum += sqrt((double)of[found]);
    return found > 0 ? (float)(sum / (double)found) : 0;
}

static void gather_points(const struct kernel_subset *set, const uint32_t *slots, size_t count, float *values, float *norm2)
{
    size_t width = set->rows->width;
    kernel_gather(set->rows, slots, count, set->origin, values);
    for (size_t i = 0; i < count; i++)
        norm2[i] = kernel_norm2(values + i * width, width);
}

/* --- short lists: a worker each, which makes a distance once for both its ends ------------------------------------------ */

struct short_lists {
    struct kernel_team *team;
    const struct kernel_spread_list *lists;
    size_t longest;
    unsigned k; /* of any at most */
    float *scratch;
    size_t scratch_size; /* for each worker: a part, a tile, distances, smallest, limits */
    atomic_size_t *done;
};

/* One list, its worker's memory. */
struct short_list {
    const struct kernel_subset *set;
    float *part; /* [PART x width] */
    float *part_norm2;
    float *tile; /* [TILE x width] */
    float *tile_norm2;
    float *distances; /* [PART x TILE] */
    float *limits;    /* [set->count] the last of each row's smallest */
    struct smallest smallest;
};

static bool is_short(const struct kernel_spread_list *list)
{
    return list->set.count <= TYPICALITY_SET_MAX;
}

/* Joins distances of row `row` to rows first..first + count - 1 to the smallest of either. */
KERNEL_INLINE void join_pairs_body(
    const float *distances, size_t first, size_t count, size_t row, const struct smallest *smallest, float *limits)
{
    size_t last = smallest->k - 1;
    float *own = smallest_of(smallest, row);
    for (size_t i = 0; i < count; i++) {
        if (distances[i] < own[last])
            join(own, smallest->k, distances[i]);
        if (distances[i] < limits[first + i]) {
            float *other = smallest_of(smallest, first + i);
            join(other, smallest->k, distances[i]);
            limits[first + i] = other[last];
        }
    }
    limits[row] = own[last];
}

KERNEL_VARIANTS(join_pairs,
    (const float *distances, size_t first, size_t count, size_t row, const struct smallest *smallest, float *limits),
    (distances, first, count, row, smallest, limits))

static size_t short_scratch(const struct short_lists *self, size_t width)
{
    return (PART + TILE) * (width + 1) + (size_t)PART * TILE + self->longest * (smallest_stride(self->k) + 1);
}

static struct short_list short_list_init(const struct short_lists *self, const struct kernel_spread_list *list, unsigned worker)
{
    size_t width = list->set.rows->width;
    struct short_list new = {.set = &list->set, .part = self->scratch + worker * self->scratch_size};
    new.part_norm2 = new.part + PART *width;
    new.tile = new.part_norm2 + PART;
    new.tile_norm2 = new.tile + TILE *width;
    new.distances = new.tile_norm2 + TILE;
    new.limits = new.distances + (size_t)PART *TILE;
    for (size_t i = 0; i < list->set.count; i++)
        new.limits[i] = INFINITY;
    new.smallest = smallest_init(new.limits + self->longest, list->set.count, list->k);
    return new;
}

/* Rows at..at + count - 1 of the list, which are the part, with each other and all before them. */
static void join_part(const struct short_lists *self, unsigned worker, const struct short_list *list, size_t at, size_t count)
{
    size_t width = list->set->rows->width;
    gather_points(list->set, list->set->slots + at, count, list->part, list->part_norm2);
    for (size_t first = 0; first < at && !kernel_team_poll(self->team, worker); first += TILE) {
        size_t columns = least(TILE, at - first);
        struct kernel_points tile = {list->tile, list->tile_norm2, columns, width};
        gather_points(list->set, list->set->slots + first, columns, list->tile, list->tile_norm2);
        kernel_distances(list->part, list->part_norm2, count, &tile, list->distances);
        for (size_t i = 0; i < count; i++)
            join_pairs(list->distances + i * columns, first, columns, at + i, &list->smallest, list->limits);
    }
    for (size_t first = 0; first < count && !kernel_team_poll(self->team, worker); first += TILE) {
        size_t columns = least(TILE, count - first);
        const float *values = list->part + first * width;
        const float *norm2 = list->part_norm2 + first;
        struct kernel_points tile = {values, norm2, columns, width};
        kernel_distances(values, norm2, count - first, &tile, list->distances);
        for (size_t i = 0; i < count - first; i++)
            join_pairs(
                list->distances + i * columns, at + first, least(i, columns), at + first + i, &list->smallest, list->limits);
    }
}

static void spread_short_list(void *context, size_t l, unsigned worker)
{
    const struct short_lists *self = context;
    if (!is_short(&self->lists[l]))
        return;
    size_t count = self->lists[l].set.count;
    size_t parts = (count + PART - 1) / PART;
    struct short_list list = short_list_init(self, &self->lists[l], worker);
    for (size_t part = 0; part < parts; part++) {
        size_t at = count * part / parts;
        join_part(self, worker, &list, at, count * (part + 1) / parts - at);
    }
    for (size_t i = 0; i < count; i++)
        self->lists[l].spread[i] = mean_distance(&list.smallest, i);
    atomic_fetch_add(self->done, count);
}

static enum kernel_status spread_short(
    struct kernel_team *team, const struct kernel_spread_list *lists, size_t list_count, atomic_size_t *done)
{
    struct short_lists self = {.team = team, .lists = lists, .done = done};
    for (size_t l = 0; l < list_count; l++) {
        if (!is_short(&lists[l]))
            continue;
        self.longest = lists[l].set.count > self.longest ? lists[l].set.count : self.longest;
        self.k = lists[l].k > self.k ? lists[l].k : self.k;
    }
    if (self.longest == 0)
        return KERNEL_OK;
    self.scratch_size = short_scratch(&self, lists[0].set.rows->width);
    self.scratch = malloc(kernel_team_size(team) * self.scratch_size * sizeof *self.scratch);
    if (self.scratch == NULL)
        return KERNEL_NO_MEMORY;
    bool finished = kernel_team_run(team, list_count, spread_short_list, &self);
    free(self.scratch);
    return finished ? KERNEL_OK : KERNEL_STOPPED;
}

/* --- long lists: all workers, rows that stand for the list -------------------------------------------------------------- */

struct long_list {
    struct kernel_team *team;
    const struct kernel_spread_list *list;
    float *values; /* [point_count x width] what stands for the list */
    float *norm2;  /* [point_count] */
    size_t point_count;
    uint32_t *slots; /* [point_count] */
    float *scratch;  /* for each worker: rows of a tile, their squared lengths, smallest, distances */
    size_t scratch_size;
    atomic_size_t *done;
};

static void load_tile(void *context, size_t tile, unsigned worker)
{
    (void)worker;
    const struct long_list *self = context;
    const struct kernel_subset *set = &self->list->set;
    size_t first = tile * TILE;
    gather_points(set, self->slots + first, least(TILE, self->point_count - first), self->values + first * set->rows->width,
        self->norm2 + first);
}

KERNEL_INLINE void join_row_body(
    const float *distances, const uint32_t *slots, size_t count, uint32_t slot, size_t k, float *smallest)
{
    for (size_t j = 0; j < count; j++) {
        if (distances[j] < smallest[k - 1] && slots[j] != slot)
            join(smallest, k, distances[j]);
    }
}

KERNEL_VARIANTS(join_row,
    (const float *distances, const uint32_t *slots, size_t count, uint32_t slot, size_t k, float *smallest),
    (distances, slots, count, slot, k, smallest))

static void spread_tile(void *context, size_t tile, unsigned worker)
{
    const struct long_list *self = context;
    const struct kernel_subset *set = &self->list->set;
    size_t width = set->rows->width;
    size_t first = tile * TILE;
    size_t count = least(TILE, set->count - first);
    float *rows = self->scratch + worker * self->scratch_size;
    float *norm2 = rows + TILE * width;
    float *distances = norm2 + TILE;
    struct smallest smallest = smallest_init(distances + (size_t)PART * TILE, count, self->list->k);
    gather_points(set, set->slots + first, count, rows, norm2);
    for (size_t at = 0; at < self->point_count && !kernel_team_poll(self->team, worker); at += PART) {
        size_t m = least(PART, self->point_count - at);
        struct kernel_points part = {self->values + at * width, self->norm2 + at, m, width};
        kernel_distances(rows, norm2, count, &part, distances);
        for (size_t i = 0; i < count; i++)
            join_row(distances + i * m, self->slots + at, m, set->slots[first + i], smallest.k, smallest_of(&smallest, i));
    }
    for (size_t i = 0; i < count; i++)
        self->list->spread[first + i] = mean_distance(&smallest, i);
    atomic_fetch_add(self->done, count);
}

static enum kernel_status spread_long(struct kernel_team *team, const struct kernel_spread_list *list, atomic_size_t *done)
{
    const struct kernel_subset *set = &list->set;
    size_t width = set->rows->width;
    size_t points = least(set->count, TYPICALITY_SET_MAX);
    struct long_list self = {
        .team = team,
        .list = list,
        .values = malloc(points * width * sizeof *self.values),
        .norm2 = malloc(points * sizeof *self.norm2),
        .point_count = points,
        .slots = malloc(points * sizeof *self.slots),
        .scratch_size = TILE * (width + 1 + smallest_stride(list->k) + PART),
        .done = done,
    };
    self.scratch = malloc(kernel_team_size(team) * self.scratch_size * sizeof *self.scratch);
    enum kernel_status status = KERNEL_NO_MEMORY;
    if (self.values == NULL || self.norm2 == NULL || self.slots == NULL || self.scratch == NULL)
        goto done;
    for (size_t i = 0; i < points; i++)
        self.slots[i] = set->slots[i * set->count / points];
    bool finished = kernel_team_run(team, (points + TILE - 1) / TILE, load_tile, &self) &&
                    kernel_team_run(team, (set->count + TILE - 1) / TILE, spread_tile, &self);
    status = finished ? KERNEL_OK : KERNEL_STOPPED;
done:
    free(self.values);
    free(self.norm2);
    free(self.slots);
    free(self.scratch);
    return status;
}

enum kernel_status kernel_spread(
    struct kernel_team *team, const struct kernel_spread_list *lists, size_t list_count, atomic_size_t *done)
{
    enum kernel_status status = spread_short(team, lists, list_count, done);
    for (size_t l = 0; status == KERNEL_OK && l < list_count; l++) {
        if (!is_short(&lists[l]))
            status = spread_long(team, &lists[l], done);
    }
    return status;
}
