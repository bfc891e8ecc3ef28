#include "selector/kernel/neighbors.h"

#include "selector/kernel/cpu.h"
#include "selector/kernel/gemm.h"
#include "selector/kernel/hits.h"
#include "selector/kernel/nearest.h"
#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>

enum { QUERIES = 512, TILE = KERNEL_SKETCH_TILE, PENDING = 512 };

/* A pair that its lower bound does not rule out. */
struct pair {
    float bound; /* squared distance of the sketches, less the query's squared length */
    uint32_t at; /* in the sketch */
};

/* One query's search. */
struct query {
    uint32_t at; /* in the sketch */
    float norm2;
    float cut;          /* pairs with a greater bound are no neighbours */
    float *leading;     /* [k] least bounds so far, rising */
    struct pair *pairs; /* [PENDING] to be measured */
    size_t pair_count;
    const float *row; /* [rows->width] */
    struct kernel_nearest nearest;
};

struct search {
    struct kernel_team *team;
    const struct kernel_sketch *sketch;
    uint32_t *queries; /* [query_count] numbers, in the sketch's order */
    uint32_t *at;      /* [query_count] their places in the sketch */
    size_t query_count;
    size_t *groups; /* [group_count + 1] where each group of queries begins: they visit the same tiles */
    size_t group_count;
    size_t visits;
    const struct kernel_neighbors *found;
    struct worker {
        struct query *queries; /* [QUERIES] */
        float *leading;        /* [QUERIES x k] */
        struct pair *pairs;    /* [QUERIES x PENDING] */
        float *rows;           /* [QUERIES x rows->width] */
        float *row;            /* [rows->width] */
        float *turned;         /* [QUERIES x width] what is multiplied */
        float *sketches;       /* [TILE x width] */
        float *products;       /* [QUERIES x TILE] */
        uint32_t *hits;        /* [TILE] */
        uint32_t *tiles;       /* [visits] of the sketch, nearest first */
        float *tile_distances; /* [visits] */
    } * workers;
};

/* --- measuring pairs ---------------------------------------------------------------------------------------------------- */

/* The greatest bound of a pair that could still be among the k nearest. */
static void set_cut(const struct search *search, struct query *query)
{
    query->cut = kernel_sketch_cut(search->sketch, query->norm2, (double)kernel_nearest_last(&query->nearest));
}

static void measure(const struct search *search, const struct worker *worker, struct query *query, uint32_t at)
{
    const struct kernel_rows *rows = search->sketch->rows;
    uint32_t slot = search->sketch->slots[at];
    const float *row = kernel_row_floats(rows, slot, worker->row);
    if (kernel_nearest_add(&query->nearest, kernel_distance2(query->row, row, rows->width), slot))
        set_cut(search, query);
}

static void drop_beyond(struct query *query)
{
    size_t kept = 0;
    for (size_t i = 0; i < query->pair_count; i++) {
        if (!(query->pairs[i].bound > query->cut))
            query->pairs[kept++] = query->pairs[i];
    }
    query->pair_count = kept;
}

static void measure_pending(const struct search *search, const struct worker *worker, struct query *query)
{
    for (size_t i = 0; i < query->pair_count; i++) {
        if (!(query->pairs[i].bound > query->cut))
            measure(search, worker, query, query->pairs[i].at);
    }
    query->pair_count = 0;
}

/*
 * What leads by its bound is likely a neighbour, and measured at once to lower the cut; the rest waits for the lowest cut of
 * all.
 */
static void take(const struct search *search, const struct worker *worker, struct query *query, float bound, uint32_t at)
{
    if (at == query->at || bound > query->cut || search->sketch->places[at] < search->found->hidden)
        return;
    if (kernel_smallest_add(query->leading, query->nearest.k, bound)) {
        measure(search, worker, query, at);
        return;
    }
    query->pairs[query->pair_count++] = (struct pair){bound, at};
    if (query->pair_count < PENDING)
        return;
    drop_beyond(query);
    if (query->pair_count > PENDING / 2)
        measure_pending(search, worker, query);
}

/* --- tiles of queries --------------------------------------------------------------------------------------------------- */

