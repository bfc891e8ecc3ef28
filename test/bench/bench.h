/*
 * bench.h - a clock and the one line of JSON that every bench prints.
 */
#pragma once

#include <stdio.h>
#include <time.h>

static inline double bench_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static inline void bench_print(
    const char *bench, const char *name, double seconds, const char *baseline, double baseline_seconds)
{
    printf("{\"bench\": \"%s\", \"case\": \"%s\", \"seconds\": %.6f, \"baseline\": \"%s\", \"baseline_seconds\": %.6f, "
           "\"ratio\": %.3f}\n",
        bench, name, seconds, baseline, baseline_seconds, baseline_seconds / seconds);
    fflush(stdout);
}
