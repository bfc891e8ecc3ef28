#include "selector/kernel/dsquared.h"

#include "selector/kernel/random.h"
#include "selector/kernel/sums.h"

#include <math.h>
#include <stdlib.h>

enum {
    BATCH_MIN = 16, /* proposals in the first batch, doubled from one to the next */
    BATCH_MAX = 256,
    CENTERS_FIRST = 32, /* centres of the first pass over all points */
    PROPOSAL_COST = 32, /* of a proposal beside its distances, in distances */
    PASS_SHARE = 2,     /* proposals that cost this part of a pass over all points call for one */
    /* Flags of a candidate. */
    TAKEN = 1,
    OUT = 2, /* of the running until the next rewind */
    IN_BATCH = 4,
};

/* Distances beyond count as this, so that sums stay finite. */
static const double weight_max = 0x1p900;

struct kernel_dsquared {
    struct kernel_dsquared_input input;
    struct kernel_frontier frontier;
    struct kernel_sums weights; /* of the running candidates: bounds, or 1 while `flat` */
    uint8_t *flags;             /* [count] */
    uint32_t *pass;             /* [count] points of a running refresh */
    double *lengths2;           /* [count] squared lengths, from the search for a first point until it is taken */
    bool flat;
    bool rebuild;   /* weights are to be set anew */
    double cost;    /* of proposals since the latest pass over all points, in distances */
    size_t covered; /* centres that there were at that pass */
    uint32_t proposals[BATCH_MAX];
    double proposed_by[BATCH_MAX]; /* weights when they were drawn */
    size_t drawn;
    size_t at;
    size_t batch_size;
    uint64_t counter; /* of proposals before this batch */
};

struct kernel_dsquared *kernel_dsquared_new(struct kernel_team *team, const struct kernel_dsquared_input *input)
{
    struct kernel_dsquared *dsquared = calloc(1, sizeof *dsquared);
    if (dsquared == NULL)
        return NULL;
    dsquared->input = *input;
    dsquared->batch_size = BATCH_MIN;
    dsquared->flags = calloc(input->count + 1, sizeof *dsquared->flags);
    dsquared->pass = malloc((input->count + 1) * sizeof *dsquared->pass);
    bool made = kernel_frontier_init(&dsquared->frontier, team, input->rows, input->residual, input->slots, input->count);
    made = kernel_sums_init(&dsquared->weights, input->count) && made;
    if (!made || dsquared->flags == NULL || dsquared->pass == NULL)
        kernel_dsquared_free(&dsquared);
    return dsquared;
}

void kernel_dsquared_free(struct kernel_dsquared **pointer)
{
    struct kernel_dsquared *dsquared = *pointer;
    if (dsquared == NULL)
        return;
    kernel_frontier_deinit(&dsquared->frontier);
    kernel_sums_deinit(&dsquared->weights);
    free(dsquared->flags);
    free(dsquared->pass);
    free(dsquared->lengths2);
    free(dsquared);
    *pointer = NULL;
}

enum kernel_status kernel_dsquared_add(struct kernel_dsquared *dsquared, uint32_t slot)
{
    return kernel_frontier_add(&dsquared->frontier, slot);
}

void kernel_dsquared_rewind(struct kernel_dsquared *dsquared, kernel_accept_fn *accept, void *context)
{
    for (size_t i = 0; i < dsquared->input.count; i++) {
        bool in = !(dsquared->flags[i] & TAKEN) && (accept == NULL || accept(context, (uint32_t)i));
        dsquared->flags[i] = (uint8_t)((dsquared->flags[i] & TAKEN) | (in ? 0 : OUT));
    }
    dsquared->flat = false;
    dsquared->rebuild = true;
    dsquared->drawn = dsquared->at = 0;
}

static double capped(double distance2)
{
    return distance2 < weight_max ? distance2 : weight_max;
}

static double weight_of(const struct kernel_dsquared *dsquared, size_t i)
{
    if (dsquared->flags[i] & (TAKEN | OUT))
        return 0;
    return dsquared->flat ? 1 : capped(dsquared->frontier.bound[i]);
}

