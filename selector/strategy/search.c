/*
 * search.c - more of one rare class, outward from the few samples of it that are known.
 *
 * After SEALS (Coleman and others, "Similarity search for efficient active learning and search of rare concepts", AAAI 2022),
 * which looks only among the nearest neighbours of what is known, and AnchorAL (Lesci and Vlachos, NAACL 2024), whose anchors
 * are labelled samples of the rare class. Anchors are the labelled samples of parameters.class_sought, ANCHORS_MAX evenly
 * spaced ones where there are more. A candidate among the parameters.neighbors (100, as in SEALS; AnchorAL takes 50) nearest
 * of some anchor gains 1 and the model's probability of the class; any other, which SEALS would not look at, a likeness below
 * 1 that falls with the distance to its nearest anchor, so that the picks go on where the neighbours end. Where the model says
 * nothing of a neighbour, likeness stands for the probability. Without an anchor it is the probability alone. Ordered by gain
 * per dollar.
 */
#include "selector/kernel/centered.h"
#include "selector/kernel/distance.h"
#include "selector/kernel/vector.h"
#include "selector/strategy/order.h"
#include "selector/strategy/strategies.h"
#include "selector/strategy/subset.h"

#include <math.h>
#include <stdlib.h>

enum { ANCHORS_MAX = 1024, NEIGHBORS_DEFAULT = 100, TILE = 256 };

struct search {
    struct select_job *job;
    struct kernel_points anchors;
    uint32_t *slots;  /* of the anchors */
    float *values;    /* [anchors x width], around their mean */
    float *norm2;     /* [anchors] */
    float *origin;    /* [width] */
    float *reach;     /* [anchors] squared distance to the last of its neighbours */
    float widest;     /* of the reaches that are finite */
    double *likeness; /* [candidates] 1 and more: a neighbour of some anchor */
    float *scratch;   /* for each worker: rows of a tile, their lengths, distances */
    size_t scratch_size;
};

static size_t list_anchors(const struct select_job *job, uint32_t *slots)
{
    const struct select_input *input = job->input;
    size_t count = 0;
    for (uint32_t i = 0; input->label != NULL && i < input->n; i++) {
        if (input->state[i] == SELECT_LABELED && input->label[i] == (int64_t)job->policy->parameters.class_sought &&
            kernel_row(input->embeddings, i) != NULL)
            slots[count++] = i;
    }
    return select_thin(slots, count, ANCHORS_MAX, slots);
}

static void look_tile(void *context, size_t tile, unsigned worker)
{
    struct search *search = context;
    const struct select_job *job = search->job;
    size_t width = search->anchors.width;
    size_t from = tile * TILE;
    size_t count = job->candidate_count - from < TILE ? job->candidate_count - from : TILE;
    float *rows = search->scratch + worker * search->scratch_size;
    float *norm2 = rows + TILE * width;
    float *distances = norm2 + TILE;
    kernel_gather(job->input->embeddings, job->candidates + from, count, search->origin, rows);
    for (size_t i = 0; i < count; i++)
        norm2[i] = kernel_norm2(rows + i * width, width);
    kernel_distances(rows, norm2, count, &search->anchors, distances);
    for (size_t i = 0; i < count; i++) {
        const float *row = distances + i * search->anchors.count;
        float nearest = HUGE_VALF;
        bool inside = false;
        for (size_t a = 0; a < search->anchors.count; a++) {
            nearest = row[a] < nearest ? row[a] : nearest;
            /* The same product was rounded elsewhere when the reach was found. */
            inside = inside || row[a] <= search->reach[a] * (1 + 1e-5F);
        }
        double likeness = search->widest > 0 ? (double)search->widest / ((double)search->widest + (double)nearest) : 0.5;
        search->likeness[from + i] = (inside ? 1 : 0) + likeness * (1 - 1e-6);
    }
}

