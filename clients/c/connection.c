#include "clients/c/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum {
    REPLY_BYTES_MAX = 256 << 20, /* larger than any page the daemon sends; a bound against a peer that is something else */
    PAUSE_FIRST_MS = 20,         /* before a busy daemon is asked again; doubles up to the next */
    PAUSE_MAX_MS = 2000,
};

enum outcome { OUTCOME_REPLY, OUTCOME_SILENCE, OUTCOME_UNCONNECTED, OUTCOME_FAILED };

/* Until when, on the monotonic clock. */
struct limits {
    int64_t connected;
    int64_t answered;
};

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t client_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static char *copy_address(const char *given, const char *variable, const char *otherwise)
{
    if (!given)
        given = getenv(variable);
    return strdup(given && *given ? given : otherwise);
}

static bool system_failed(struct curated_error *error, const char *what)
{
    return client_fail(error, CURATED_SYSTEM, "", "", "%s: %s", what, zmq_strerror(errno));
}

static void close_socket(struct curated *client)
{
    if (client->socket)
        zmq_close(client->socket);
    client->socket = NULL;
}

static bool open_socket(struct curated *client, struct curated_error *error)
{
    const int zero = 0, one = 1;
    const int64_t bytes_max = REPLY_BYTES_MAX;
    client->socket = zmq_socket(client->context, ZMQ_DEALER);
    if (!client->socket)
        return system_failed(error, "no socket");
    /* Messages go only to a connection that stands, so that waiting for one can be told from waiting for a reply. */
    if (zmq_setsockopt(client->socket, ZMQ_IMMEDIATE, &one, sizeof one) == 0 &&
        zmq_setsockopt(client->socket, ZMQ_LINGER, &zero, sizeof zero) == 0 &&
        zmq_setsockopt(client->socket, ZMQ_MAXMSGSIZE, &bytes_max, sizeof bytes_max) == 0 &&
        zmq_connect(client->socket, client->requests) == 0)
        return true;
    const bool address = errno == EINVAL || errno == EPROTONOSUPPORT || errno == ENODEV;
    if (address)
        client_fail(error, CURATED_BAD_REQUEST, "requests", "an address such as tcp://127.0.0.1:7811", "%s", client->requests);
    else
        system_failed(error, "no socket");
    close_socket(client);
    return false;
}

struct curated *curated_open(const struct curated_options *options, struct curated_error *error)
{
    static const struct curated_options defaults = {0};
    if (!options)
        options = &defaults;
    client_clear(error);
    struct curated *client = calloc(1, sizeof *client);
    if (!client) {
        client_no_memory(error);
        return NULL;
    }
    client->timeout_ms = options->timeout_ms;
    client->attempt_ms = options->attempt_ms;
    client->connect_ms = options->connect_ms;
    client->requests = copy_address(options->requests, "CURATED_REQUESTS", "tcp://127.0.0.1:7811");
    client->events = copy_address(options->events, "CURATED_EVENTS", "tcp://127.0.0.1:7812");
    client->context = zmq_ctx_new();
    if (getrandom(&client->jitter, sizeof client->jitter, 0) != sizeof client->jitter)
        client->jitter = (uint64_t)client_now_ms();
    if (!client->requests || !client->events || !client->context)
        client_no_memory(error);
    else if (open_socket(client, error))
        return client;
    curated_close(client);
    return NULL;
}

void curated_close(struct curated *client)
{
    if (!client)
        return;
    close_socket(client);
    if (client->context)
        zmq_ctx_term(client->context);
    free(client->requests);
    free(client->events);
    free(client);
}

/* Waits for ZMQ_POLLIN or ZMQ_POLLOUT until the deadline. 1: ready, 0: not, -1: a failure. */
static int wait_for(void *socket, short event, int64_t deadline)
{
    for (;;) {
        zmq_pollitem_t item = {socket, 0, event, 0};
        const int64_t rest = deadline - client_now_ms();
        const int ready = zmq_poll(&item, 1, rest > 0 ? (long)rest : 0);
        if (ready >= 0 || errno != EINTR)
            return ready;
    }
}

static enum outcome send_frames(
    struct curated *client, const struct outgoing *outgoing, int64_t deadline, struct curated_error *error)
{
    const int ready = wait_for(client->socket, ZMQ_POLLOUT, deadline);
    if (ready == 0)
        return OUTCOME_UNCONNECTED;
    bool sent = ready > 0;
    for (size_t i = 0; sent && i < outgoing->frame_count; i++) {
        const int more = i + 1 < outgoing->frame_count ? ZMQ_SNDMORE : 0;
        sent = zmq_send(client->socket, outgoing->frames[i].data, outgoing->frames[i].size, more | ZMQ_DONTWAIT) >= 0;
    }
    if (sent)
        return OUTCOME_SILENCE;
    if (errno == EAGAIN) /* the connection went away between the two */
        return OUTCOME_UNCONNECTED;
    system_failed(error, "cannot send");
    return OUTCOME_FAILED;
}

