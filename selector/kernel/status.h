/*
 * status.h - how a kernel that allocates, iterates or can be stopped ended.
 */
#pragma once

enum kernel_status {
    KERNEL_OK,
    KERNEL_END,       /* an iteration has nothing more to give */
    KERNEL_STOPPED,   /* the team's stop function asked for it */
    KERNEL_NO_MEMORY, /* nothing was changed that the partner call does not free */
};
