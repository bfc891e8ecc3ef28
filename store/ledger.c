#include "store/ledger.h"

#include <inttypes.h>
#include <string.h>

const char *ledger_kind_name(enum ledger_kind kind)
{
    static const char *const names[LEDGER_KIND_COUNT] = {
#define X(code, name) [LEDGER_##code] = name,
        LEDGER_KINDS(X)
#undef X
    };
    return kind < LEDGER_KIND_COUNT ? names[kind] : "unknown";
}

bool ledger_balanced(const struct counters *counters)
{
    int64_t sum;
    return counters->available_microusd >= 0 && counters->reserved_microusd >= 0 && counters->spent_microusd >= 0 &&
           !__builtin_add_overflow(counters->available_microusd, counters->reserved_microusd, &sum) &&
           !__builtin_add_overflow(sum, counters->spent_microusd, &sum) && sum == counters->granted_microusd;
}

/* Takes from one sum what another gets. */
static bool move_money(int64_t *from, int64_t *to, int64_t amount)
{
    return amount >= 0 && *from >= amount && !__builtin_add_overflow(*to, amount, to) &&
           !__builtin_sub_overflow(*from, amount, from);
}

bool ledger_apply(struct counters *counters, const struct entry *entry)
{
    struct counters next = *counters;
    const int64_t amount = entry->amount_microusd;
    bool ok = false;
    switch (entry->kind) {
    case LEDGER_GRANT:
    case LEDGER_CORRECT:
        ok = (entry->kind == LEDGER_GRANT ? amount >= 0 : amount <= 0) &&
             !__builtin_add_overflow(next.granted_microusd, amount, &next.granted_microusd) &&
             !__builtin_add_overflow(next.available_microusd, amount, &next.available_microusd);
        break;
    case LEDGER_RESERVE:
        ok = move_money(&next.available_microusd, &next.reserved_microusd, amount);
        break;
    case LEDGER_CHARGE:
        ok = move_money(&next.reserved_microusd, &next.spent_microusd, amount);
        break;
    case LEDGER_RELEASE:
        ok = move_money(&next.reserved_microusd, &next.available_microusd, amount);
        break;
    default:
        break;
    }
    if (!ok || !ledger_balanced(&next))
        return false;
    *counters = next;
    return true;
}

static bool refuse(const struct project *project, const struct entry *entry, struct protocol_error *error)
{
    const struct counters *sums = &project->counters;
    if (entry->kind == LEDGER_GRANT)
        return protocol_fail(error, PROTOCOL_BAD_REQUEST, "amount_microusd", "grants that add up to less than 2^63", "%" PRId64,
            entry->amount_microusd);
    if (entry->kind == LEDGER_RESERVE || entry->kind == LEDGER_CORRECT) {
        protocol_fail(error, PROTOCOL_BUDGET_EXHAUSTED, "amount_microusd", "no more than what is available",
            "%" PRId64 " of %" PRId64 " available", entry->amount_microusd, sums->available_microusd);
        error->available_microusd = sums->available_microusd;
        return false;
    }
    return protocol_fail(error, PROTOCOL_INTERNAL, "", "", "a %s of %" PRId64 " with %" PRId64 " reserved",
        ledger_kind_name(entry->kind), entry->amount_microusd, sums->reserved_microusd);
}

/* budget.low is told once each time the line is crossed. */
static void watch_low(struct change *change, struct project *project)
{
    struct counters *counters = &project->counters;
    const bool is_low = counters->available_microusd < project->settings.budget_low_microusd;
    if (is_low && !counters->is_low) {
        struct writer *event = event_begin(change, project, EVENT_BUDGET_LOW);
        writer_integer(event, "available_microusd", counters->available_microusd);
        event_end(change, project, EVENT_BUDGET_LOW);
    }
    counters->is_low = is_low;
}

bool ledger_append(
    struct change *change, struct project *project, struct entry entry, struct text note, struct protocol_error *error)
{
    if (entry.amount_microusd == 0)
        return true;
    entry.time_ms = change->now_ms;
    if (!ledger_apply(&project->counters, &entry))
        return refuse(project, &entry, error);
    struct key key = key_project(project->number);
    key_add_u64(&key, ++project->counters.entries);
    uint8_t *stored = txn_put_reserve(&change->txn, STATE_LEDGER, &key, sizeof entry + note.size);
    if (stored) {
        memcpy(stored, &entry, sizeof entry);
        if (note.size > 0)
            memcpy(stored + sizeof entry, note.data, note.size);
    }
    watch_low(change, project);
    return true;
}
