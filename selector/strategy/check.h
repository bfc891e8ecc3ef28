/*
 * check.h - whether a call's input and policy make sense. Private to strategy/.
 */
#pragma once

#include "selector/strategy/select.h"

/* SELECT_OK, or SELECT_BAD_INPUT / SELECT_NEEDS_COLUMN with `error` (NULL: not wanted) filled. One pass over the columns. */
enum select_status select_check(
    const struct select_input *input, const struct select_policy *policy, struct select_error *error);

/* SELECT_OK, or an error where the input lacks one of `needs`, bits of enum select_need. */
enum select_status select_check_needs(const struct select_input *input, unsigned needs, struct select_error *error);
