/*
 * fake_daemon.h - a daemon of a few lines for tests of clients: a thread with a ROUTER (and an XPUB) that hands each request to
 * the test's own function.
 */
#pragma once

#include "protocol/request.h"
#include "protocol/writer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

struct fake_daemon;

/* Writes the reply into `reply`; false: stays silent. `fake->asked` is the number of this request, from 1. */
typedef bool fake_handler(struct fake_daemon *fake, const struct request *request, struct writer *reply);

struct fake_daemon {
    void *context;
    void *requests;
    void *events;
    char requests_address[64];
    char events_address[64];
    fake_handler *handler;
    pthread_t thread;
    atomic_bool stop;
    atomic_int asked;
    atomic_int subscriptions;
    atomic_int step; /* the test's own */
    /* What the test's handler keeps; read it after fake_stop. */
    char first_id[65];
    size_t rows_seen;
};

static inline void fake_send_reply(struct fake_daemon *fake, zmq_msg_t *peer, struct text reply)
{
    zmq_msg_t copy;
    zmq_msg_init(&copy);
    zmq_msg_copy(&copy, peer);
    zmq_msg_send(&copy, fake->requests, ZMQ_SNDMORE);
    zmq_send(fake->requests, reply.data, reply.size, 0);
}

static inline void fake_answer_one(struct fake_daemon *fake)
{
    zmq_msg_t parts[20];
    struct frame frames[20];
    size_t count = 0;
    do {
        zmq_msg_init(&parts[count]);
        zmq_msg_recv(&parts[count], fake->requests, 0);
        frames[count] = (struct frame){zmq_msg_data(&parts[count]), zmq_msg_size(&parts[count])};
        count++;
    } while (count < 20 && zmq_msg_more(&parts[count - 1]));

    msgpack_zone zone;
    struct request request;
    struct writer reply;
    msgpack_zone_init(&zone, 4096);
    writer_init(&reply);
    atomic_fetch_add(&fake->asked, 1);
    if (!request_decode(&request, frames + 1, count - 1, &zone)) {
        reply_error(&reply, &request.id, &request.error);
        fake_send_reply(fake, &parts[0], writer_finish(&reply));
    } else if (fake->handler(fake, &request, &reply)) {
        fake_send_reply(fake, &parts[0], writer_finish(&reply));
    }
    writer_deinit(&reply);
    msgpack_zone_destroy(&zone);
    for (size_t i = 0; i < count; i++)
        zmq_msg_close(&parts[i]);
}

static inline void *fake_run(void *argument)
{
    struct fake_daemon *fake = argument;
    while (!atomic_load(&fake->stop)) {
        zmq_pollitem_t items[] = {{fake->requests, 0, ZMQ_POLLIN, 0}, {fake->events, 0, ZMQ_POLLIN, 0}};
        if (zmq_poll(items, 2, 20) < 1)
            continue;
        if (items[0].revents)
            fake_answer_one(fake);
        if (items[1].revents) {
            char topic[100];
            zmq_recv(fake->events, topic, sizeof topic, 0);
            atomic_fetch_add(&fake->subscriptions, 1);
        }
    }
    return NULL;
}

static inline void fake_start(struct fake_daemon *fake, fake_handler *handler)
{
    size_t size = sizeof fake->requests_address;
    memset(fake, 0, sizeof *fake);
    fake->handler = handler;
    fake->context = zmq_ctx_new();
    fake->requests = zmq_socket(fake->context, ZMQ_ROUTER);
    fake->events = zmq_socket(fake->context, ZMQ_XPUB);
    zmq_bind(fake->requests, "tcp://127.0.0.1:*");
    zmq_getsockopt(fake->requests, ZMQ_LAST_ENDPOINT, fake->requests_address, &size);
    size = sizeof fake->events_address;
    zmq_bind(fake->events, "tcp://127.0.0.1:*");
    zmq_getsockopt(fake->events, ZMQ_LAST_ENDPOINT, fake->events_address, &size);
    pthread_create(&fake->thread, NULL, fake_run, fake);
}

static inline void fake_stop(struct fake_daemon *fake)
{
    const int zero = 0;
    atomic_store(&fake->stop, true);
    pthread_join(fake->thread, NULL);
    zmq_setsockopt(fake->requests, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt(fake->events, ZMQ_LINGER, &zero, sizeof zero);
    zmq_close(fake->requests);
    zmq_close(fake->events);
    zmq_ctx_term(fake->context);
}

/* Answers with an error of that code. */
static inline bool fake_refuse(const struct request *request, struct writer *reply, enum protocol_code code)
{
    struct protocol_error error = {0};
    protocol_fail(&error, code, "field", "this", "that");
    error.available_microusd = 42;
    reply_error(reply, &request->id, &error);
    return true;
}
