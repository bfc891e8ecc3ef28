/*
 * reply.h - replies kept for requests whose effect can't be told from the state, so that a retry is answered alike.
 */
#pragma once

#include "store/change.h"

struct kept_reply {
    int64_t time_ms;
    uint64_t body[2]; /* hash of the request's bytes */
};
_Static_assert(sizeof(struct kept_reply) == 24, "a stored record");

enum { KEPT_REPLY_AGE_MS = 24 * 3600 * 1000, KEPT_REPLIES_MAX = 100000 };

/* The kept reply to a request id; false where there is none. `bytes` is valid until the next write. */
bool reply_find(struct txn *txn, uint32_t project, struct text id, struct kept_reply *kept, struct text *bytes);

/* Keeps a reply, and forgets what is too old or too many. */
void reply_keep(struct change *change, struct project *project, struct text id, const uint64_t body[2], struct text bytes);
