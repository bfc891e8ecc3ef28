/*
 * predictions.h - how sure the model is of each sample, from whichever predictions the input has: the first of probabilities,
 * top-k, objects and draws that is there. Private to strategy/.
 *
 * Where a sample has several scores, of its labels or of its objects, parameters.aggregate makes one of them: the largest by
 * default, which does not grow with their number, and for labels is the choice of Brinker (2006; see kernel/multi_label.h). Of
 * the three for objects, the sum did best in Brust, Kaeding and Denzler, "Active learning for deep object detection", VISAPP
 * 2019, where an image costs the same however many objects it has: it favours crowded images. With prices by the object, or
 * with equal ones and a wish for few boxes, the largest or the mean is the fairer. A sample without objects scores 0.
 */
#pragma once

#include "selector/strategy/job.h"

/*
 * Fills job->first, second, predicted (and entropy) from the input's predictions, if it has any. 1 - first is the least
 * confidence and 1 - (first - second) the margin score, aggregated ones too.
 */
enum select_status select_job_scores(struct select_job *job, double temperature, bool entropy);