static void query_init(const struct search *search, const struct worker *worker, size_t ordinal, size_t i)
{
    const struct kernel_sketch *sketch = search->sketch;
    size_t d = sketch->rows->width;
    size_t k = search->found->k;
    uint32_t at = search->at[ordinal];
    uint32_t number = search->queries[ordinal];
    const float *point = kernel_sketch_tile(sketch, at, 1, worker->sketches);
    struct query *query = &worker->queries[i];
    kernel_gather(sketch->rows, &sketch->slots[at], 1, NULL, worker->rows + i * d);
    *query = (struct query){
        .at = at,
        .norm2 = point[sketch->width - 1],
        .leading = worker->leading + i * k,
        .pairs = worker->pairs + i * PENDING,
        .row = worker->rows + i * d,
    };
    for (size_t j = 0; j < k; j++)
        query->leading[j] = INFINITY;
    kernel_nearest_init(&query->nearest, k, search->found->slots + number * k, search->found->distances2 + number * k);
    set_cut(search, query);
    kernel_sketch_query(point, sketch->width, worker->turned + i * sketch->width);
}

static size_t sketch_tiles(const struct kernel_sketch *sketch)
{
    return (sketch->count + TILE - 1) / TILE;
}

/* Compares `count` queries with one tile of the sketch. */
static void compare(const struct search *search, const struct worker *worker, size_t count, size_t from)
{
    const struct kernel_sketch *sketch = search->sketch;
    size_t width = sketch->width;
    size_t m = sketch->count - from < TILE ? sketch->count - from : TILE;
    const float *points = kernel_sketch_tile(sketch, from, m, worker->sketches);
    kernel_gemm_nt(count, m, width, worker->turned, width, points, width, worker->products, m);
    for (size_t i = 0; i < count; i++) {
        const float *products = worker->products + i * m;
        size_t hits = kernel_hits(products, m, worker->queries[i].cut, worker->hits);
        for (size_t h = 0; h < hits; h++)
            take(search, worker, &worker->queries[i], products[worker->hits[h]], (uint32_t)from + worker->hits[h]);
    }
}

/* The tiles nearest to one, by their means; all, where all are visited. */
static void list_tiles(const struct search *search, const struct worker *worker, size_t own)
{
    const struct kernel_sketch *sketch = search->sketch;
    size_t width = sketch->width - 1;
    struct kernel_nearest nearest;
    kernel_nearest_init(&nearest, search->visits, worker->tiles, worker->tile_distances);
    for (size_t t = 0; t < sketch_tiles(sketch); t++) {
        float distance2 = t == own ? -1 : kernel_distance2(sketch->centers + own * width, sketch->centers + t * width, width);
        kernel_nearest_add(&nearest, distance2, (uint32_t)t);
    }
}

static void search_group(void *context, size_t group, unsigned number)
{
    const struct search *search = context;
    const struct worker *worker = &search->workers[number];
    size_t from = search->groups[group];
    size_t count = search->groups[group + 1] - from;
    size_t own = search->at[from] / TILE;
    size_t tiles = sketch_tiles(search->sketch);
    for (size_t i = 0; i < count; i++)
        query_init(search, worker, from + i, i);
    bool all = search->visits == tiles;
    if (!all)
        list_tiles(search, worker, own);
    for (size_t t = 0; t < search->visits && !kernel_team_poll(search->team, number); t++)
        compare(search, worker, count, (all ? (own + t) % tiles : worker->tiles[t]) * TILE);
    for (size_t i = 0; i < count && !kernel_team_poll(search->team, number); i++)
        measure_pending(search, worker, &worker->queries[i]);
    if (search->found->done != NULL)
        atomic_fetch_add(search->found->done, count);
}

