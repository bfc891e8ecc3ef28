#include "selector/kernel/dpp.h"

#include "selector/kernel/centers.h"
#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>

enum {
    TILE = 8,       /* candidates brought up to date together */
    BATCH_MIN = 64, /* candidates when the top of the heap is stale, doubled while it stays so */
    ROOM_MIN = 64,  /* elements of a row of the factor */
};

/* What is left of a candidate beside the set, as a share of its quality, below which it is rounding. */
static const double share_least = 1e-6;

/* A row of the Cholesky factor as far as it is known. */
struct factor_row {
    float *elements; /* [seen], room for `room` */
    uint32_t room;
    uint32_t seen; /* members of the set that it has elements for */
    double share;  /* 1 - sum of squares; 0: nothing but rounding is left, and no more elements are wanted */
};

struct kernel_dpp {
    struct kernel_team *team;
    struct kernel_dpp_input input;
    size_t width;
    struct factor_row *factor; /* [count] of the candidates */
    double *key;               /* [count] q^2 share, an upper bound while old */
    struct kernel_lazy lazy;
    struct kernel_centers members;    /* the set's rows */
    struct factor_row *member_factor; /* [members.count] */
    size_t member_room;
    float *scratch; /* [workers x width] */
};

struct kernel_dpp *kernel_dpp_new(struct kernel_team *team, const struct kernel_dpp_input *input)
{
    struct kernel_dpp *dpp = calloc(1, sizeof *dpp);
    if (dpp == NULL)
        return NULL;
    size_t count = input->count;
    dpp->team = team;
    dpp->input = *input;
    dpp->width = input->rows->width;
    kernel_centers_init(&dpp->members, input->rows, NULL, NULL);
    dpp->factor = calloc(count + 1, sizeof *dpp->factor);
    dpp->key = malloc((count + 1) * sizeof *dpp->key);
    bool ready = kernel_lazy_init(&dpp->lazy, dpp->key, count);
    dpp->scratch = malloc(kernel_team_size(team) * dpp->width * sizeof *dpp->scratch);
    if (!ready || dpp->factor == NULL || dpp->key == NULL || dpp->scratch == NULL) {
        kernel_dpp_free(&dpp);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        dpp->factor[i].share = 1;
        dpp->key[i] = input->quality[i] * input->quality[i];
    }
    return dpp;
}

void kernel_dpp_free(struct kernel_dpp **pointer)
{
    struct kernel_dpp *dpp = *pointer;
    if (dpp == NULL)
        return;
    for (size_t i = 0; dpp->factor != NULL && i < dpp->input.count; i++)
        free(dpp->factor[i].elements);
    for (size_t j = 0; j < dpp->members.count; j++)
        free(dpp->member_factor[j].elements);
    free(dpp->factor);
    free(dpp->key);
    kernel_lazy_deinit(&dpp->lazy);
    free(dpp->scratch);
    kernel_centers_deinit(&dpp->members);
    free(dpp->member_factor);
    free(dpp);
    *pointer = NULL;
}

/* --- rows of the factor ------------------------------------------------------------------------------------------------- */

/* Room for an element for every member. */
static bool reserve(const struct kernel_dpp *dpp, struct factor_row *row)
{
    if (row->room >= dpp->members.count)
        return true;
    size_t room = row->room > 0 ? row->room : ROOM_MIN;
    while (room < dpp->members.count)
        room *= 2;
    float *elements = realloc(row->elements, room * sizeof *elements);
    if (elements == NULL)
        return false;
    row->elements = elements;
    row->room = (uint32_t)room;
    return true;
}

/* Whether the row has all elements that it is to have. */
static bool complete(const struct kernel_dpp *dpp, const struct factor_row *row)
{
    return row->seen == dpp->members.count || !(row->share > 0);
}

/* Forward substitution: the elements for the members that the row has not seen. x: its embedding. */
static void extend(const struct kernel_dpp *dpp, const float *x, struct factor_row *row)
{
    while (!complete(dpp, row)) {
        size_t j = row->seen++;
        const struct factor_row *member = &dpp->member_factor[j];
        float inner = kernel_dot(row->elements, member->elements, j);
        double distance2 = (double)kernel_distance2(x, dpp->members.values + j * dpp->width, dpp->width);
        double similarity = exp(-distance2 / (double)dpp->input.scale);
        row->elements[j] = (float)((similarity - (double)inner) / sqrt(member->share));
        row->share -= (double)row->elements[j] * (double)row->elements[j];
        if (row->share < share_least)
            row->share = 0;
    }
}