/* How far each anchor's nearest candidates reach. */
static enum select_status find_reach(struct search *search)
{
    const struct select_job *job = search->job;
    size_t wanted = job->policy->parameters.neighbors > 0 ? job->policy->parameters.neighbors : NEIGHBORS_DEFAULT;
    struct kernel_subset set = {job->input->embeddings, job->candidates, job->candidate_count, search->origin};
    enum kernel_status status =
        kernel_neighbor_distance(job->team, &search->anchors, NULL, &set, (unsigned)wanted, search->reach);
    for (size_t a = 0; a < search->anchors.count; a++) {
        if (isfinite(search->reach[a]) && search->reach[a] > search->widest)
            search->widest = search->reach[a];
    }
    return select_status_of(status);
}

static enum select_status look_around(struct search *search, size_t count)
{
    struct select_job *job = search->job;
    const struct kernel_rows *rows = job->input->embeddings;
    size_t width = rows->width;
    search->scratch_size = TILE * (width + 1 + count);
    search->values = malloc(count * width * sizeof *search->values);
    search->norm2 = malloc(count * sizeof *search->norm2);
    search->origin = malloc(width * sizeof *search->origin);
    search->reach = malloc(count * sizeof *search->reach);
    search->scratch = malloc(kernel_team_size(job->team) * search->scratch_size * sizeof *search->scratch);
    if (search->values == NULL || search->norm2 == NULL || search->origin == NULL || search->reach == NULL ||
        search->scratch == NULL)
        return SELECT_NO_MEMORY;
    if (!kernel_gather_centered(job->team, rows, search->slots, count, search->origin, search->values, search->norm2))
        return SELECT_CANCELED;
    search->anchors = (struct kernel_points){search->values, search->norm2, count, width};
    enum select_status status = find_reach(search);
    if (status != SELECT_OK)
        return status;
    select_job_pass(job, 0, 0.9);
    bool done = kernel_team_run(job->team, (job->candidate_count + TILE - 1) / TILE, look_tile, search);
    return done ? SELECT_OK : SELECT_CANCELED;
}

/* The model's probability that a sample is of the class; -1: it says nothing. */
static double probability_of(const struct select_job *job, uint32_t slot)
{
    const struct kernel_rows *rows = job->input->probabilities;
    const void *row = rows != NULL ? kernel_row(rows, slot) : NULL;
    if (row == NULL)
        return -1;
    float value;
    size_t bytes = rows->dtype == KERNEL_F16 ? 2 : 4;
    kernel_widen((const char *)row + job->policy->parameters.class_sought * bytes, rows->dtype, 1, &value);
    return (double)value;
}

/* likeness[] becomes the gain. */
static void weigh(const struct search *search, bool anchored)
{
    for (size_t i = 0; i < search->job->candidate_count; i++) {
        double probability = probability_of(search->job, search->job->candidates[i]);
        double likeness = anchored ? search->likeness[i] : 0;
        if (!anchored)
            search->likeness[i] = probability > 0 ? probability : 0;
        else if (likeness >= 1 && probability >= 0)
            search->likeness[i] = 1 + probability;
    }
}

static enum select_status check(const struct select_job *job, size_t anchors)
{
    uint32_t sought = job->policy->parameters.class_sought;
    if (sought >= job->input->classes)
        return select_fail(job->error, SELECT_BAD_INPUT, "class_sought", "a class that there is", "%u", sought);
    if (anchors == 0 && job->input->probabilities == NULL)
        return select_fail(
            job->error, SELECT_NEEDS_COLUMN, "labels", "a labelled sample of the class, or probabilities", "neither");
    return SELECT_OK;
}

enum select_status select_run_search(struct select_job *job)
{
    select_job_keep_embedded(job);
    struct search search = {
        .job = job,
        .slots = malloc((job->input->n + 1) * sizeof *search.slots),
        .likeness = malloc((job->candidate_count + 1) * sizeof *search.likeness),
    };
    enum select_status status = SELECT_NO_MEMORY;
    if (search.slots == NULL || search.likeness == NULL)
        goto done;
    size_t anchors = list_anchors(job, search.slots);
    status = check(job, anchors);
    if (status == SELECT_OK && anchors > 0)
        status = look_around(&search, anchors);
    if (status != SELECT_OK)
        goto done;
    weigh(&search, anchors > 0);
    status = select_rank(job, search.likeness);
done:
    free(search.slots);
    free(search.values);
    free(search.norm2);
    free(search.origin);
    free(search.reach);
    free(search.likeness);
    free(search.scratch);
    return status;
}
