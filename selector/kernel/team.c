#include "selector/kernel/team.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    THREADS_MAX = 64,
    WAIT_NS = 10000000, /* that the caller waits for the others between two questions */
};

struct worker {
    struct kernel_team *team;
    pthread_t thread;
    unsigned index;
};

struct kernel_team {
    pthread_mutex_t lock;
    pthread_cond_t work; /* a new job, or the end */
    pthread_cond_t idle; /* the last worker has left the job */
    /* Guarded by lock. */
    unsigned long job;
    unsigned busy;
    bool ended;
    /* Set before the job is announced, constant while it runs. */
    kernel_tile_fn *tile;
    void *context;
    size_t tiles;
    atomic_size_t next;
    atomic_bool stopped;
    kernel_stop_fn *stop;
    void *stop_context;
    unsigned size;
    struct worker workers[THREADS_MAX]; /* 1..size-1; the caller is worker 0 */
};

static void *work(void *argument)
{
    struct worker *self = argument;
    struct kernel_team *team = self->team;
    unsigned long seen = 0;
    pthread_mutex_lock(&team->lock);
    for (;;) {
        while (team->job == seen && !team->ended)
            pthread_cond_wait(&team->work, &team->lock);
        if (team->ended)
            break;
        seen = team->job;
        pthread_mutex_unlock(&team->lock);
        size_t tile;
        while (!atomic_load(&team->stopped) && (tile = atomic_fetch_add(&team->next, 1)) < team->tiles)
            team->tile(team->context, tile, self->index);
        pthread_mutex_lock(&team->lock);
        if (--team->busy == 0)
            pthread_cond_signal(&team->idle);
    }
    pthread_mutex_unlock(&team->lock);
    return NULL;
}

/* Waits are measured by the monotonic clock: the other one can be set. */
static void idle_init(pthread_cond_t *idle)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(idle, &attributes);
    pthread_condattr_destroy(&attributes);
}

struct kernel_team *kernel_team_new(unsigned threads, kernel_stop_fn *stop, void *stop_context)
{
    struct kernel_team *team = calloc(1, sizeof *team);
    if (team == NULL)
        return NULL;
    if (threads == 0) {
        long processors = sysconf(_SC_NPROCESSORS_ONLN);
        threads = processors > 0 ? (unsigned)processors : 1;
    }
    if (threads > THREADS_MAX)
        threads = THREADS_MAX;
    team->stop = stop;
    team->stop_context = stop_context;
    pthread_mutex_init(&team->lock, NULL);
    pthread_cond_init(&team->work, NULL);
    idle_init(&team->idle);
    /* A thread that cannot be had is done without: results do not depend on the number. */
    for (team->size = 1; team->size < threads; team->size++) {
        struct worker *worker = &team->workers[team->size];
        worker->team = team;
        worker->index = team->size;
        if (pthread_create(&worker->thread, NULL, work, worker) != 0)
            break;
    }
    return team;
}

void kernel_team_free(struct kernel_team **team_pointer)
{
    struct kernel_team *team = *team_pointer;
    if (team == NULL)
        return;
    pthread_mutex_lock(&team->lock);
    team->ended = true;
    pthread_cond_broadcast(&team->work);
    pthread_mutex_unlock(&team->lock);
    for (unsigned i = 1; i < team->size; i++)
        pthread_join(team->workers[i].thread, NULL);
    pthread_cond_destroy(&team->idle);
    pthread_cond_destroy(&team->work);
    pthread_mutex_destroy(&team->lock);
    free(team);
    *team_pointer = NULL;
}

unsigned kernel_team_size(const struct kernel_team *team)
{
    return team->size;
}

double kernel_team_share(const struct kernel_team *team)
{
    size_t begun = atomic_load(&team->next);
    return begun < team->tiles ? (double)begun / (double)team->tiles : team->tiles > 0 ? 1 : 0;
}

bool kernel_team_stopped(struct kernel_team *team)
{
    if (!atomic_load(&team->stopped) && team->stop != NULL && team->stop(team->stop_context))
        atomic_store(&team->stopped, true);
    return atomic_load(&team->stopped);
}

bool kernel_team_poll(struct kernel_team *team, unsigned worker)
{
    return worker == 0 ? kernel_team_stopped(team) : atomic_load(&team->stopped);
}

/* Waits until the others have left the job, and asks `stop` meanwhile: a long tile of theirs may be waiting for its answer. */
static void wait_for_others(struct kernel_team *team)
{
    pthread_mutex_lock(&team->lock);
    while (team->busy > 0) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += WAIT_NS;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        if (pthread_cond_timedwait(&team->idle, &team->lock, &until) != ETIMEDOUT)
            continue;
        pthread_mutex_unlock(&team->lock);
        kernel_team_stopped(team);
        pthread_mutex_lock(&team->lock);
    }
    team->tiles = 0;
    pthread_mutex_unlock(&team->lock);
}

bool kernel_team_run(struct kernel_team *team, size_t tiles, kernel_tile_fn *tile, void *context)
{
    if (kernel_team_stopped(team))
        return false;
    /* Waking the others costs more than a single tile. */
    bool alone = team->size == 1 || tiles <= 1;
    pthread_mutex_lock(&team->lock);
    team->tile = tile;
    team->context = context;
    team->tiles = tiles;
    atomic_store(&team->next, 0);
    if (!alone) {
        team->busy = team->size - 1;
        team->job++;
        pthread_cond_broadcast(&team->work);
    }
    pthread_mutex_unlock(&team->lock);

    size_t index;
    while (!kernel_team_stopped(team) && (index = atomic_fetch_add(&team->next, 1)) < tiles)
        tile(context, index, 0);

    wait_for_others(team);
    return !atomic_load(&team->stopped);
}
