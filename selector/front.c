/*
 * The front: one loop over the peers' sockets, the threads' answers and signals. It looks at a request's operation only, to
 * know whose it is, and never waits for anything but its poll, so that no peer and no thread can hold up another.
 */

#include "protocol/scan.h"
#include "selector/strategy/select.h"
#include "selector/thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

enum {
    OUTSTANDING_MAX = 65536, /* requests under way; beyond, the front stops reading and TCP holds the peers back */
    DRAIN_MAX = 1024,        /* messages of one kind taken in a turn, so that no socket starves another */
    EVENTS_HWM = 100000,     /* events queued for one slow subscriber; it replays what it misses */
    HEARTBEAT_MS = 10000,    /* peers that vanished without a word are noticed by this */
    STOP_LINGER_MS = 1000,   /* for the last replies to leave */
};

enum worker { WORKER_ENGINE, WORKER_COLUMNS, WORKER_PLANNER, WORKER_READER, WORKERS };

struct front {
    struct daemon *daemon;
    void *requests;  /* ROUTER */
    void *events;    /* XPUB */
    void *replies;   /* from the threads */
    void *published; /* events from the engine */
    void *to_engine;
    void *to_engine_slow;
    void *to_columns;
    void *to_planner;
    void *to_reader;
    int signals;
    pthread_t threads[WORKERS];
    int thread_count;
    size_t outstanding;
    uint64_t bulk_bytes;
    bool stopping;
};

/* --- requests ----------------------------------------------------------------------------------------------------------- */

/* Where an operation is done. Malformed requests go to the reader, which decodes them and says what is wrong. */
static void *destination(struct front *front, const struct frame *map)
{
    const char *name;
    size_t size;
    enum operation operation;
    if (!scan_find(map->data, map->size, "op", &name, &size) || !operation_parse(name, size, &operation))
        return front->to_reader;
    switch (operation_kind(operation)) {
    case OPERATION_BULK:
        return front->to_columns;
    case OPERATION_READ:
        return front->to_reader;
    case OPERATION_LONG:
        return front->to_planner;
    default:
        break;
    }
    const bool slow =
        operation == OPERATION_SAMPLE_PUT || operation == OPERATION_SAMPLE_DROP || operation == OPERATION_LABEL_IMPORT;
    return slow ? front->to_engine_slow : front->to_engine;
}

/* Takes a message from the ROUTER apart: identity, the empty frame of a REQ peer, the request. Puts a route before it. */
static bool wrap(struct message *message, struct route *route)
{
    if (message->count < 2)
        return false;
    if (message->count == MESSAGE_FRAMES_MAX)
        zmq_msg_close(&message->frames[--message->count]);
    const bool delimited = message->count > 2 && zmq_msg_size(&message->frames[1]) == 0;
    zmq_msg_t head;
    if (zmq_msg_init_size(&head, sizeof *route) != 0)
        return false;
    for (size_t i = message->count; i > 0; i--) {
        zmq_msg_init(&message->frames[i]);
        zmq_msg_move(&message->frames[i], &message->frames[i - 1]);
        zmq_msg_close(&message->frames[i - 1]);
    }
    message->count++;
    zmq_msg_init(&message->frames[0]);
    zmq_msg_move(&message->frames[0], &head);
    zmq_msg_close(&head);
    *route = (struct route){.kind = ROUTE_REQUEST, .envelope = delimited ? 2 : 1};
    message_set_route(message, route);
    return true;
}

static void send_to_peer(struct front *front, struct message *message)
{
    /* The route stays inside. */
    for (size_t i = 0; i + 1 < message->count; i++)
        zmq_msg_move(&message->frames[i], &message->frames[i + 1]);
    zmq_msg_close(&message->frames[--message->count]);
    /* A peer that is gone, or doesn't read, loses its reply: it must not hold up the others. */
    if (!message_send(message, front->requests, ZMQ_DONTWAIT))
        message_close(message);
}

