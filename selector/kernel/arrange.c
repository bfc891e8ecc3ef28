#include "selector/kernel/arrange.h"

#include "selector/kernel/kmeans.h"
#include "selector/kernel/split.h"

#include <stdlib.h>
#include <string.h>

enum { CLUSTERS_MAX = 8192, ROUNDS = 6, BATCH = 64, SPLIT_COORDINATES = 32 };

struct arrangement {
    struct kernel_kmeans kmeans;
    uint32_t *cluster; /* [count] of each row */
    uint32_t *items;   /* [count] by cluster */
    size_t *first;     /* [clusters + 1] */
    uint32_t *turns;   /* [clusters] the clusters, near ones in turn */
};

static bool arrangement_init(struct arrangement *arrangement, size_t count, size_t clusters)
{
    *arrangement = (struct arrangement){
        .cluster = malloc((count + 1) * sizeof *arrangement->cluster),
        .items = malloc((count + 1) * sizeof *arrangement->items),
        .first = malloc((clusters + 1) * sizeof *arrangement->first),
        .turns = malloc((clusters + 1) * sizeof *arrangement->turns),
    };
    return arrangement->cluster != NULL && arrangement->items != NULL && arrangement->first != NULL &&
           arrangement->turns != NULL;
}

static void arrangement_deinit(struct arrangement *arrangement)
{
    kernel_kmeans_deinit(&arrangement->kmeans);
    free(arrangement->cluster);
    free(arrangement->items);
    free(arrangement->first);
    free(arrangement->turns);
}

static void list_by_cluster(struct arrangement *arrangement, size_t count, uint32_t *order)
{
    const struct kernel_kmeans *kmeans = &arrangement->kmeans;
    kernel_kmeans_members(arrangement->cluster, count, kmeans->clusters, arrangement->items, arrangement->first);
    for (size_t c = 0; c < kmeans->clusters; c++)
        arrangement->turns[c] = (uint32_t)c;
    size_t coordinates = kmeans->width < SPLIT_COORDINATES ? kmeans->width : SPLIT_COORDINATES;
    kernel_split(kmeans->centers, kmeans->clusters, coordinates, kmeans->width, 1, arrangement->turns);
    size_t listed = 0;
    for (size_t t = 0; t < kmeans->clusters; t++) {
        size_t first = arrangement->first[arrangement->turns[t]];
        size_t size = arrangement->first[arrangement->turns[t] + 1] - first;
        memcpy(order + listed, arrangement->items + first, size * sizeof *order);
        listed += size;
    }
}

enum kernel_status kernel_arrange(struct kernel_team *team, const struct kernel_rows *rows, const uint32_t *slots, size_t count,
    size_t size, uint64_t seed, uint32_t *order)
{
    size_t clusters = count / size < CLUSTERS_MAX ? count / size : CLUSTERS_MAX;
    if (clusters < 2) {
        for (size_t i = 0; i < count; i++)
            order[i] = (uint32_t)i;
        return KERNEL_OK;
    }
    struct arrangement arrangement;
    struct kernel_kmeans_plan plan = {.clusters = clusters, .rounds = ROUNDS, .batch = BATCH * clusters, .seed = seed};
    enum kernel_status status = KERNEL_NO_MEMORY;
    if (arrangement_init(&arrangement, count, clusters))
        status = kernel_kmeans_init(&arrangement.kmeans, team, rows, slots, count, &plan);
    if (status == KERNEL_OK)
        status = kernel_kmeans_assign(&arrangement.kmeans, team, rows, slots, count, arrangement.cluster);
    if (status == KERNEL_OK)
        list_by_cluster(&arrangement, count, order);
    arrangement_deinit(&arrangement);
    return status;
}