static void extend_tile(void *context, size_t tile, unsigned worker)
{
    struct kernel_dpp *dpp = context;
    float *x = dpp->scratch + worker * dpp->width;
    for (size_t at = tile * TILE; at < dpp->lazy.batch_count && at < (tile + 1) * TILE; at++) {
        uint32_t i = dpp->lazy.batch[at];
        kernel_gather(dpp->input.rows, &dpp->input.slots[i], 1, NULL, x);
        extend(dpp, x, &dpp->factor[i]);
        double share = dpp->factor[i].share > share_least ? dpp->factor[i].share : share_least;
        dpp->key[i] = dpp->input.quality[i] * dpp->input.quality[i] * share;
    }
}

/* --- the set ------------------------------------------------------------------------------------------------------------ */

/* Makes a complete row one of the set, and owns its elements from then on. What the set determines already adds nothing. */
static enum kernel_status join(struct kernel_dpp *dpp, uint32_t slot, struct factor_row *row)
{
    if (!(row->share > 0))
        return KERNEL_OK;
    if (dpp->members.count == dpp->member_room) {
        size_t room = dpp->member_room > 0 ? 2 * dpp->member_room : ROOM_MIN;
        struct factor_row *factor = realloc(dpp->member_factor, room * sizeof *factor);
        if (factor == NULL)
            return KERNEL_NO_MEMORY;
        dpp->member_factor = factor;
        dpp->member_room = room;
    }
    if (!kernel_centers_add(&dpp->members, slot))
        return KERNEL_NO_MEMORY;
    dpp->member_factor[dpp->members.count - 1] = *row;
    row->elements = NULL;
    return KERNEL_OK;
}

enum kernel_status kernel_dpp_add(struct kernel_dpp *dpp, uint32_t slot)
{
    if (kernel_team_stopped(dpp->team))
        return KERNEL_STOPPED;
    struct factor_row row = {.share = 1};
    enum kernel_status status = KERNEL_NO_MEMORY;
    if (reserve(dpp, &row)) {
        kernel_gather(dpp->input.rows, &slot, 1, NULL, dpp->scratch);
        extend(dpp, dpp->scratch, &row);
        status = join(dpp, slot, &row);
    }
    free(row.elements);
    return status;
}

/* --- the iteration ------------------------------------------------------------------------------------------------------ */

static bool stale(const void *self, uint32_t index)
{
    const struct kernel_dpp *dpp = self;
    return !complete(dpp, &dpp->factor[index]);
}

void kernel_dpp_rewind(struct kernel_dpp *dpp, kernel_accept_fn *accept, void *context)
{
    kernel_lazy_rewind(&dpp->lazy, accept, context);
}

/* Brings the batch up to date. */
static enum kernel_status extend_batch(struct kernel_dpp *dpp)
{
    for (size_t b = 0; b < dpp->lazy.batch_count; b++) {
        if (!reserve(dpp, &dpp->factor[dpp->lazy.batch[b]]))
            return KERNEL_NO_MEMORY;
    }
    bool done = kernel_team_run(dpp->team, (dpp->lazy.batch_count + TILE - 1) / TILE, extend_tile, dpp);
    return done ? KERNEL_OK : KERNEL_STOPPED;
}

enum kernel_status kernel_dpp_next(
    struct kernel_dpp *dpp, kernel_accept_fn *accept, void *context, uint32_t *index, double *gain)
{
    struct kernel_lazy *lazy = &dpp->lazy;
    for (size_t batch = BATCH_MIN; kernel_lazy_top(lazy, accept, context, index); batch *= batch < lazy->heap.count ? 2 : 1) {
        if (!stale(dpp, *index)) {
            kernel_heap_pop(&lazy->heap);
            *gain = log(dpp->key[*index]);
            return KERNEL_OK;
        }
        kernel_lazy_pop_stale(lazy, batch, stale, dpp, accept, context);
        enum kernel_status status = extend_batch(dpp);
        kernel_lazy_push_batch(lazy);
        if (status != KERNEL_OK)
            return status;
    }
    return KERNEL_END;
}

enum kernel_status kernel_dpp_take(struct kernel_dpp *dpp, uint32_t index)
{
    dpp->lazy.taken[index] = 1;
    return join(dpp, dpp->input.slots[index], &dpp->factor[index]);
}
