/* curated: decides which samples to have labelled next. See docs/design.md for the threads and rooms. */

#include "selector/strategy/select.h"
#include "selector/thread.h"

#include <stdlib.h>

static bool open_store(struct daemon *daemon)
{
    char problem[512];
    const struct store_options options = {
        .folder = daemon->config.store,
        .state_map_bytes = (size_t)daemon->config.state_map_bytes,
        .vectors_map_bytes = (size_t)daemon->config.vectors_map_bytes,
    };
    if (store_open(&daemon->store, &options, problem, sizeof problem))
        return true;
    log_error("store_open", "problem=\"%s\"", problem);
    return false;
}

int main(int argc, char **argv)
{
    static struct daemon daemon;
    enum log_level level;
    if (!configuration_load(&daemon.config, argc, argv))
        return EXIT_FAILURE;
    if (log_level_parse(daemon.config.log_level, &level))
        log_set_level(level);
    log_info("starting", "version=%s kernels=%s store=%s", CURATED_VERSION, select_kernels_name(), daemon.config.store);
    daemon.started_ms = wall_ms();
    if (!open_store(&daemon))
        return EXIT_FAILURE;
    daemon.zmq = zmq_ctx_new();
    int status = EXIT_FAILURE;
    if (daemon.zmq) {
        status = front_run(&daemon);
        zmq_ctx_term(daemon.zmq);
    } else {
        log_error("start", "problem=\"no ZeroMQ context\"");
    }
    store_close(&daemon.store);
    log_info("stopped", "status=%d", status);
    return status;
}
