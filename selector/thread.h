/*
 * thread.h - the daemon's threads. They share the store, the configuration and a few figures; everything else goes by message.
 */
#pragma once

#include "selector/config.h"
#include "selector/message.h"
#include "store/store.h"

#include <stdatomic.h>

/* Figures that STATUS shows, each written by one thread but `read_only`: each of the two that write to disk sets it, for both.
 */
struct vitals {
    _Atomic uint64_t requests;
    _Atomic uint64_t commits;
    _Atomic bool draining;
    _Atomic bool read_only;
    _Atomic uint64_t task;           /* number of what the planner computes; 0: nothing */
    _Atomic uint32_t task_operation; /* enum operation */
    _Atomic uint32_t task_permille;  /* how far a selection is */
    _Atomic uint64_t task_canceled;  /* the task that is to be given up; written by the reader */
    _Atomic bool stopping;           /* tells a long computation to give up */
};

/* What every thread is given. It outlives them. */
struct daemon {
    struct config config;
    struct store store;
    void *zmq; /* context */
    struct vitals vitals;
    int64_t started_ms;
};

/*
 * Each runs until it receives ROUTE_STOP; `argument` is the struct daemon. They bind their ends before they say so with a
 * "+" on ENDPOINT_REPLIES, so that the front can count them ready. NULL, always: a thread that can't start says "-" there.
 */
void *engine_run(void *argument);
void *columns_run(void *argument);
void *planner_run(void *argument);
void *reader_run(void *argument);

/* The main loop; returns the process's exit status. */
int front_run(struct daemon *daemon);
