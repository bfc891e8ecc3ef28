/*
 * cluster_margin.c - small margins, taken from clusters in turn, small clusters first.
 *
 * Citovsky and others, "Batch active learning at scale", NeurIPS 2021. Of the samples of least margin, parameters.margin_pool
 * (10) times as many as there are picks are looked at; their clusters take turns by rising size, and give one sample each by
 * chance. The clusters are those of average linkage (kernel/linkage.h), as in the paper's algorithm 1, cut where there are
 * parameters.clusters of them. The paper cuts at a distance for which a cluster has 10 samples on average; as many clusters as
 * there are picks, the default, come to the same of what is looked at. The paper links the whole pool once, before all
 * batches; here what is looked at is linked, and where that is more than KERNEL_LINKAGE_MAX samples, whose distances would not
 * fit in memory, k-means takes the place of linkage. Past these samples it goes on by margin. Blind to prices. The gain is
 * 1 - margin.
 */
#include "selector/kernel/linkage.h"
#include "selector/kernel/random.h"
#include "selector/kernel/sort.h"
#include "selector/strategy/clusters.h"
#include "selector/strategy/picks.h"
#include "selector/strategy/predictions.h"
#include "selector/strategy/strategies.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MARGIN_POOL = 10, CLUSTERS_MAX = 4096 };

struct cluster_margin {
    struct select_job *job;
    size_t looked_at;
    double *gain;         /* [candidates] */
    uint32_t *order;      /* [candidates] by falling gain; the first looked_at, rising */
    uint32_t *slots;      /* [looked_at] */
    uint32_t *cluster_of; /* [candidates] */
    double *within;       /* [candidates] */
    double *cluster_key;  /* [clusters + 1] */
    struct select_clusters clusters;
};

static size_t picks_wanted(const struct select_job *job)
{
    size_t most = job->candidate_count;
    if (job->least_cost > 0 && select_picks_money_left(job) / job->least_cost < (int64_t)most)
        most = (size_t)(select_picks_money_left(job) / job->least_cost);
    return job->policy->count < most ? job->policy->count : most;
}

/* The samples of least margin, in `slots`, rising. */
static bool look(struct cluster_margin *self)
{
    const struct select_job *job = self->job;
    size_t count = job->candidate_count;
    size_t factor = job->policy->parameters.margin_pool > 0 ? job->policy->parameters.margin_pool : MARGIN_POOL;
    size_t picks = picks_wanted(job);
    self->looked_at = picks < count / factor ? picks * factor : count;
    for (size_t i = 0; i < count; i++) {
        uint32_t slot = job->candidates[i];
        self->gain[i] = job->predicted[slot] < 0 ? 0 : 1 - ((double)job->first[slot] - (double)job->second[slot]);
    }
    if (!kernel_sort_falling(self->gain, count, self->order))
        return false;
    memset(self->cluster_of, 0, count * sizeof *self->cluster_of);
    for (size_t i = 0; i < self->looked_at; i++)
        self->cluster_of[self->order[i]] = 1;
    size_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (self->cluster_of[i] == 0)
            continue;
        self->order[kept] = i;
        self->slots[kept++] = job->candidates[i];
    }
    return true;
}

/* When each candidate has its turn: what was looked at by its cluster, the rest after that as clusters of one. */
static void set_turns(struct cluster_margin *self)
{
    const struct select_job *job = self->job;
    size_t clusters = self->clusters.clusters;
    for (size_t c = 0; c < clusters; c++)
        self->cluster_key[c] = -(double)(self->clusters.first[c + 1] - self->clusters.first[c]);
    self->cluster_key[clusters] = -HUGE_VAL;
    for (size_t i = 0; i < job->candidate_count; i++) {
        self->cluster_of[i] = (uint32_t)clusters;
        self->within[i] = self->gain[i];
    }
    for (size_t i = 0; i < self->looked_at; i++) {
        self->cluster_of[self->order[i]] = self->clusters.cluster[i];
        self->within[self->order[i]] = kernel_random_uniform(job->policy->seed, STREAM_ORDER, self->slots[i]);
    }
}

static enum select_status cluster(struct cluster_margin *self)
{
    struct select_job *job = self->job;
    size_t wanted = job->policy->parameters.clusters > 0 ? job->policy->parameters.clusters : picks_wanted(job);
    if (self->looked_at <= KERNEL_LINKAGE_MAX)
        return select_clusters_link(&self->clusters, job, self->slots, self->looked_at, wanted);
    wanted = wanted < CLUSTERS_MAX ? wanted : CLUSTERS_MAX;
    return select_clusters_init(&self->clusters, job, self->slots, self->looked_at, wanted);
}

static enum select_status run(struct cluster_margin *self)
{
    struct select_job *job = self->job;
    if (!look(self))
        return SELECT_NO_MEMORY;
    enum select_status status = cluster(self);
    if (status != SELECT_OK)
        return status;
    self->cluster_key = malloc((self->clusters.clusters + 1) * sizeof *self->cluster_key);
    if (self->cluster_key == NULL)
        return SELECT_NO_MEMORY;
    set_turns(self);
    return select_round_robin(job, self->cluster_of, self->clusters.clusters + 1, self->cluster_key, self->within, self->gain);
}

enum select_status select_run_cluster_margin(struct select_job *job)
{
    select_job_keep_embedded(job);
    size_t count = job->candidate_count + 1;
    struct cluster_margin self = {
        .job = job,
        .gain = malloc(count * sizeof *self.gain),
        .order = malloc(count * sizeof *self.order),
        .slots = malloc(count * sizeof *self.slots),
        .cluster_of = malloc(count * sizeof *self.cluster_of),
        .within = malloc(count * sizeof *self.within),
    };
    enum select_status status = SELECT_NO_MEMORY;
    if (self.gain != NULL && self.order != NULL && self.slots != NULL && self.cluster_of != NULL && self.within != NULL)
        status = select_job_scores(job, 1, false);
    if (status == SELECT_OK)
        status = run(&self);
    select_clusters_deinit(&self.clusters);
    free(self.gain);
    free(self.order);
    free(self.slots);
    free(self.cluster_of);
    free(self.within);
    free(self.cluster_key);
    return status;
}
