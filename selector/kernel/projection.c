#include "selector/kernel/projection.h"

#include "selector/kernel/directions.h"
#include "selector/kernel/gemm.h"
#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAYS_FROM = 256, /* elements of a row */
    PART = 8,        /* a projected point has this part of a row's elements */
    WIDTH_MAX = 64,  /* and no more than these: more coordinates cost more than they rule out */
    OWN = 2,         /* of its elements are no directions: the length that Q does not see, and the centre's own length */
    SAMPLE = 1024,   /* rows whose main directions Q spans */
    ROUNDS = 3,      /* of the iteration: directions need not be exact */
    TILE = 256,      /* points projected by one matrix product */
};

/* Squared lengths beyond this are near what float holds. */
static const float norm2_max = 1e30F;

struct kernel_projection {
    struct kernel_team *team;
    const struct kernel_rows *rows;
    const uint32_t *slots;
    size_t count;
    size_t width;                        /* directions.count + OWN */
    double error;                        /* bound of the error of Qx, as a share of |x| */
    double slack;                        /* bound of the error of a squared distance, as a share of both squared lengths */
    float *origin;                       /* [rows->width] taken off every row */
    struct kernel_directions directions; /* Q */
    float *points;                       /* [count x width] */
    float *norm2;                        /* [count] squared lengths */
    float *centers;                      /* [center_count x width] */
    size_t center_count;
    size_t center_room;
    float *scratch; /* [workers][TILE x rows->width] */
};

bool kernel_projection_pays(size_t width)
{
    return width >= PAYS_FROM;
}

/* --- projected points --------------------------------------------------------------------------------------------------- */

/* An upper bound of the length that Q does not see, of a row with its coordinates at `projected`. */
static float unseen_length(const struct kernel_projection *projection, const float *projected, float norm2)
{
    double seen = 0;
    for (size_t i = 0; i < projection->directions.count; i++)
        seen += (double)projected[i] * (double)projected[i];
    double unseen = (double)norm2 - seen;
    return (float)(sqrt((unseen > 0 ? unseen : 0) + 3 * projection->error * (double)norm2) * (1 + 0x1p-22));
}

/* Projects rows [m x rows->width] less the origin, all but the last coordinate. Output: their squared lengths too. */
static void project(const struct kernel_projection *projection, const float *rows, size_t m, float *points, float *norm2)
{
    size_t width = projection->rows->width;
    size_t rank = projection->directions.count;
    kernel_gemm_nt(m, rank, width, rows, width, projection->directions.values, width, points, projection->width);
    for (size_t i = 0; i < m; i++, points += projection->width) {
        norm2[i] = kernel_norm2(rows + i * width, width);
        points[rank] = unseen_length(projection, points, norm2[i]);
    }
}

static void project_tile(void *context, size_t tile, unsigned worker)
{
    struct kernel_projection *projection = context;
    size_t width = projection->rows->width;
    size_t from = tile * TILE;
    size_t m = projection->count - from < TILE ? projection->count - from : TILE;
    float *rows = projection->scratch + worker * TILE * width;
    float *points = projection->points + from * projection->width;
    kernel_gather(projection->rows, projection->slots + from, m, projection->origin, rows);
    project(projection, rows, m, points, projection->norm2 + from);
    for (size_t i = 0; i < m; i++)
        points[(i + 1) * projection->width - 1] = 1;
}

static bool bounded(const struct kernel_projection *projection)
{
    for (size_t i = 0; i < projection->count; i++) {
        if (!(projection->norm2[i] < norm2_max))
            return false;
    }
    return true;
}

static enum kernel_status learn(struct kernel_projection *projection)
{
    const struct kernel_rows *rows = projection->rows;
    size_t most = rows->width / PART < WIDTH_MAX ? rows->width / PART : WIDTH_MAX;
    struct kernel_directions_wish wish = {.sample = SAMPLE, .most = most - OWN, .rounds = ROUNDS};
    projection->origin = malloc(rows->width * sizeof *projection->origin);
    if (projection->origin == NULL)
        return KERNEL_NO_MEMORY;
    enum kernel_status status = kernel_directions_init(
        &projection->directions, projection->team, rows, projection->slots, projection->count, &wish, projection->origin);
    projection->width = projection->directions.count + OWN;
    /* Each coordinate errs by at most (elements of a row) x 2^-24 of the length. */
    projection->error = sqrt((double)projection->width) * ((double)rows->width + 64) * 0x1p-24 + projection->directions.error;
    projection->slack = 2 * projection->error + ((double)rows->width + 2 * (double)projection->width + 64) * 0x1p-24;
    return status;
}

