/*
 * plan_make.h - from a request (or continuous mode's wish) to a plan, over snapshots of both environments.
 */
#pragma once

#include "protocol/request.h"
#include "selector/plan_input.h"
#include "selector/thread.h"

/* A plan with the memory it points to. */
struct made_plan {
    struct plan plan;
    struct item *items;
    uint8_t *states;
    double *class_weights;
    struct project project;
    int64_t available; /* of the project, when the plan was made */
    int64_t cheapest;  /* micro-dollars of the cheapest sample in the pool, all its answers; INT64_MAX: the pool is empty */
};

/*
 * Makes the plan of PLAN or BATCH.COMMIT. Where there can be none, made->plan.error says why. Partner: made_plan_deinit.
 */
void plan_make(struct made_plan *made, struct daemon *daemon, struct request *request);

/* Makes the plan of a project's next batch in continuous mode. */
void plan_make_replenishing(struct made_plan *made, struct daemon *daemon, struct text project);

void made_plan_deinit(struct made_plan *made);

/* REPLAY: makes the recorded selection again and compares. False with the error filled. */
bool plan_replay(struct daemon *daemon, struct request *request, struct writer *reply);