/* Puts the queries in the sketch's order, so that those of a tile are near each other. */
static bool list_queries(struct search *search, const uint32_t *queries)
{
    const struct kernel_sketch *sketch = search->sketch;
    uint32_t *number = malloc((sketch->count + 1) * sizeof *number);
    search->queries = malloc((search->query_count + 1) * sizeof *search->queries);
    search->at = malloc((search->query_count + 1) * sizeof *search->at);
    bool ok = number != NULL && search->queries != NULL && search->at != NULL;
    for (size_t i = 0; ok && i < sketch->count; i++)
        number[i] = queries == NULL ? (uint32_t)i : UINT32_MAX;
    for (size_t q = 0; ok && queries != NULL && q < search->query_count; q++)
        number[queries[q]] = (uint32_t)q;
    size_t listed = 0;
    for (size_t at = 0; ok && at < sketch->count; at++) {
        uint32_t q = number[sketch->places[at]];
        if (q == UINT32_MAX)
            continue;
        search->queries[listed] = q;
        search->at[listed++] = (uint32_t)at;
    }
    free(number);
    return ok;
}

/* Groups of as many queries as can be; of one tile of the sketch each where only some tiles are visited. */
static bool list_groups(struct search *search)
{
    search->groups = malloc((search->query_count + 1) * sizeof *search->groups);
    if (search->groups == NULL)
        return false;
    bool all = search->visits == sketch_tiles(search->sketch);
    for (size_t q = 0; q < search->query_count; q++) {
        size_t size = search->group_count > 0 ? q - search->groups[search->group_count - 1] : QUERIES;
        if (size == QUERIES || (!all && search->at[q] / TILE != search->at[q - 1] / TILE))
            search->groups[search->group_count++] = q;
    }
    search->groups[search->group_count] = search->query_count;
    return true;
}

static bool worker_init(struct worker *worker, const struct search *search)
{
    size_t width = search->sketch->width;
    size_t d = search->sketch->rows->width;
    *worker = (struct worker){
        .queries = malloc(QUERIES * sizeof *worker->queries),
        .leading = malloc(QUERIES * search->found->k * sizeof *worker->leading),
        .pairs = malloc(QUERIES * PENDING * sizeof *worker->pairs),
        .rows = malloc(QUERIES * d * sizeof *worker->rows),
        .row = malloc(d * sizeof *worker->row),
        .turned = malloc(QUERIES * width * sizeof *worker->turned),
        .sketches = malloc(TILE * width * sizeof *worker->sketches),
        .products = malloc(QUERIES * TILE * sizeof *worker->products),
        .hits = malloc((TILE + 1) * sizeof *worker->hits),
        .tiles = malloc((search->visits + 1) * sizeof *worker->tiles),
        .tile_distances = malloc((search->visits + 1) * sizeof *worker->tile_distances),
    };
    return worker->queries != NULL && worker->leading != NULL && worker->pairs != NULL && worker->rows != NULL &&
           worker->row != NULL && worker->turned != NULL && worker->sketches != NULL && worker->products != NULL &&
           worker->hits != NULL && worker->tiles != NULL && worker->tile_distances != NULL;
}

static void worker_deinit(struct worker *worker)
{
    free(worker->queries);
    free(worker->leading);
    free(worker->pairs);
    free(worker->rows);
    free(worker->row);
    free(worker->turned);
    free(worker->sketches);
    free(worker->products);
    free(worker->hits);
    free(worker->tiles);
    free(worker->tile_distances);
}

enum kernel_status kernel_neighbors_find(struct kernel_team *team, const struct kernel_sketch *sketch, const uint32_t *queries,
    size_t query_count, const struct kernel_neighbors *found)
{
    unsigned threads = kernel_team_size(team);
    struct search search = {
        .team = team,
        .sketch = sketch,
        .query_count = queries != NULL ? query_count : sketch->count,
        .visits = found->visits > 0 && found->visits < sketch_tiles(sketch) ? found->visits : sketch_tiles(sketch),
        .found = found,
        .workers = calloc(threads, sizeof *search.workers),
    };
    bool ok = search.workers != NULL && list_queries(&search, queries) && list_groups(&search);
    for (unsigned i = 0; ok && i < threads; i++)
        ok = worker_init(&search.workers[i], &search);
    enum kernel_status status = KERNEL_NO_MEMORY;
    if (ok)
        status = kernel_team_run(team, search.group_count, search_group, &search) ? KERNEL_OK : KERNEL_STOPPED;
    for (unsigned i = 0; search.workers != NULL && i < threads; i++)
        worker_deinit(&search.workers[i]);
    free(search.workers);
    free(search.queries);
    free(search.at);
    free(search.groups);
    return status;
}