/* Answers a request that no thread shall see. */
static void refuse(struct front *front, struct message *message, enum protocol_code code, const char *expected, const char *got)
{
    struct frame frames[REQUEST_FRAMES_MAX];
    struct request request;
    struct writer writer;
    msgpack_zone zone;
    if (!msgpack_zone_init(&zone, MSGPACK_ZONE_CHUNK_SIZE)) {
        message_close(message);
        return;
    }
    writer_init(&writer);
    request_decode(&request, frames, message_frames(message, frames, REQUEST_FRAMES_MAX), &zone);
    memset(&request.error, 0, sizeof request.error);
    protocol_fail(&request.error, code, "message", expected, "%s", got);
    reply_error(&writer, &request.id, &request.error);
    const struct text reply = writer_finish(&writer);
    const size_t head = 1u + message_route(message).envelope;
    while (message->count > head)
        zmq_msg_close(&message->frames[--message->count]);
    if (reply.data && message_add(message, reply.data, reply.size))
        send_to_peer(front, message);
    message_close(message);
    writer_deinit(&writer);
    msgpack_zone_destroy(&zone);
}

static void dispatch(struct front *front, struct message *message)
{
    struct route route;
    struct frame frames[REQUEST_FRAMES_MAX + 1];
    if (!wrap(message, &route)) {
        message_close(message);
        return;
    }
    const size_t count = message_frames(message, frames, REQUEST_FRAMES_MAX + 1);
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += frames[i].size;
    const struct config *config = &front->daemon->config;
    if (count == 0 || count > REQUEST_FRAMES_MAX) {
        refuse(front, message, PROTOCOL_BAD_REQUEST, "1 to 16 frames", "another number");
        return;
    }
    if (bytes > (uint64_t)config->max_request_bytes) {
        refuse(front, message, PROTOCOL_TOO_LARGE, "a request within max_request_bytes", "a larger one");
        return;
    }
    void *target = destination(front, &frames[0]);
    if (target == front->to_columns) {
        if (front->bulk_bytes + bytes > (uint64_t)config->bulk_queue_bytes && front->bulk_bytes > 0) {
            refuse(front, message, PROTOCOL_BUSY, "room in the queue of pushes", "a full queue");
            return;
        }
        route.bulk_bytes = bytes;
        message_set_route(message, &route);
        front->bulk_bytes += bytes;
    }
    front->outstanding++;
    message_send(message, target, 0);
}

static void take_requests(struct front *front)
{
    struct message message;
    for (int i = 0; i < DRAIN_MAX && front->outstanding < OUTSTANDING_MAX; i++) {
        if (!message_receive(&message, front->requests, ZMQ_DONTWAIT))
            return;
        dispatch(front, &message);
    }
}

/* --- answers, events, subscriptions ------------------------------------------------------------------------------------- */

/* True where there were any. */
static bool take_replies(struct front *front)
{
    struct message message;
    int i = 0;
    for (; i < DRAIN_MAX && message_receive(&message, front->replies, ZMQ_DONTWAIT); i++) {
        const struct route route = message_route(&message);
        if (route.kind == ROUTE_GREETING) {
            zmq_msg_send(&message.frames[1], front->events, ZMQ_SNDMORE | ZMQ_DONTWAIT);
            zmq_msg_send(&message.frames[2], front->events, ZMQ_DONTWAIT);
            message_close(&message);
            continue;
        }
        front->outstanding--;
        front->bulk_bytes -= route.bulk_bytes;
        send_to_peer(front, &message);
    }
    return i > 0;
}

static bool take_published(struct front *front)
{
    struct message message;
    int i = 0;
    for (; i < DRAIN_MAX && message_receive(&message, front->published, ZMQ_DONTWAIT); i++)
        message_send(&message, front->events, 0);
    return i > 0;
}

