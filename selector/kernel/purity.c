#include "selector/kernel/purity.h"

#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>

enum { PART = 512 };

struct pass {
    struct kernel_team *team;
    const struct kernel_points *queries;
    const uint32_t *query_clusters;
    const struct kernel_subset *set;
    const uint32_t *clusters;
    float *least;   /* [workers x queries] */
    float *scratch; /* for each worker: rows of a part, their squared lengths, distances */
    size_t scratch_size;
};

static void part_tile(void *context, size_t tile, unsigned worker)
{
    const struct pass *pass = context;
    const struct kernel_points *queries = pass->queries;
    size_t width = queries->width;
    size_t from = tile * PART;
    size_t count = pass->set->count - from < PART ? pass->set->count - from : PART;
    float *rows = pass->scratch + worker * pass->scratch_size;
    float *norm2 = rows + PART * width;
    float *distances = norm2 + PART;
    float *least = pass->least + worker * queries->count;
    kernel_gather(pass->set->rows, pass->set->slots + from, count, pass->set->origin, rows);
    for (size_t i = 0; i < count; i++)
        norm2[i] = kernel_norm2(rows + i * width, width);
    kernel_distances(rows, norm2, count, queries, distances);
    for (size_t i = 0; i < count; i++) {
        for (size_t q = 0; q < queries->count; q++) {
            float d = distances[i * queries->count + q];
            if (pass->clusters[from + i] != pass->query_clusters[q] && d < least[q])
                least[q] = d;
        }
    }
}

enum kernel_status kernel_nearest_foreign(struct kernel_team *team, const struct kernel_points *queries,
    const uint32_t *query_clusters, const struct kernel_subset *set, const uint32_t *clusters, float *out)
{
    unsigned workers = kernel_team_size(team);
    struct pass pass = {
        .team = team,
        .queries = queries,
        .query_clusters = query_clusters,
        .set = set,
        .clusters = clusters,
        .least = malloc((workers * queries->count + 1) * sizeof *pass.least),
        .scratch_size = PART * (queries->width + 1 + queries->count),
    };
    pass.scratch = malloc(workers * pass.scratch_size * sizeof *pass.scratch);
    enum kernel_status status = KERNEL_NO_MEMORY;
    if (pass.least == NULL || pass.scratch == NULL)
        goto done;
    for (size_t i = 0; i < workers * queries->count; i++)
        pass.least[i] = INFINITY;
    status = kernel_team_run(team, (set->count + PART - 1) / PART, part_tile, &pass) ? KERNEL_OK : KERNEL_STOPPED;
    /* A minimum does not tell which worker found it. */
    for (size_t q = 0; q < queries->count; q++) {
        out[q] = INFINITY;
        for (unsigned w = 0; w < workers; w++)
            out[q] = pass.least[w * queries->count + q] < out[q] ? pass.least[w * queries->count + q] : out[q];
    }
done:
    free(pass.least);
    free(pass.scratch);
    return status;
}
