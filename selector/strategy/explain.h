/*
 * explain.h - the terms of each pick, enough to compute its rank again. Private to strategy/.
 */
#pragma once

#include "selector/strategy/job.h"

/* Fills in the terms of picks that are known once all are made; predicted classes too, where the strategy did without. */
enum select_status select_job_explain(struct select_job *job);
