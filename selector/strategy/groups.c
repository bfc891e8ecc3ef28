#include "selector/strategy/groups.h"

#include "selector/kernel/random.h"

#include <stdlib.h>

struct entry {
    uint32_t group; /* 0: free */
    uint32_t count;
};

struct select_groups {
    size_t mask;
    struct entry entries[]; /* [mask + 1], at most half of them used, probed one after another */
};

struct select_groups *select_groups_new(size_t groups)
{
    size_t size = 16;
    while (size < 2 * groups)
        size *= 2;
    struct select_groups *table = calloc(1, sizeof *table + size * sizeof table->entries[0]);
    if (table != NULL)
        table->mask = size - 1;
    return table;
}

void select_groups_free(struct select_groups **groups)
{
    free(*groups);
    *groups = NULL;
}

static size_t find(const struct select_groups *groups, uint32_t group)
{
    size_t at = kernel_random_mix(group) & groups->mask;
    while (groups->entries[at].group != 0 && groups->entries[at].group != group)
        at = (at + 1) & groups->mask;
    return at;
}

uint32_t select_groups_count(const struct select_groups *groups, uint32_t group)
{
    return groups->entries[find(groups, group)].count;
}

void select_groups_add(struct select_groups *groups, uint32_t group)
{
    struct entry *entry = &groups->entries[find(groups, group)];
    entry->group = group;
    entry->count++;
}

/* The entry stays, with a count of 0: the probing of others may run over it. */
void select_groups_remove(struct select_groups *groups, uint32_t group)
{
    groups->entries[find(groups, group)].count--;
}
