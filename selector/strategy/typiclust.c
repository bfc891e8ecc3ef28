/*
 * typiclust.c - the most typical sample of each cluster, clusters without a label first.
 *
 * Hacohen, Dekel and Weinshall, "Active learning on a budget: opposite strategies suit high and low budgets", ICML 2022, with
 * their settings: k-means with as many clusters as there are labelled samples and picks, at most 500 (parameters.clusters);
 * clusters by rising number of labels, then by falling size, those of 5 samples or fewer last, which their code leaves out;
 * typicality by 20 neighbours (parameters.neighbors), at most half of the cluster, by their distances as in the paper (their
 * code takes squared ones). Where there are more picks than clusters it goes on in turn. Blind to prices. The gain is the
 * typicality.
 */
#include "selector/kernel/typicality.h"
#include "selector/strategy/clusters.h"
#include "selector/strategy/subset.h"

#include <stdlib.h>

enum { CLUSTERS_MAX = 500, SMALL = 5, NEIGHBORS_DEFAULT = 20 };

/* Keeps the typicality of a sample whose neighbours are its duplicates finite, as the authors' code does. */
static const double distance_least = 1e-5;

struct typiclust {
    struct select_job *job;
    struct select_clusters clusters; /* of candidates and known samples */
    uint32_t *candidate;             /* [clusters.count] index of the candidate, UINT32_MAX: known */
    uint32_t *cluster_of;            /* [candidates] */
    double *typicality;              /* [candidates] */
    double *cluster_key;             /* [clusters.clusters] */
    uint32_t *members;               /* [clusters.count] candidates of the cluster at hand */
    uint32_t *slots;                 /* [clusters.count] their slots */
    float *spread;                   /* [clusters.count] */
    float *origin;                   /* [width] of the cluster at hand: its centre, so that distances keep their digits */
};

static size_t clusters_wanted(const struct select_job *job, size_t known)
{
    size_t wanted = job->policy->parameters.clusters;
    size_t picks = job->policy->count < CLUSTERS_MAX ? job->policy->count : CLUSTERS_MAX;
    if (wanted == 0)
        wanted = known + picks < CLUSTERS_MAX ? known + picks : CLUSTERS_MAX;
    return wanted;
}

/* K-means of what can be picked and what is known. */
static enum select_status cluster(struct typiclust *self)
{
    struct select_job *job = self->job;
    uint32_t *slots = malloc((job->input->n + 1) * sizeof *slots);
    self->candidate = malloc((job->input->n + 1) * sizeof *self->candidate);
    enum select_status status = SELECT_NO_MEMORY;
    if (slots != NULL && self->candidate != NULL) {
        size_t known = select_list_known(job, slots);
        size_t count = select_list_pool(job, slots, self->candidate);
        status = select_clusters_init(&self->clusters, job, slots, count, clusters_wanted(job, known));
    }
    free(slots);
    return status;
}

/* Typicality of the candidates of one cluster, and when it has its turn. */
static enum select_status measure(struct typiclust *self, size_t c)
{
    const struct select_job *job = self->job;
    const struct select_clusters *clusters = &self->clusters;
    size_t size = clusters->first[c + 1] - clusters->first[c];
    size_t count = 0;
    for (size_t i = clusters->first[c]; i < clusters->first[c + 1]; i++) {
        uint32_t candidate = self->candidate[clusters->items[i]];
        if (candidate == UINT32_MAX)
            continue;
        self->members[count] = candidate;
        self->slots[count++] = job->candidates[candidate];
    }
    size_t wanted = job->policy->parameters.neighbors > 0 ? job->policy->parameters.neighbors : NEIGHBORS_DEFAULT;
    size_t k = wanted < count / 2 ? wanted : count / 2;
    size_t width = job->input->embeddings->width;
    for (size_t j = 0; j < width; j++)
        self->origin[j] = clusters->kmeans.origin[j] + clusters->kmeans.centers[c * width + j];
    struct kernel_subset set = {job->input->embeddings, self->slots, count, self->origin};
    enum kernel_status status = kernel_spread(job->team, &set, (unsigned)(k > 0 ? k : 1), self->spread);
    for (size_t i = 0; status == KERNEL_OK && i < count; i++) {
        self->cluster_of[self->members[i]] = (uint32_t)c;
        self->typicality[self->members[i]] = 1 / ((double)self->spread[i] + distance_least);
    }
    /* Few labels first, then many members: labels are whole numbers, so that a fraction orders equal ones. */
    double last = size <= SMALL ? (double)clusters->count + 1 : 0;
    self->cluster_key[c] = (double)size / (double)(clusters->count + 1) - (double)(size - count) - last;
    return select_status_of(status);
}

static enum select_status run(struct typiclust *self)
{
    size_t candidates = self->job->candidate_count + 1;
    enum select_status status = cluster(self);
    if (status != SELECT_OK)
        return status;
    size_t count = self->clusters.count + 1;
    self->cluster_of = calloc(candidates, sizeof *self->cluster_of);
    self->typicality = calloc(candidates, sizeof *self->typicality);
    self->cluster_key = calloc(self->clusters.clusters, sizeof *self->cluster_key);
    self->members = malloc(count * sizeof *self->members);
    self->slots = malloc(count * sizeof *self->slots);
    self->spread = malloc(count * sizeof *self->spread);
    self->origin = malloc(self->job->input->embeddings->width * sizeof *self->origin);
    if (self->cluster_of == NULL || self->typicality == NULL || self->cluster_key == NULL || self->members == NULL ||
        self->slots == NULL || self->spread == NULL || self->origin == NULL)
        return SELECT_NO_MEMORY;
    double share = 0.6 / (double)self->clusters.clusters;
    for (size_t c = 0; status == SELECT_OK && c < self->clusters.clusters; c++) {
        select_job_pass(self->job, 0.3 + (double)c * share, 0.3 + (double)(c + 1) * share);
        status = measure(self, c);
    }
    if (status == SELECT_OK)
        status = select_round_robin(
            self->job, self->cluster_of, self->clusters.clusters, self->cluster_key, self->typicality, self->typicality);
    return status;
}

enum select_status select_run_typiclust(struct select_job *job)
{
    select_job_keep_embedded(job);
    if (job->candidate_count == 0)
        return SELECT_OK;
    struct typiclust self = {.job = job};
    enum select_status status = run(&self);
    select_clusters_deinit(&self.clusters);
    free(self.candidate);
    free(self.cluster_of);
    free(self.typicality);
    free(self.cluster_key);
    free(self.members);
    free(self.slots);
    free(self.spread);
    free(self.origin);
    return status;
}
