/*
 * replenish.h - continuous mode: asks the planner for a batch where a project's queue runs low, or where a newly active model
 * should have its say. Belongs to the engine's thread.
 */
#pragma once

#include "protocol/error.h"
#include "store/project.h"

/* Of one project. */
struct replenishing {
    uint32_t project;
    bool planning;    /* a plan is under way */
    bool lacking;     /* the last plan found no columns that its strategy needs, or no sample that has them */
    bool pushed;      /* rows were pushed since it was asked for */
    int64_t again_ms; /* from then on another attempt is made whatever the circumstances; 0: they decide */
    /* The circumstances of the last attempt: without a change in them another one would fare no better. */
    uint64_t samples;
    uint64_t pool;
    int64_t available;
    int64_t model_version;
    uint64_t settings;        /* the event of their last change */
    uint64_t columns_changed; /* prices, groups, tags */
};

struct replenishments {
    struct replenishing *list;
    size_t count;
};

/* Zeroed, it is empty. */
void replenish_deinit(struct replenishments *replenishments);

/* Sends the planner ROUTE_REPLENISH over `planner_socket` if the project, as it is now, wants a batch and none is under way. */
void replenish(struct replenishments *replenishments, const struct project *project, void *planner_socket, int64_t now_ms);

/* The planner has answered for the project, with a plan or with this error. `again_ms` > 0: another attempt is to be made then.
 */
void replenish_answered(struct replenishments *replenishments, uint32_t project, enum protocol_code error, int64_t again_ms);

/* Rows were pushed to the project: what could not be selected from before may be now. */
void replenish_pushed(struct replenishments *replenishments, uint32_t project);

/* When the next attempt is to be made; INT64_MAX: at no set time. */
int64_t replenish_next_ms(const struct replenishments *replenishments, int64_t now_ms);
