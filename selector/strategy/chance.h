/*
 * chance.h - candidates in random order, and the chance that each had of being picked. Private to strategy/.
 *
 * Candidates are taken in turn until one does not fit the money. The chance that a sample of cost c is taken then is the mean
 * over its place j of P(S_j <= money - c), S_j being the cost of the j samples before it: exact for a count without a bound on
 * money and where costs are equal, by the normal approximation of a sum drawn without replacement where they are not. Groups,
 * shares and filters are not in that figure: where they bind it is an approximation.
 */
#pragma once

#include "selector/strategy/job.h"

/* Keys [candidate_count] whose falling order is a random order of the candidates. */
void select_chance_draw(const struct select_job *job, enum select_stream stream, double *keys);

/*
 * Fills in the probability of picks from..to-1, of which there could be `places` at most for this much money in micro-dollars
 * (each infinite: no bound). `rounded`: a sample that fits in part was taken with that chance.
 */
void select_chance_record(struct select_job *job, size_t from, size_t to, double places, double money, bool rounded);
