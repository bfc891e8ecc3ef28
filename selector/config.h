/*
 * config.h - the daemon's configuration: a file in libconfig's language, every key of which is also a command-line option that
 * takes precedence. docs/man/curated.conf.5 explains each.
 */
#pragma once

#include "protocol/writer.h"
#include "selector/log.h"

#include <stdint.h>

struct config {
    char store[256];
    char requests[256];
    char events[256];
    char log_level[16]; /* at the start; log_level_name tells today's */
    int64_t max_request_bytes;
    int64_t bulk_queue_bytes; /* of pushes under way; beyond it, busy */
    int64_t state_map_bytes;
    int64_t vectors_map_bytes;
    int64_t group_requests; /* in one transaction at most */
    int64_t threads;        /* of the planner; 0: one a processor */
    int64_t references_max; /* 0: the strategy's default */
    char path[256];         /* of the configuration file; empty: none */
};

/*
 * Reads the command line and the file it names. Ends the process for --help, --version and usage errors, as command lines do; a
 * wrong configuration file is reported on standard error with its line, and answers false.
 */
bool configuration_load(struct config *config, int argc, char **argv);

/*
 * Reads the file again and takes over what may change while running: the log's level. False, with nothing changed, where it is
 * wrong. The configuration itself stays as it is, since other threads read it.
 */
bool configuration_reload(void);

/* Adds every key, as it is in force, to the open map. */
void configuration_write(const struct config *config, struct writer *writer);
