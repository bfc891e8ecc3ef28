/*
 * groups.h - how many picks each group has: a hash table from group number to count. Private to strategy/.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct select_groups;

/* Room for `groups` different groups. NULL without memory. */
struct select_groups *select_groups_new(size_t groups);
void select_groups_free(struct select_groups **groups);

uint32_t select_groups_count(const struct select_groups *groups, uint32_t group);
void select_groups_add(struct select_groups *groups, uint32_t group);
/* Takes back one that was added. */
void select_groups_remove(struct select_groups *groups, uint32_t group);
