/*
 * auto_worth.c - what knowing a sample's label is worth before others are counted: calibrated uncertainty and weights.
 */
#include "selector/kernel/vector.h"
#include "selector/strategy/auto.h"
#include "selector/strategy/predictions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    FIT_MAX = 2000,           /* labelled samples that the temperature is fitted on: its error is then some percent */
    FIT_MAX_NUMBERS = 200000, /* and their probabilities: a fit takes some tens of milliseconds */
    FIT_MIN = 20,
};

static const double temperature_max = 8;
static const double class_weight_max = 6;
static const double trust_labels_a_class = 2;

static double clamp(double value, double low, double high)
{
    return value < low ? low : value > high ? high : value;
}

/* --- temperature -------------------------------------------------------------------------------------------------------- */

/* ln p of every class of one sample; false where it has no prediction. Classes that top-k leaves out share what is left. */
static bool log_probabilities(const struct select_input *input, size_t i, float *row, double *log_p)
{
    size_t classes = input->classes;
    if (input->probabilities != NULL) {
        const void *from = kernel_row(input->probabilities, i);
        if (from == NULL)
            return false;
        kernel_widen(from, input->probabilities->dtype, classes, row);
        for (size_t c = 0; c < classes; c++)
            log_p[c] = log(fmax((double)row[c], 1e-7));
        return true;
    }
    const struct kernel_rows *top = &input->topk->probability;
    const char *indices = input->topk->class_blocks[i / top->rows_per_block];
    const void *from = kernel_row(top, i);
    if (from == NULL || indices == NULL)
        return false;
    kernel_widen(from, top->dtype, top->width, row);
    double rest = 1;
    for (size_t j = 0; j < top->width; j++)
        rest -= (double)row[j];
    double others = classes > top->width ? (double)(classes - top->width) : 1;
    for (size_t c = 0; c < classes; c++)
        log_p[c] = log(fmax(rest / others, 1e-7));
    indices += i % top->rows_per_block * input->topk->class_row_bytes;
    for (size_t j = 0; j < top->width; j++) {
        uint16_t c;
        memcpy(&c, indices + j * sizeof c, sizeof c);
        if (c < classes)
            log_p[c] = log(fmax((double)row[j], 1e-7));
    }
    return true;
}

/* -ln of the labelled class's probability at 1 / temperature = power, summed over the rows of [count x classes]. */
static double loss(const double *log_p, const int32_t *labels, size_t count, size_t classes, double power)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        const double *row = log_p + i * classes;
        double most = -HUGE_VAL;
        for (size_t c = 0; c < classes; c++)
            most = fmax(most, row[c]);
        double total = 0;
        for (size_t c = 0; c < classes; c++)
            total += exp((row[c] - most) * power);
        sum += log(total) - (row[labels[i]] - most) * power;
    }
    return sum;
}

/*
 * The temperature of least loss, by golden section over ln T; the loss is convex in 1 / T. Most labelled samples are ones the
 * model was trained on, where it looks surer than it has a right to be: so the fit may soften its probabilities, never sharpen.
 */
static double fit(const double *log_p, const int32_t *labels, size_t count, size_t classes)
{
    static const double golden = 0.6180339887498949;
    double low = 0;
    double high = log(temperature_max);
    for (int step = 0; step < 16; step++) {
        double a = high - golden * (high - low);
        double b = low + golden * (high - low);
        if (loss(log_p, labels, count, classes, exp(-a)) <= loss(log_p, labels, count, classes, exp(-b)))
            high = b;
        else
            low = a;
    }
    double t = exp((low + high) / 2);
    return t < 1.01 ? 1 : t;
}

static bool is_labeled(const struct select_input *input, size_t i)
{
    return input->state[i] == SELECT_LABELED && input->label != NULL && input->label[i] >= 0 &&
           (size_t)input->label[i] < input->classes;
}