static void set_weights(struct kernel_dsquared *dsquared)
{
    for (size_t i = 0; i < dsquared->input.count; i++)
        dsquared->weights.level[0][i] = weight_of(dsquared, i);
    kernel_sums_build(&dsquared->weights);
    dsquared->rebuild = false;
}

/* --- what is brought up to date ----------------------------------------------------------------------------------------- */

/* The running candidates that have seen fewer than `centers`; of those that have seen none first. */
static size_t list_stale(struct kernel_dsquared *dsquared, size_t centers)
{
    size_t count = 0;
    for (size_t i = 0; i < dsquared->input.count; i++) {
        if (!(dsquared->flags[i] & (TAKEN | OUT)) && dsquared->frontier.seen[i] < centers)
            dsquared->pass[count++] = (uint32_t)i;
    }
    return count;
}

/* Before a batch is drawn: every candidate gets a bound, or a new one where proposals have become dear. */
static bool refresh_all(struct kernel_dsquared *dsquared)
{
    size_t centers = dsquared->frontier.centers.count;
    size_t count = 0;
    size_t limit = CENTERS_FIRST;
    if (centers > 0 && dsquared->rebuild)
        count = list_stale(dsquared, 1);
    if (count == 0 && dsquared->cost * PASS_SHARE > (double)dsquared->input.count * (double)(centers - dsquared->covered)) {
        count = list_stale(dsquared, centers);
        limit = SIZE_MAX;
    }
    if (count == 0)
        return true;
    dsquared->cost = 0;
    dsquared->covered = centers;
    dsquared->rebuild = true;
    return kernel_frontier_refresh(&dsquared->frontier, dsquared->pass, count, limit);
}

/* Brings the proposals up to date, each once. */
static bool refresh_batch(struct kernel_dsquared *dsquared)
{
    struct kernel_frontier *frontier = &dsquared->frontier;
    size_t count = 0;
    for (size_t i = 0; i < dsquared->drawn; i++) {
        uint32_t point = dsquared->proposals[i];
        if (dsquared->flags[point] & IN_BATCH || frontier->seen[point] == frontier->centers.count)
            continue;
        dsquared->flags[point] |= IN_BATCH;
        dsquared->pass[count++] = point;
        dsquared->cost += (double)(frontier->centers.count - frontier->seen[point]);
    }
    for (size_t i = 0; i < count; i++)
        dsquared->flags[dsquared->pass[i]] &= (uint8_t)~IN_BATCH;
    dsquared->cost += (double)dsquared->drawn * PROPOSAL_COST;
    kernel_frontier_sort(frontier, dsquared->pass, count);
    return kernel_frontier_refresh(frontier, dsquared->pass, count, SIZE_MAX);
}

/* --- proposals ---------------------------------------------------------------------------------------------------------- */

/* Gives the candidates of the batch that is over the weights that they have now. */
static void settle(struct kernel_dsquared *dsquared)
{
    for (size_t i = 0; i < dsquared->drawn && !dsquared->rebuild; i++) {
        uint32_t point = dsquared->proposals[i];
        kernel_sums_set(&dsquared->weights, point, weight_of(dsquared, point));
    }
    dsquared->counter += dsquared->drawn;
    dsquared->drawn = dsquared->at = 0;
}

static double uniform(const struct kernel_dsquared *dsquared, uint64_t counter)
{
    return kernel_random_uniform(dsquared->input.seed, dsquared->input.stream, counter);
}

