#include "selector/kernel/gradient.h"

#include "selector/kernel/vector.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

enum { ROWS_TILE = 256 };

struct pass {
    const struct kernel_rows *probabilities;
    const struct kernel_rows *embeddings;
    double *length;
    float *buffers; /* [workers x (classes + width)] */
};

/* sum_y p_y |p - e_y| */
static double expected_residual(const float *p, size_t classes)
{
    double squares = 0;
    for (size_t c = 0; c < classes; c++)
        squares += (double)p[c] * (double)p[c];
    double sum = 0;
    for (size_t c = 0; c < classes; c++) {
        double residual2 = squares - 2 * (double)p[c] + 1;
        if (p[c] > 0 && residual2 > 0)
            sum += (double)p[c] * sqrt(residual2);
    }
    return sum;
}

static void length_tile(void *context, size_t tile, unsigned worker)
{
    const struct pass *pass = context;
    size_t classes = pass->probabilities->width;
    size_t width = pass->embeddings->width;
    float *p = pass->buffers + worker * (classes + width);
    float *x = p + classes;
    size_t end = (tile + 1) * ROWS_TILE < pass->probabilities->count ? (tile + 1) * ROWS_TILE : pass->probabilities->count;
    for (size_t i = tile * ROWS_TILE; i < end; i++) {
        const void *predictions = kernel_row(pass->probabilities, i);
        const void *embedding = kernel_row(pass->embeddings, i);
        pass->length[i] = 0;
        if (predictions == NULL || embedding == NULL)
            continue;
        kernel_widen(predictions, pass->probabilities->dtype, classes, p);
        kernel_widen(embedding, pass->embeddings->dtype, width, x);
        float norm2 = fminf(kernel_norm2(x, width), FLT_MAX); /* no infinity: it may be times 0 */
        pass->length[i] = expected_residual(p, classes) * sqrt((double)norm2 + 1);
    }
}

enum kernel_status kernel_gradient_length(
    struct kernel_team *team, const struct kernel_rows *probabilities, const struct kernel_rows *embeddings, double *length)
{
    size_t size = probabilities->width + embeddings->width;
    struct pass pass = {probabilities, embeddings, length, malloc(kernel_team_size(team) * size * sizeof *pass.buffers)};
    if (pass.buffers == NULL)
        return KERNEL_NO_MEMORY;
    bool done = kernel_team_run(team, (probabilities->count + ROWS_TILE - 1) / ROWS_TILE, length_tile, &pass);
    free(pass.buffers);
    return done ? KERNEL_OK : KERNEL_STOPPED;
}