/* Receives one message; all but its last frame are dropped, a reply has only one. */
static bool receive(void *socket, zmq_msg_t *message)
{
    zmq_msg_init(message);
    do {
        if (zmq_msg_recv(message, socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(message);
            return false;
        }
    } while (zmq_msg_more(message));
    return true;
}

/* A reply whose id is empty is to a request the daemon could not read, and only one is under way. */
static bool answers(const struct curated_reply *reply, struct text id)
{
    struct protocol_error problem = {0};
    struct reader reader = reply_reader(reply, &problem);
    const struct text got = reader_bytes(&reader, "id", 0, 64);
    return !problem.code && (got.size == 0 || (got.size == id.size && memcmp(got.data, id.data, id.size) == 0));
}

static enum outcome receive_reply(struct curated *client, const struct outgoing *outgoing, int64_t deadline,
    struct curated_reply **reply, struct curated_error *error)
{
    for (;;) {
        zmq_msg_t message;
        const int ready = wait_for(client->socket, ZMQ_POLLIN, deadline);
        if (ready == 0)
            return OUTCOME_SILENCE;
        if (ready < 0) {
            system_failed(error, "cannot wait for a reply");
            return OUTCOME_FAILED;
        }
        if (!receive(client->socket, &message))
            continue;
        *reply = reply_parse(&message, error);
        if (!*reply)
            return OUTCOME_FAILED;
        if (answers(*reply, outgoing->id))
            return OUTCOME_REPLY;
        curated_reply_free(*reply); /* of an earlier request that was given up */
        *reply = NULL;
    }
}

static enum outcome attempt(struct curated *client, const struct outgoing *outgoing, const struct limits *limits,
    struct curated_reply **reply, struct curated_error *error)
{
    if (!client->socket && !open_socket(client, error))
        return OUTCOME_FAILED;
    const enum outcome sent = send_frames(client, outgoing, limits->connected, error);
    return sent == OUTCOME_SILENCE ? receive_reply(client, outgoing, limits->answered, reply, error) : sent;
}

static bool is_busy(const struct curated_reply *reply)
{
    struct curated_error error;
    if (reply_is_ok(reply))
        return false;
    reply_read_error(reply, &error);
    return error.code == CURATED_BUSY;
}

/* Between half the pause and the whole, so that clients turned away together do not come back together. */
static void pause_some(struct curated *client, int64_t pause_ms)
{
    client->jitter = client->jitter * 6364136223846793005u + 1442695040888963407u;
    const int64_t ms = pause_ms / 2 + (int64_t)((client->jitter >> 33) % (uint64_t)(pause_ms / 2 + 1));
    const struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

static void tell_timed_out(const struct curated *client, const struct outgoing *outgoing, enum outcome last, int64_t waited_ms,
    struct curated_error *error)
{
    if (last == OUTCOME_UNCONNECTED)
        client_fail(error, CURATED_TIMED_OUT, "", "", "nothing accepts connections at %s (waited %lld ms)", client->requests,
            (long long)waited_ms);
    else
        client_fail(error, CURATED_TIMED_OUT, "", "", "%s is there but did not answer within %lld ms", client->requests,
            (long long)outgoing->timeout_ms);
}

struct curated_reply *client_exchange(struct curated *client, const struct outgoing *outgoing, struct curated_error *error)
{
    const int64_t start = client_now_ms();
    const int64_t deadline = start + outgoing->timeout_ms;
    bool connected = false;
    int64_t pause_ms = PAUSE_FIRST_MS;
    for (;;) {
        struct curated_reply *reply = NULL;
        const int64_t attempt_end = client_now_ms() + outgoing->attempt_ms;
        const int64_t connect_end = connected || client->connect_ms <= 0 ? deadline : start + client->connect_ms;
        const struct limits limits = {earlier(earlier(attempt_end, connect_end), deadline), earlier(attempt_end, deadline)};
        const enum outcome outcome = attempt(client, outgoing, &limits, &reply, error);
        connected = connected || outcome != OUTCOME_UNCONNECTED;
        switch (outcome) {
        case OUTCOME_REPLY:
            /* As much time as is waited is left for the answer: else the caller would learn of a time-out, not of `busy`. */
            if (!is_busy(reply) || client_now_ms() + 2 * pause_ms >= deadline)
                return reply;
            curated_reply_free(reply);
            pause_some(client, pause_ms);
            pause_ms = earlier(pause_ms * 2, PAUSE_MAX_MS);
            break;
        case OUTCOME_SILENCE:
        case OUTCOME_UNCONNECTED:
            /* A fresh connection forgets what the old one still holds: a late reply cannot be taken for that of the next call.
             */
            close_socket(client);
            if (client_now_ms() < (connected ? deadline : earlier(connect_end, deadline)))
                break;
            tell_timed_out(client, outgoing, outcome, client_now_ms() - start, error);
            return NULL;
        case OUTCOME_FAILED:
            close_socket(client);
            return NULL;
        }
    }
}
