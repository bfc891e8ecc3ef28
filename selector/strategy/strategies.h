/*
 * strategies.h - one function a strategy, which fills the job's picks. What each is, and its paper, stands at the head of its
 * file. Private to strategy/.
 */
#pragma once

#include "selector/strategy/job.h"

typedef enum select_status select_run_fn(struct select_job *job);

select_run_fn select_run_random;
select_run_fn select_run_scores;
select_run_fn select_run_kcenter;
select_run_fn select_run_auto;
select_run_fn select_run_weighted_random;
select_run_fn select_run_draws;
select_run_fn select_run_power_bald;
select_run_fn select_run_gradient_length;
select_run_fn select_run_density;
select_run_fn select_run_outlier;
select_run_fn select_run_kcenter_robust;
select_run_fn select_run_kmeans_plus_plus;
select_run_fn select_run_badge;
select_run_fn select_run_dpp;
select_run_fn select_run_facility_location;
select_run_fn select_run_graph_cut;
select_run_fn select_run_coverage;
select_run_fn select_run_typiclust;
select_run_fn select_run_probcover;
select_run_fn select_run_cluster_margin;
select_run_fn select_run_search;
select_run_fn select_run_galaxy;
