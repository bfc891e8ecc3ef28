/* stop.h - a team's stop function for the tests of the selection library. */
#pragma once

#include <stdbool.h>

/* Says stop when it is asked for the `*left`-th time, and from then on. `context` is an unsigned *left > 0; 0: it has said so.
 */
static inline bool stop_after(void *context)
{
    unsigned *left = context;
    return *left == 0 || --*left == 0;
}
