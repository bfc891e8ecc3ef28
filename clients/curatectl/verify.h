/*
 * verify.h - recounts a store without its daemon.
 */
#pragma once

#include "clients/curatectl/command.h"

/* Verifies the context's project, or all without one, in the store of that folder. Returns an exit code. */
int verify_folder(struct context *context, const char *folder);
