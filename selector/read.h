/*
 * read.h - operations that only look. One function each, over one snapshot of the state and one of the vectors.
 */
#pragma once

#include "protocol/request.h"
#include "selector/thread.h"
#include "store/label.h"
#include "store/lease.h"
#include "store/model.h"

struct reading {
    struct daemon *daemon;
    struct txn *state;
    struct txn *vectors;
};

/* Answers false with request->error filled where the request is refused. */
typedef bool read_fn(struct reading *reading, struct request *request, struct writer *reply);

read_fn read_project_get;
read_fn read_project_list;
read_fn read_sample_get;
read_fn read_batch_get;
read_fn read_explain;
read_fn read_labels_since;
read_fn read_ledger_since;
read_fn read_events_since;
read_fn read_budget_get;
read_fn read_status;
read_fn read_config;
read_fn read_planner_cancel;
