#include "selector/kernel/projection.h"

#include "selector/kernel/gemm.h"
#include "selector/kernel/random.h"
#include "selector/kernel/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAYS_FROM = 256,   /* elements of a row */
    PART = 8,          /* a projected point has this part of a row's elements */
    WIDTH_MAX = 64,    /* and no more than these: more coordinates cost more than they rule out */
    OWN = 2,           /* of its elements are no directions: the length that Q does not see, and the centre's own length */
    SAMPLE = 1024,     /* rows whose main directions Q spans */
    TURNS = 3,         /* of the subspace iteration: directions need not be exact */
    TILE = 256,        /* points projected by one matrix product */
    STREAM_BASIS = 61, /* of random numbers; the seed is fixed: no result depends on Q */
};

/* Squared lengths beyond this are near what float holds. */
static const float norm2_max = 1e30F;

struct kernel_projection {
    struct kernel_team *team;
    const struct kernel_rows *rows;
    const uint32_t *slots;
    size_t count;
    size_t rank;    /* directions */
    size_t width;   /* rank + OWN */
    double error;   /* bound of the error of Qx, as a share of |x| */
    double slack;   /* bound of the error of a squared distance, as a share of both squared lengths */
    float *origin;  /* [rows->width] taken off every row */
    float *basis;   /* [rank x rows->width] Q; rows of zeros where the sample has fewer directions */
    float *points;  /* [count x width] */
    float *norm2;   /* [count] squared lengths */
    float *centers; /* [center_count x width] */
    size_t center_count;
    size_t center_room;
    float *scratch; /* [workers][TILE x rows->width] */
};

bool kernel_projection_pays(size_t width)
{
    return width >= PAYS_FROM;
}

/* --- the directions ----------------------------------------------------------------------------------------------------- */

/* Gram and Schmidt, twice for the sake of the digits; what depends on the rows before becomes zeros. */
static void orthonormalize(double *vectors, size_t count, size_t width)
{
    for (size_t i = 0; i < count; i++) {
        double *v = vectors + i * width;
        double before = 0;
        for (size_t c = 0; c < width; c++)
            before += v[c] * v[c];
        for (size_t j = 0; j < 2 * i; j++) {
            const double *u = vectors + j % i * width;
            double along = 0;
            for (size_t c = 0; c < width; c++)
                along += u[c] * v[c];
            for (size_t c = 0; c < width; c++)
                v[c] -= along * u[c];
        }
        double after = 0;
        for (size_t c = 0; c < width; c++)
            after += v[c] * v[c];
        double factor = after > 1e-10 * before && after > 0 ? 1 / sqrt(after) : 0;
        for (size_t c = 0; c < width; c++)
            v[c] *= factor;
    }
}

static void transpose(const float *from, size_t rows, size_t columns, float *to)
{
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < columns; j++)
            to[j * rows + i] = from[i * columns + j];
    }
}

static void basis_of(struct kernel_projection *projection, const double *vectors)
{
    for (size_t i = 0; i < projection->rank * projection->rows->width; i++)
        projection->basis[i] = (float)vectors[i];
}

/* The main directions of a sample, [m x width] less its mean; poorer ones if the team is stopped. False without memory. */
static bool find_basis(struct kernel_projection *projection, const float *sample, size_t m)
{
    size_t width = projection->rows->width;
    size_t rank = projection->rank;
    double *vectors = malloc(rank * width * sizeof *vectors);
    float *turned = malloc(m * width * sizeof *turned); /* the sample's transpose */
    float *along = malloc(m * rank * sizeof *along);
    float *along_turned = malloc(m * rank * sizeof *along_turned);
    bool found = vectors != NULL && turned != NULL && along != NULL && along_turned != NULL;
    if (!found)
        goto done;
    transpose(sample, m, width, turned);
    for (size_t i = 0; i < rank * width; i++)
        vectors[i] = kernel_random_uniform(0, STREAM_BASIS, i) - 0.5;
    orthonormalize(vectors, rank, width);
    basis_of(projection, vectors);
    for (int turn = 0; turn < TURNS && !kernel_team_stopped(projection->team); turn++) {
        kernel_gemm_nt(m, rank, width, sample, width, projection->basis, width, along, rank);
        transpose(along, m, rank, along_turned);
        kernel_gemm_nt(rank, width, m, along_turned, m, turned, m, projection->basis, width);
        for (size_t i = 0; i < rank * width; i++)
            vectors[i] = (double)projection->basis[i];
        orthonormalize(vectors, rank, width);
        basis_of(projection, vectors);
    }
done:
    free(vectors);
    free(turned);
    free(along);
    free(along_turned);
    return found;
}

static enum kernel_status learn(struct kernel_projection *projection)
{
    size_t m = projection->count < SAMPLE ? projection->count : SAMPLE;
    uint32_t *slots = calloc(m, sizeof *slots);
    float *sample = malloc(m * projection->rows->width * sizeof *sample);
    float *norm2 = malloc(m * sizeof *norm2);
    enum kernel_status status = KERNEL_NO_MEMORY;
    if (slots == NULL || sample == NULL || norm2 == NULL)
        goto done;
    for (size_t i = 0; i < m; i++)
        slots[i] = projection->slots[i * projection->count / m];
    kernel_gather_centered(projection->rows, slots, m, projection->origin, sample, norm2);
    status = find_basis(projection, sample, m) ? KERNEL_OK : KERNEL_NO_MEMORY;
done:
    free(slots);
    free(sample);
    free(norm2);
    return status;
}

