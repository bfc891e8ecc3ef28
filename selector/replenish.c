#include "selector/replenish.h"

#include "selector/message.h"

#include <stdlib.h>

void replenish_deinit(struct replenishments *replenishments)
{
    free(replenishments->list);
}

/* The project's, made where it is missing; NULL without memory. */
static struct replenishing *find(struct replenishments *replenishments, uint32_t project)
{
    const size_t count = replenishments->count;
    for (size_t i = 0; i < count; i++)
        if (replenishments->list[i].project == project)
            return &replenishments->list[i];
    struct replenishing *list = realloc(replenishments->list, (count + 1) * sizeof *list);
    if (!list)
        return NULL;
    list[count] = (struct replenishing){.project = project, .available = -1};
    replenishments->list = list;
    replenishments->count++;
    return &list[count];
}

/* Notes the circumstances of an attempt; true where they are those of the last one. */
static bool note_circumstances(struct replenishing *state, const struct counters *counters)
{
    const struct replenishing before = *state;
    state->samples = counters->samples;
    state->pool = counters->states[SAMPLE_POOL];
    state->available = counters->available_microusd;
    state->model_version = counters->model_version;
    state->settings = counters->last_event[EVENT_CONFIG_CHANGED];
    state->columns_changed = counters->columns_changed;
    return state->samples == before.samples && state->pool == before.pool && state->available == before.available &&
           state->model_version == before.model_version && state->settings == before.settings &&
           state->columns_changed == before.columns_changed;
}

void replenish(struct replenishments *replenishments, const struct project *project, void *planner_socket, int64_t now_ms)
{
    const struct counters *counters = &project->counters;
    const struct settings *settings = &project->settings;
    struct replenishing *state = find(replenishments, project->number);
    if (!state || state->planning)
        return;
    const bool new_model = counters->model_version != state->model_version && state->available >= 0;
    const uint64_t wanted = new_model ? settings->replenish_depth : settings->replenish_low;
    if (counters->waiting >= wanted) {
        state->model_version = counters->model_version; /* it had its say: there was no room for more */
        return;
    }
    const bool due = state->again_ms > 0 && state->again_ms <= now_ms;
    const bool again = due || (state->lacking && state->pushed);
    if (note_circumstances(state, counters) && !again)
        return;
    state->again_ms = 0;
    state->lacking = false;
    state->pushed = false;
    /* Without waiting: when the daemon stops, the planner ends first. */
    state->planning = message_tell(planner_socket, ROUTE_REPLENISH, project->name.data, project->name.size, ZMQ_DONTWAIT);
}

void replenish_answered(struct replenishments *replenishments, uint32_t project, enum protocol_code error, int64_t again_ms)
{
    struct replenishing *state = find(replenishments, project);
    if (!state)
        return;
    state->planning = false;
    state->lacking = error == PROTOCOL_CONFLICT || error == PROTOCOL_NOT_FOUND;
    state->again_ms = again_ms;
}

void replenish_pushed(struct replenishments *replenishments, uint32_t project)
{
    struct replenishing *state = find(replenishments, project);
    if (state)
        state->pushed = true;
}

int64_t replenish_next_ms(const struct replenishments *replenishments, int64_t now_ms)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < replenishments->count; i++)
        if (replenishments->list[i].again_ms > now_ms && replenishments->list[i].again_ms < next)
            next = replenishments->list[i].again_ms;
    return next;
}