/* A new subscription is greeted by the reader, which knows the newest numbers. */
static void take_subscriptions(struct front *front)
{
    struct message message;
    for (int i = 0; i < DRAIN_MAX && message_receive(&message, front->events, ZMQ_DONTWAIT); i++) {
        const uint8_t *bytes = zmq_msg_data(&message.frames[0]);
        const size_t size = zmq_msg_size(&message.frames[0]);
        if (size > 1 && size < 512 && bytes[0] == 1)
            message_tell(front->to_reader, ROUTE_GREETING, bytes + 1, size - 1, 0);
        message_close(&message);
    }
}

static void take_signal(struct front *front)
{
    struct signalfd_siginfo info;
    if (read(front->signals, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    if (info.ssi_signo != SIGHUP) {
        log_info("stopping", "signal=%u", info.ssi_signo);
        front->stopping = true;
        return;
    }
    if (configuration_reload())
        log_info("reloaded", "log_level=%s", log_level_name());
    else
        log_error("reload_failed", "");
}

static void loop(struct front *front)
{
    while (!front->stopping) {
        zmq_pollitem_t items[] = {
            {front->replies, 0, ZMQ_POLLIN, 0},
            {front->published, 0, ZMQ_POLLIN, 0},
            {front->events, 0, ZMQ_POLLIN, 0},
            {NULL, front->signals, ZMQ_POLLIN, 0},
            {front->requests, 0, ZMQ_POLLIN, 0},
        };
        const int count = front->outstanding < OUTSTANDING_MAX ? 5 : 4;
        if (zmq_poll(items, count, -1) < 0)
            continue;
        if (items[0].revents)
            take_replies(front);
        if (items[1].revents)
            take_published(front);
        if (items[2].revents)
            take_subscriptions(front);
        if (items[3].revents)
            take_signal(front);
        if (items[4].revents)
            take_requests(front);
    }
}

/* --- start and stop ----------------------------------------------------------------------------------------------------- */

/* Without CURVE nothing but this machine may connect. */
static bool is_local(const char *endpoint)
{
    static const char *const prefixes[] = {"tcp://127.", "tcp://[::1]:", "tcp://localhost:", "ipc://"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(endpoint, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

static void *bind_public(struct front *front, int type, const char *endpoint, char *bound, size_t bound_size)
{
    void *socket = zmq_socket(front->daemon->zmq, type);
    const int64_t size = front->daemon->config.max_request_bytes;
    const int heartbeat = HEARTBEAT_MS;
    const int on = 1;
    const int room = type == ZMQ_XPUB ? EVENTS_HWM : OUTSTANDING_MAX; /* a peer that reads gets every reply it asked for */
    bool ok = socket && zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &size, sizeof size) == 0 &&
              zmq_setsockopt(socket, ZMQ_HEARTBEAT_IVL, &heartbeat, sizeof heartbeat) == 0 &&
              zmq_setsockopt(socket, ZMQ_SNDHWM, &room, sizeof room) == 0;
    if (ok && type == ZMQ_XPUB)
        ok = zmq_setsockopt(socket, ZMQ_XPUB_VERBOSE, &on, sizeof on) == 0;
    if (ok && !is_local(endpoint)) {
        log_error("denied", "endpoint=%s reason=\"only loopback and ipc:// may be bound\"", endpoint);
        ok = false;
    } else if (ok && zmq_bind(socket, endpoint) != 0) {
        log_error("bind", "endpoint=%s error=\"%s\"", endpoint, zmq_strerror(errno));
        ok = false;
    }
    if (ok && zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, bound, &bound_size) == 0)
        return socket;
    if (socket)
        zmq_close(socket);
    return NULL;
}

static bool open_signals(struct front *front)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    /* Before any thread starts, so that all inherit the mask and the signals come here only. */
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
        return false;
    front->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return front->signals >= 0;
}

static bool open_sockets(struct front *front)
{
    void *zmq = front->daemon->zmq;
    front->replies = message_socket(zmq, ZMQ_PULL, ENDPOINT_REPLIES, NULL);
    front->published = message_socket(zmq, ZMQ_PULL, ENDPOINT_EVENTS, NULL);
    front->to_engine = message_socket(zmq, ZMQ_PUSH, NULL, ENDPOINT_ENGINE);
    front->to_engine_slow = message_socket(zmq, ZMQ_PUSH, NULL, ENDPOINT_ENGINE_SLOW);
    front->to_columns = message_socket(zmq, ZMQ_PUSH, NULL, ENDPOINT_COLUMNS);
    front->to_planner = message_socket(zmq, ZMQ_PUSH, NULL, ENDPOINT_PLANNER);
    front->to_reader = message_socket(zmq, ZMQ_PUSH, NULL, ENDPOINT_READER);
    return front->replies && front->published && front->to_engine && front->to_engine_slow && front->to_columns &&
           front->to_planner && front->to_reader;
}

/* Starts the threads and waits until each has said that it is ready. */
static bool start_threads(struct front *front)
{
    static void *(*const runs[WORKERS])(void *) = {[WORKER_ENGINE] = engine_run,
        [WORKER_COLUMNS] = columns_run,
        [WORKER_PLANNER] = planner_run,
        [WORKER_READER] = reader_run};
    bool ok = true;
    for (; front->thread_count < WORKERS; front->thread_count++)
        if (pthread_create(&front->threads[front->thread_count], NULL, runs[front->thread_count], front->daemon) != 0)
            return false;
    for (int i = 0; i < WORKERS; i++) {
        char word = '-';
        ok = zmq_recv(front->replies, &word, 1, 0) == 1 && word == '+' && ok;
    }
    return ok;
}

static void send_stop(void *socket)
{
    const struct route route = {.kind = ROUTE_STOP};
    /* Without waiting: a thread that could not start listens to nothing. */
    zmq_send(socket, &route, sizeof route, ZMQ_DONTWAIT);
}

/* The engine last: the others may still have something for it. */
static void stop_threads(struct front *front)
{
    front->daemon->vitals.stopping = true;
    if (front->thread_count < WORKERS)
        return;
    send_stop(front->to_planner);
    send_stop(front->to_reader);
    send_stop(front->to_columns);
    pthread_join(front->threads[WORKER_PLANNER], NULL);
    pthread_join(front->threads[WORKER_COLUMNS], NULL);
    pthread_join(front->threads[WORKER_READER], NULL);
    send_stop(front->to_engine);
    pthread_join(front->threads[WORKER_ENGINE], NULL);
}

static void close_all(struct front *front)
{
    void *sockets[] = {front->requests, front->events, front->replies, front->published, front->to_engine,
        front->to_engine_slow, front->to_columns, front->to_planner, front->to_reader};
    const int linger = STOP_LINGER_MS;
    for (size_t i = 0; i < sizeof sockets / sizeof *sockets; i++) {
        if (!sockets[i])
            continue;
        if (i < 2)
            zmq_setsockopt(sockets[i], ZMQ_LINGER, &linger, sizeof linger);
        zmq_close(sockets[i]);
    }
    if (front->signals >= 0)
        close(front->signals);
}

int front_run(struct daemon *daemon)
{
    struct front front = {.daemon = daemon, .signals = -1};
    char requests[256] = "";
    char events[256] = "";
    bool ok = open_signals(&front) && open_sockets(&front);
    if (ok) {
        front.requests = bind_public(&front, ZMQ_ROUTER, daemon->config.requests, requests, sizeof requests);
        front.events = bind_public(&front, ZMQ_XPUB, daemon->config.events, events, sizeof events);
        ok = front.requests && front.events;
    }
    if (ok) {
        ok = start_threads(&front);
        if (ok) {
            log_info("ready", "requests=%s events=%s kernels=%s", requests, events, select_kernels_name());
            sd_notify(0, "READY=1");
            loop(&front);
            sd_notify(0, "STOPPING=1");
        }
        stop_threads(&front);
        while (take_replies(&front) || take_published(&front)) {
        }
    }
    close_all(&front);
    return ok ? 0 : 1;
}