/* --- projected points ---------------------------------------------------------------------------------------------------- */

/* An upper bound of the length that Q does not see, of a point with its first `rank` coordinates at `projected`. */
static float unseen_length(const struct kernel_projection *projection, const float *projected, float norm2)
{
    double seen = 0;
    for (size_t i = 0; i < projection->rank; i++)
        seen += (double)projected[i] * (double)projected[i];
    double unseen = (double)norm2 - seen;
    return (float)(sqrt((unseen > 0 ? unseen : 0) + 3 * projection->error * (double)norm2) * (1 + 0x1p-22));
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
    kernel_gemm_nt(m, projection->rank, width, rows, width, projection->basis, width, points, projection->width);
    for (size_t i = 0; i < m; i++) {
        float *point = points + i * projection->width;
        float norm2 = kernel_norm2(rows + i * width, width);
        projection->norm2[from + i] = norm2;
        point[projection->rank] = unseen_length(projection, point, norm2);
        point[projection->rank + 1] = 1;
    }
}

static bool bounded(const struct kernel_projection *projection)
{
    for (size_t i = 0; i < projection->count; i++) {
        if (!(projection->norm2[i] < norm2_max))
            return false;
    }
    return true;
}

static bool allocate(struct kernel_projection *projection)
{
    size_t width = projection->rows->width;
    projection->origin = malloc(width * sizeof(float));
    projection->basis = malloc(projection->rank * width * sizeof(float));
    projection->points = malloc(projection->count * projection->width * sizeof(float));
    projection->norm2 = malloc(projection->count * sizeof(float));
    projection->scratch = malloc(kernel_team_size(projection->team) * TILE * width * sizeof(float));
    return projection->origin != NULL && projection->basis != NULL && projection->points != NULL && projection->norm2 != NULL &&
           projection->scratch != NULL;
}

enum kernel_status kernel_projection_new(struct kernel_team *team, const struct kernel_rows *rows, const uint32_t *slots,
    size_t count, struct kernel_projection **result)
{
    struct kernel_projection *projection = calloc(1, sizeof *projection);
    *result = NULL;
    if (projection == NULL)
        return KERNEL_NO_MEMORY;
    size_t width = rows->width / PART < WIDTH_MAX ? rows->width / PART : WIDTH_MAX;
    *projection = (struct kernel_projection){
        .team = team, .rows = rows, .slots = slots, .count = count, .width = width, .rank = width - OWN};
    /* Each coordinate errs by at most (elements of a row) x 2^-24 of the length; Q's own rounding is far less. */
    projection->error = sqrt((double)width) * ((double)rows->width + 64) * 0x1p-24;
    projection->slack = 2 * projection->error + ((double)rows->width + 2 * (double)width + 64) * 0x1p-24;
    enum kernel_status status = allocate(projection) ? learn(projection) : KERNEL_NO_MEMORY;
    if (status == KERNEL_OK && !kernel_team_run(team, (count + TILE - 1) / TILE, project_tile, projection))
        status = KERNEL_STOPPED;
    if (status == KERNEL_OK && bounded(projection))
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
    free(projection->basis);
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

static bool make_room(struct kernel_projection *projection)
{
    if (projection->center_count < projection->center_room)
        return true;
    size_t room = projection->center_room == 0 ? 256 : 2 * projection->center_room;
    float *centers = realloc(projection->centers, room * projection->width * sizeof *centers);
    if (centers == NULL)
        return false;
    projection->centers = centers;
    projection->center_room = room;
    return true;
}

bool kernel_projection_add(struct kernel_projection *projection, const float *center)
{
    if (!make_room(projection))
        return false;
    size_t width = projection->rows->width;
    float *row = projection->scratch;
    float *projected = projection->centers + projection->center_count * projection->width;
    for (size_t c = 0; c < width; c++)
        row[c] = center[c] - projection->origin[c];
    kernel_gemm_nt(1, projection->rank, width, row, width, projection->basis, width, projected, projection->width);
    float norm2 = kernel_norm2(row, width);
    projected[projection->rank] = unseen_length(projection, projected, norm2);
    /* A centre too long to reckon with is never ruled out: its product with every point is infinite, or no number. */
    projected[projection->rank + 1] = norm2 < norm2_max ? (float)(-(1 - projection->slack) * (double)norm2 / 2) : INFINITY;
    projection->center_count++;
    return true;
}

const float *kernel_projection_point(const struct kernel_projection *projection, size_t i)
{
    return projection->points + i * projection->width;
}

const float *kernel_projection_center(const struct kernel_projection *projection, size_t j)
{
    return projection->centers + j * projection->width;
}

float kernel_projection_threshold(const struct kernel_projection *projection, size_t i, double bound)
{
    double norm2 = (double)projection->norm2[i];
    return (float)(((1 - projection->slack) * norm2 - bound) / 2 - 0x1p-22 * (norm2 + bound));
}