/* Fits on evenly spaced labelled samples. */
static enum select_status fit_temperature(const struct select_job *job, double *temperature)
{
    const struct select_input *input = job->input;
    size_t labeled = 0;
    *temperature = 1;
    for (size_t i = 0; i < input->n; i++)
        labeled += is_labeled(input, i);
    bool distribution = (input->probabilities != NULL || input->topk != NULL) && !input->multi_label;
    if (!distribution || labeled < FIT_MIN || input->classes < 2)
        return SELECT_OK;
    size_t room = FIT_MAX_NUMBERS / input->classes < FIT_MAX ? FIT_MAX_NUMBERS / input->classes + FIT_MIN : FIT_MAX;
    room = labeled < room ? labeled : room;
    size_t width = input->probabilities != NULL ? input->classes : input->topk->probability.width;
    double *log_p = malloc(room * input->classes * sizeof *log_p);
    int32_t *labels = malloc(room * sizeof *labels);
    float *row = malloc(width * sizeof *row);
    enum select_status status = SELECT_NO_MEMORY;
    if (log_p == NULL || labels == NULL || row == NULL)
        goto done;
    status = SELECT_OK;
    size_t count = 0;
    size_t seen = 0;
    for (size_t i = 0; i < input->n && count < room; i++) {
        if (!is_labeled(input, i))
            continue;
        bool wanted = seen * room / labeled != (seen + 1) * room / labeled;
        seen++;
        if (wanted && log_probabilities(input, i, row, log_p + count * input->classes))
            labels[count++] = input->label[i];
    }
    if (count >= FIT_MIN)
        *temperature = fit(log_p, labels, count, input->classes);
done:
    free(log_p);
    free(labels);
    free(row);
    return status;
}

/* --- weights ------------------------------------------------------------------------------------------------------------ */

/*
 * Classes with few labels count more, by how far they are behind the mean class, within bounds, so that a class the model
 * merely imagines does not take the whole budget. Output: the number of labels.
 */
static enum select_status weigh_classes(struct select_job *job, size_t *labeled)
{
    const struct select_input *input = job->input;
    *labeled = 0;
    size_t *counts = calloc(input->classes + 1, sizeof *counts);
    job->class_weight = malloc((input->classes + 1) * sizeof *job->class_weight);
    enum select_status status = counts != NULL && job->class_weight != NULL ? SELECT_OK : SELECT_NO_MEMORY;
    for (size_t i = 0; status == SELECT_OK && i < input->n; i++) {
        if (is_labeled(input, i)) {
            counts[input->label[i]]++;
            ++*labeled;
        }
    }
    for (size_t c = 0; status == SELECT_OK && c < input->classes; c++) {
        double mean = (double)*labeled / (double)input->classes;
        double weight = clamp((mean + 1) / ((double)counts[c] + 1), 1 / class_weight_max, class_weight_max);
        job->class_weight[c] = weight * (job->policy->class_weight != NULL ? job->policy->class_weight[c] : 1);
    }
    free(counts);
    return status;
}

/* 1 - margin, flat while labels are few: a model of few labels does not know what it does not know. */
static enum select_status weigh_uncertainty(struct select_job *job, size_t labeled)
{
    const struct select_input *input = job->input;
    job->uncertainty = malloc((input->n + 1) * sizeof *job->uncertainty);
    if (job->uncertainty == NULL)
        return SELECT_NO_MEMORY;
    double trust = (double)labeled / ((double)labeled + trust_labels_a_class * (double)input->classes + 1);
    double sum = 0;
    size_t count = 0;
    for (size_t i = 0; i < input->n; i++) {
        job->uncertainty[i] = -1;
        if (job->predicted == NULL || job->predicted[i] < 0)
            continue;
        double margin = clamp((double)job->first[i] - (double)job->second[i], 0, 1);
        job->uncertainty[i] = (float)(1 - trust * margin);
        sum += (double)job->uncertainty[i];
        count++;
    }
    /* A sample without a prediction is as uncertain as the mean of those with one. */
    float mean = count > 0 ? (float)(sum / (double)count) : 1;
    for (size_t i = 0; i < input->n; i++) {
        if (job->uncertainty[i] < 0)
            job->uncertainty[i] = mean;
    }
    return SELECT_OK;
}

enum select_status select_auto_worth(struct select_job *job)
{
    size_t labeled = 0;
    double temperature = 1;
    enum select_status status = select_job_scores(job, 1, false);
    if (status == SELECT_OK && kernel_team_stopped(job->team))
        status = SELECT_CANCELED;
    if (status == SELECT_OK)
        status = fit_temperature(job, &temperature);
    if (status == SELECT_OK && temperature > 1)
        status = select_job_scores(job, temperature, false);
    if (status == SELECT_OK)
        status = weigh_classes(job, &labeled);
    if (status == SELECT_OK)
        status = kernel_team_stopped(job->team) ? SELECT_CANCELED : weigh_uncertainty(job, labeled);
    /* They are in the uncertainty now, and memory is short where pools are large. */
    free(job->first);
    free(job->second);
    job->first = job->second = NULL;
    job->result->stats.temperature = temperature;
    return status;
}
