/*
 * lease.h - who holds what until when. A sample's record says who holds it; the LEASES table finds a worker's leases and
 * remembers which request they came from, so that a LEASE sent twice is answered once.
 */
#pragma once

#include "store/batch.h"

/* LEASE_WORKER_MAX: bytes of a worker's name. */
enum { LEASE_WORKER_MAX = 64, LEASE_MS_MIN = 100, LEASE_MS_MAX = 86400000 };

struct lease {
    uint64_t fence;
    uint64_t request[2];    /* hash of the LEASE request's id */
    struct waiting waiting; /* the queue's entry, to be put back; last, because it is stored without its unused end */
};

/* Gives a waiting item to a worker: out of the queue, state leased, deadline set. Returns the lease's number. */
uint64_t lease_grant(struct change *change, struct project *project, uint32_t batch, uint32_t rank,
    const struct waiting *waiting, uint32_t worker, int64_t deadline_ms, const uint64_t request[2]);

/* The lease record of a held sample; false where it doesn't exist. */
bool lease_get(struct txn *txn, uint32_t project, uint32_t worker, uint32_t slot, struct lease *lease);

/* Is the sample held under just this lease? */
bool lease_holds(const struct sample *sample, uint32_t worker, uint64_t fence);

/* Ends a lease: the sample is held by nobody. Its state is for the caller to move on from SAMPLE_LEASED, and to put. Gives the
 * queue's entry. */
void lease_end(struct change *change, struct project *project, uint32_t slot, struct sample *sample, struct waiting *waiting);

/*
 * Gives a sample back whose lease ended without settling it: to the queue and `reserved`, or to the pool where its batch was
 * canceled. Publishes item.released with `cause`. Puts the sample.
 */
void lease_give_back(struct change *change, struct project *project, uint32_t slot, struct sample *sample,
    const struct waiting *waiting, const char *cause);

/* Calls `visit` for each lease of the project until it answers false. */
void lease_each(struct txn *txn, uint32_t project,
    bool (*visit)(void *context, uint32_t worker, uint32_t slot, const struct lease *lease), void *context);
