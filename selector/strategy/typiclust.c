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
#include "selector/strategy/strategies.h"
#include "selector/strategy/subset.h"

#include <stdlib.h>

enum { CLUSTERS_MAX = 500, SMALL = 5, NEIGHBORS_DEFAULT = 20 };

/* Keeps the typicality of a sample whose neighbours are its duplicates finite, as the authors' code does. */
static const double distance_least = 1e-5;

struct typiclust {
    struct select_job *job;
    struct select_clusters clusters;  /* of candidates and known samples */
    uint32_t *candidate;              /* [clusters.count] index of the candidate, UINT32_MAX: known */
    uint32_t *members;                /* [candidates] those of each cluster, one cluster after the other */
    uint32_t *slots;                  /* [candidates] their slots */
    float *spread;                    /* [candidates] as members */
    float *origins;                   /* [clusters.clusters x width] the centres, so that distances keep their digits */
    struct kernel_spread_list *lists; /* [clusters.clusters] */
    double *cluster_key;              /* [clusters.clusters] when each has its turn */
    uint32_t *cluster_of;             /* [candidates] */
    double *typicality;               /* [candidates] */
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

/* Neighbours of the typicality in a cluster of so many candidates. */
static unsigned neighbors(const struct select_job *job, size_t count)
{
    size_t wanted = job->policy->parameters.neighbors > 0 ? job->policy->parameters.neighbors : NEIGHBORS_DEFAULT;
    size_t k = wanted < count / 2 ? wanted : count / 2;
    return k > 0 ? (unsigned)k : 1;
}

/* Lists the candidates of one cluster behind the `before` ones of those before it. Returns how many there are by now. */
static size_t list_cluster(struct typiclust *self, size_t c, size_t before)
{
    const struct select_job *job = self->job;
    const struct select_clusters *clusters = &self->clusters;
    size_t width = job->input->embeddings->width;
    size_t size = clusters->first[c + 1] - clusters->first[c];
    size_t listed = before;
    for (size_t i = clusters->first[c]; i < clusters->first[c + 1]; i++) {
        uint32_t candidate = self->candidate[clusters->items[i]];
        if (candidate == UINT32_MAX)
            continue;
        self->cluster_of[candidate] = (uint32_t)c;
        self->members[listed] = candidate;
        self->slots[listed++] = job->candidates[candidate];
    }
    size_t count = listed - before;
    float *origin = self->origins + c * width;
    for (size_t j = 0; j < width; j++)
        origin[j] = clusters->kmeans.origin[j] + clusters->kmeans.centers[c * width + j];
    self->lists[c] = (struct kernel_spread_list){
        .set = {job->input->embeddings, self->slots + before, count, origin},
        .k = neighbors(job, count),
        .spread = self->spread + before,
    };
    /* Few labels first, then many members: labels are whole numbers, so that a fraction orders equal ones. */
    double last = size <= SMALL ? (double)clusters->count + 1 : 0;
    self->cluster_key[c] = (double)size / (double)(clusters->count + 1) - (double)(size - count) - last;
    return listed;
}

static bool make_room(struct typiclust *self)
{
    size_t candidates = self->job->candidate_count;
    size_t clusters = self->clusters.clusters;
    self->members = malloc(candidates * sizeof *self->members);
    self->slots = malloc(candidates * sizeof *self->slots);
    self->spread = malloc(candidates * sizeof *self->spread);
    self->origins = malloc(clusters * self->job->input->embeddings->width * sizeof *self->origins);
    self->lists = malloc(clusters * sizeof *self->lists);
    self->cluster_key = malloc(clusters * sizeof *self->cluster_key);
    self->cluster_of = malloc(candidates * sizeof *self->cluster_of);
    self->typicality = malloc(candidates * sizeof *self->typicality);
    return self->members != NULL && self->slots != NULL && self->spread != NULL && self->origins != NULL &&
           self->lists != NULL && self->cluster_key != NULL && self->cluster_of != NULL && self->typicality != NULL;
}

/* The typicality of every candidate in its cluster. */
static enum select_status measure(struct typiclust *self)
{
    size_t listed = 0;
    for (size_t c = 0; c < self->clusters.clusters; c++)
        listed = list_cluster(self, c, listed);
    atomic_size_t done = 0;
    select_job_counted_pass(self->job, 0.3, 0.9, &done, listed);
    enum kernel_status status = kernel_spread(self->job->team, self->lists, self->clusters.clusters, &done);
    select_job_pass(self->job, 0.9, 0.9);
    for (size_t i = 0; status == KERNEL_OK && i < listed; i++)
        self->typicality[self->members[i]] = 1 / ((double)self->spread[i] + distance_least);
    return select_status_of(status);
}

static enum select_status run(struct typiclust *self)
{
    enum select_status status = cluster(self);
    if (status != SELECT_OK)
        return status;
    if (!make_room(self))
        return SELECT_NO_MEMORY;
    status = measure(self);
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
    free(self.members);
    free(self.slots);
    free(self.spread);
    free(self.origins);
    free(self.lists);
    free(self.cluster_key);
    free(self.cluster_of);
    free(self.typicality);
    return status;
}
