/*
 * options.h - turns a command's table of parameters into argp's, and what was given into values.
 */
#pragma once

#include "clients/curatectl/command.h"

#include <argp.h>

/* --requests, --events, --project, --timeout, --json; its input is the struct context. */
extern const struct argp options_common;

/*
 * Parses a command's options and arguments; argv[0] is ignored. EXIT_FINE, or the exit code after a message. --help and wrong
 * options end the process, as argp does.
 */
int options_parse(struct context *context, int argc, char **argv);
