/*
 * ledger.h - money: an append-only record in integer micro-dollars, and the four sums that always agree with it.
 */
#pragma once

#include "store/change.h"

#define LEDGER_KINDS(X)                                                                                                        \
    X(GRANT, "grant")     /* granted and available grow */                                                                     \
    X(RESERVE, "reserve") /* available to reserved, when a batch is committed */                                               \
    X(CHARGE, "charge")   /* reserved to spent, when an answer is accepted */                                                  \
    X(RELEASE, "release") /* reserved to available, when an answer will not come */                                            \
    X(CORRECT, "correct") /* granted and available shrink */

enum ledger_kind {
#define X(code, name) LEDGER_##code,
    LEDGER_KINDS(X)
#undef X
        LEDGER_KIND_COUNT
};

enum { LEDGER_NOTE_MAX = 255, LEDGER_NO_SLOT = -1 };

struct entry {
    int64_t time_ms;
    int64_t amount_microusd; /* > 0 but for LEDGER_CORRECT, where it is < 0 */
    int64_t slot;            /* LEDGER_NO_SLOT: none */
    uint64_t label_seq;      /* 0: none */
    uint32_t batch;          /* 0: none */
    uint32_t kind;           /* enum ledger_kind */
};
_Static_assert(sizeof(struct entry) == 40, "a stored record");

const char *ledger_kind_name(enum ledger_kind kind);

/*
 * Applies an entry (its time is filled in here) to the project's sums and appends it. Fails, changing nothing, with
 * budget_exhausted where a sum would become negative and with bad_request where one would overflow. An amount of 0 changes
 * nothing and leaves no entry.
 */
bool ledger_append(
    struct change *change, struct project *project, struct entry entry, struct text note, struct protocol_error *error);

/* Applies one entry to four sums; false where one would be negative or overflow. VERIFY recounts with it. */
bool ledger_apply(struct counters *counters, const struct entry *entry);

/* Are the sums in balance? */
bool ledger_balanced(const struct counters *counters);