static enum kernel_status fill(struct kernel_projection *projection)
{
    size_t size = projection->count * projection->width;
    projection->points = malloc(size * sizeof *projection->points);
    projection->norm2 = malloc(projection->count * sizeof *projection->norm2);
    projection->scratch =
        malloc(kernel_team_size(projection->team) * TILE * projection->rows->width * sizeof *projection->scratch);
    if (projection->points == NULL || projection->norm2 == NULL || projection->scratch == NULL)
        return KERNEL_NO_MEMORY;
    bool done = kernel_team_run(projection->team, (projection->count + TILE - 1) / TILE, project_tile, projection);
    return done ? KERNEL_OK : KERNEL_STOPPED;
}

enum kernel_status kernel_projection_new(struct kernel_team *team, const struct kernel_rows *rows, const uint32_t *slots,
    size_t count, struct kernel_projection **result)
{
    struct kernel_projection *projection = calloc(1, sizeof *projection);
    *result = NULL;
    if (projection == NULL)
        return KERNEL_NO_MEMORY;
    *projection = (struct kernel_projection){.team = team, .rows = rows, .slots = slots, .count = count};
    enum kernel_status status = learn(projection);
    bool found = status == KERNEL_OK && projection->directions.count > 0;
    if (found)
        status = fill(projection);
    if (found && status == KERNEL_OK && bounded(projection))
        *result = projection;
    else
        kernel_projection_free(&projection);
    return status;
}

void kernel_projection_free(struct kernel_projection **pointer)
{
    struct kernel_projection *projection = *pointer;
    if (projection == NULL)
        return;
    free(projection->origin);
    kernel_directions_deinit(&projection->directions);
    free(projection->points);
    free(projection->norm2);
    free(projection->centers);
    free(projection->scratch);
    free(projection);
    *pointer = NULL;
}

size_t kernel_projection_width(const struct kernel_projection *projection)
{
    return projection->width;
}

static bool make_room(struct kernel_projection *projection, size_t count)
{
    if (count <= projection->center_room)
        return true;
    size_t room = count < 2 * projection->center_room ? 2 * projection->center_room : count;
    float *centers = realloc(projection->centers, room * projection->width * sizeof *centers);
    if (centers == NULL)
        return false;
    projection->centers = centers;
    projection->center_room = room;
    return true;
}

/* Centres that are projected together. */
struct centers {
    struct kernel_projection *projection;
    const float *rows; /* [count x width] */
    size_t count;
};

static void center_tile(void *context, size_t tile, unsigned worker)
{
    const struct centers *centers = context;
    const struct kernel_projection *projection = centers->projection;
    size_t width = projection->rows->width;
    size_t from = tile * TILE;
    size_t m = centers->count - from < TILE ? centers->count - from : TILE;
    float *rows = projection->scratch + worker * TILE * width;
    float *projected = projection->centers + (projection->center_count + from) * projection->width;
    float norm2[TILE];
    for (size_t i = 0; i < m; i++) {
        for (size_t c = 0; c < width; c++)
            rows[i * width + c] = centers->rows[(from + i) * width + c] - projection->origin[c];
    }
    project(projection, rows, m, projected, norm2);
    for (size_t i = 0; i < m; i++, projected += projection->width) {
        for (size_t c = 0; c + 1 < projection->width; c++)
            projected[c] = -projected[c];
        /* A centre too long to reckon with is never ruled out: its product with every point is -infinite, or no number. */
        projected[projection->width - 1] =
            norm2[i] < norm2_max ? (float)((1 - projection->slack) * (double)norm2[i] / 2) : -INFINITY;
    }
}

enum kernel_status kernel_projection_add(struct kernel_projection *projection, const float *rows, size_t count)
{
    if (!make_room(projection, projection->center_count + count))
        return KERNEL_NO_MEMORY;
    struct centers centers = {projection, rows, count};
    if (!kernel_team_run(projection->team, (count + TILE - 1) / TILE, center_tile, &centers))
        return KERNEL_STOPPED;
    projection->center_count += count;
    return KERNEL_OK;
}

const float *kernel_projection_point(const struct kernel_projection *projection, size_t i)
{
    return projection->points + i * projection->width;
}

const float *kernel_projection_center(const struct kernel_projection *projection, size_t j)
{
    return projection->centers + j * projection->width;
}

float kernel_projection_cut(const struct kernel_projection *projection, size_t i, double bound)
{
    double norm2 = (double)projection->norm2[i];
    return (float)((bound - (1 - projection->slack) * norm2) / 2 + 0x1p-22 * (norm2 + bound));
}
