#include "selector/message.h"

#include <string.h>
#include <time.h>

/* libzmq hands a frame from thread to thread in a way that ThreadSanitizer does not see, and so is told. */
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#define FRAME_GIVEN(frame) __tsan_release(zmq_msg_data(frame))
#define FRAME_TAKEN(frame) __tsan_acquire(zmq_msg_data(frame))
#else
#define FRAME_GIVEN(frame) ((void)0)
#define FRAME_TAKEN(frame) ((void)0)
#endif

bool message_receive(struct message *message, void *socket, int flags)
{
    message->count = 0;
    for (;;) {
        zmq_msg_t frame;
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, socket, message->count == 0 ? flags : 0) < 0) {
            zmq_msg_close(&frame);
            message_close(message);
            return false;
        }
        FRAME_TAKEN(&frame);
        const bool more = zmq_msg_more(&frame);
        if (message->count < MESSAGE_FRAMES_MAX) {
            zmq_msg_init(&message->frames[message->count]);
            zmq_msg_move(&message->frames[message->count++], &frame);
        }
        zmq_msg_close(&frame);
        if (!more)
            return true;
    }
}

bool message_send(struct message *message, void *socket, int flags)
{
    for (size_t i = 0; i < message->count; i++) {
        const int more = i + 1 < message->count ? ZMQ_SNDMORE : 0;
        FRAME_GIVEN(&message->frames[i]);
        /* Only the first frame can be refused: the rest of a message follows it. */
        if (zmq_msg_send(&message->frames[i], socket, flags | more) < 0) {
            if (i == 0)
                return false;
            break;
        }
    }
    message_close(message);
    return true;
}

void message_close(struct message *message)
{
    for (size_t i = 0; i < message->count; i++)
        zmq_msg_close(&message->frames[i]);
    message->count = 0;
}

bool message_add(struct message *message, const void *bytes, size_t size)
{
    if (message->count == MESSAGE_FRAMES_MAX || zmq_msg_init_size(&message->frames[message->count], size) != 0)
        return false;
    if (size > 0)
        memcpy(zmq_msg_data(&message->frames[message->count]), bytes, size);
    message->count++;
    return true;
}

bool message_tell(void *socket, enum route_kind kind, const void *bytes, size_t size, int flags)
{
    const struct route route = {.kind = (uint8_t)kind};
    struct message message = {.count = 0};
    const bool sent = message_add(&message, &route, sizeof route) && message_add(&message, bytes, size) &&
                      message_send(&message, socket, flags);
    message_close(&message);
    return sent;
}

struct route message_route(const struct message *message)
{
    struct route route = {.kind = ROUTE_STOP};
    if (message->count > 0 && zmq_msg_size(&message->frames[0]) == sizeof route)
        memcpy(&route, zmq_msg_data((zmq_msg_t *)&message->frames[0]), sizeof route);
    return route;
}

void message_set_route(struct message *message, const struct route *route)
{
    memcpy(zmq_msg_data(&message->frames[0]), route, sizeof *route);
}

size_t message_frames(const struct message *message, struct frame *frames, size_t room)
{
    const size_t first = 1u + message_route(message).envelope;
    size_t count = 0;
    for (size_t i = first; i < message->count && count < room; i++, count++)
        frames[count] = (struct frame){zmq_msg_data((zmq_msg_t *)&message->frames[i]), zmq_msg_size(&message->frames[i])};
    return count;
}

void message_reply(struct message *message, void *socket, struct text payload)
{
    const size_t head = 1u + message_route(message).envelope;
    while (message->count > head)
        zmq_msg_close(&message->frames[--message->count]);
    /* Without memory for the reply there is none: the peer's time-out and retry are the remedy. */
    if (message_add(message, payload.data, payload.size))
        message_send(message, socket, 0);
    message_close(message);
}

void *message_socket(void *context, int type, const char *bind, const char *connect)
{
    void *socket = zmq_socket(context, type);
    if (!socket)
        return NULL;
    const int none = 0;
    zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none);
    zmq_setsockopt(socket, ZMQ_SNDHWM, &none, sizeof none);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &none, sizeof none);
    if ((bind && zmq_bind(socket, bind) != 0) || (connect && zmq_connect(socket, connect) != 0)) {
        zmq_close(socket);
        return NULL;
    }
    return socket;
}

int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