static enum kernel_status draw(struct kernel_dsquared *dsquared)
{
    settle(dsquared);
    if (!refresh_all(dsquared))
        return KERNEL_STOPPED;
    if (dsquared->frontier.centers.count == 0)
        dsquared->flat = true;
    if (dsquared->rebuild)
        set_weights(dsquared);
    if (!(kernel_sums_total(&dsquared->weights) > 0) && !dsquared->flat) {
        dsquared->flat = true;
        set_weights(dsquared);
    }
    if (!(kernel_sums_total(&dsquared->weights) > 0))
        return KERNEL_END;
    for (; dsquared->drawn < dsquared->batch_size; dsquared->drawn++) {
        double share = uniform(dsquared, 2 * (dsquared->counter + dsquared->drawn));
        size_t point = kernel_sums_find(&dsquared->weights, share);
        dsquared->proposals[dsquared->drawn] = (uint32_t)point;
        dsquared->proposed_by[dsquared->drawn] = dsquared->weights.level[0][point];
    }
    if (dsquared->batch_size < BATCH_MAX)
        dsquared->batch_size *= 2;
    return dsquared->flat || refresh_batch(dsquared) ? KERNEL_OK : KERNEL_STOPPED;
}

/* Whether the proposal at its turn is accepted. */
static bool wins(struct kernel_dsquared *dsquared, uint32_t point, double proposed_by, double share)
{
    if (dsquared->flat)
        return true;
    double enough = share * proposed_by;
    if (capped(dsquared->frontier.bound[point]) <= enough)
        return false;
    kernel_frontier_measure(&dsquared->frontier, point);
    return capped(dsquared->frontier.bound[point]) > enough;
}

/* --- the iteration ------------------------------------------------------------------------------------------------------ */

static enum kernel_status longest(
    struct kernel_dsquared *dsquared, kernel_accept_fn *accept, void *context, uint32_t *index, double *length2)
{
    if (dsquared->lengths2 == NULL) {
        dsquared->lengths2 = malloc((dsquared->input.count + 1) * sizeof *dsquared->lengths2);
        if (dsquared->lengths2 == NULL)
            return KERNEL_NO_MEMORY;
        if (!kernel_frontier_lengths(&dsquared->frontier, dsquared->lengths2))
            return KERNEL_STOPPED;
    }
    *length2 = -1;
    for (size_t i = 0; i < dsquared->input.count; i++) {
        if (dsquared->lengths2[i] > *length2 && !(dsquared->flags[i] & OUT) &&
            (accept == NULL || accept(context, (uint32_t)i))) {
            *index = (uint32_t)i;
            *length2 = dsquared->lengths2[i];
        }
    }
    if (*length2 < 0)
        return KERNEL_END;
    *length2 = capped(*length2);
    dsquared->flags[*index] |= OUT;
    return KERNEL_OK;
}

enum kernel_status kernel_dsquared_next(
    struct kernel_dsquared *dsquared, kernel_accept_fn *accept, void *context, uint32_t *index, double *distance2)
{
    if (dsquared->frontier.centers.count == 0 && dsquared->input.first == KERNEL_FIRST_LONGEST)
        return longest(dsquared, accept, context, index, distance2);
    for (;;) {
        if (dsquared->at == dsquared->drawn) {
            enum kernel_status status = draw(dsquared);
            if (status != KERNEL_OK)
                return status;
        }
        size_t turn = dsquared->at++;
        uint32_t point = dsquared->proposals[turn];
        if (dsquared->flags[point] & (TAKEN | OUT))
            continue;
        double share = uniform(dsquared, 2 * (dsquared->counter + turn) + 1);
        bool accepted = accept == NULL || accept(context, point);
        if (accepted && !wins(dsquared, point, dsquared->proposed_by[turn], share))
            continue;
        dsquared->flags[point] |= OUT;
        if (!accepted)
            continue;
        *index = point;
        *distance2 = dsquared->frontier.centers.count > 0 ? capped(dsquared->frontier.bound[point]) : 0;
        return KERNEL_OK;
    }
}

enum kernel_status kernel_dsquared_take(struct kernel_dsquared *dsquared, uint32_t index)
{
    dsquared->flags[index] |= TAKEN;
    if (dsquared->frontier.centers.count == 0) {
        /* Nothing that was drawn without a centre says anything of the distances to one. */
        free(dsquared->lengths2);
        dsquared->lengths2 = NULL;
        dsquared->flat = false;
        dsquared->rebuild = true;
        settle(dsquared);
    }
    return kernel_frontier_add(&dsquared->frontier, dsquared->input.slots[index]);
}
