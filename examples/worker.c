/*
 * A worker on libzmq and msgpack-c alone: takes an item, shows it, and answers with the line typed; an empty line skips.
 *     worker [ADDRESS [PROJECT [NAME]]]
 */
#include <msgpack.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

static const char *address = "tcp://127.0.0.1:7811", *project = "demo", *worker = "worker";
static void *context, *requests;
static zmq_msg_t message; /* the last reply; what was unpacked points into it */
static msgpack_unpacked unpacked;

static void fail(const char *why)
{
    fprintf(stderr, "%s: %s\n", address, why);
    exit(1);
}

static const msgpack_object *find(const msgpack_object *map, const char *key)
{
    for (uint32_t i = 0; map && map->type == MSGPACK_OBJECT_MAP && i < map->via.map.size; i++) {
        const msgpack_object_str *name = &map->via.map.ptr[i].key.via.str;
        if (name->size == strlen(key) && memcmp(name->ptr, key, name->size) == 0)
            return &map->via.map.ptr[i].val;
    }
    return NULL;
}

/* Sends until there is a reply: the same bytes under the same id have their effect once. A silent REQ socket must be replaced.
 */
static void exchange(const msgpack_sbuffer *request)
{
    const int timeout_ms = 5000, linger = 0;
    for (;;) {
        if (!requests) {
            requests = zmq_socket(context, ZMQ_REQ);
            zmq_setsockopt(requests, ZMQ_RCVTIMEO, &timeout_ms, sizeof timeout_ms);
            zmq_setsockopt(requests, ZMQ_LINGER, &linger, sizeof linger);
            if (zmq_connect(requests, address) != 0)
                fail(zmq_strerror(zmq_errno()));
        }
        if (zmq_send(requests, request->data, request->size, 0) >= 0 && zmq_msg_recv(&message, requests, 0) >= 0)
            return;
        zmq_close(requests);
        requests = NULL;
    }
}

/* Asks for an operation; its further fields are triples of name, text and number, the number where the text is NULL. */
static const msgpack_object *ask(const char *operation, size_t fields, ...)
{
    static unsigned count;
    char id[64];
    msgpack_sbuffer request;
    msgpack_packer packer;
    snprintf(id, sizeof id, "%ld-%ld-%u", (long)time(NULL), (long)getpid(), count++);
    msgpack_sbuffer_init(&request);
    msgpack_packer_init(&packer, &request, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 5 + fields);
    msgpack_pack_str_with_body(&packer, "v", 1);
    msgpack_pack_int(&packer, 1);
    const char *const common[] = {"id", id, "op", operation, "project", project, "worker", worker};
    for (size_t i = 0; i < 8; i++)
        msgpack_pack_str_with_body(&packer, common[i], strlen(common[i]));
    va_list more;
    va_start(more, fields);
    for (size_t i = 0; i < fields; i++) {
        const char *name = va_arg(more, const char *), *text = va_arg(more, const char *);
        const uint64_t number = va_arg(more, uint64_t);
        msgpack_pack_str_with_body(&packer, name, strlen(name));
        if (text)
            msgpack_pack_str_with_body(&packer, text, strlen(text));
        else
            msgpack_pack_uint64(&packer, number);
    }
    va_end(more);
    exchange(&request);
    msgpack_sbuffer_destroy(&request);
    if (msgpack_unpack_next(&unpacked, zmq_msg_data(&message), zmq_msg_size(&message), NULL) != MSGPACK_UNPACK_SUCCESS)
        fail("does not speak msgpack");
    const msgpack_object *text = find(find(&unpacked.data, "error"), "message");
    if (text)
        fprintf(stderr, "%s: %.*s\n", operation, (int)text->via.str.size, text->via.str.ptr);
    return &unpacked.data;
}

int main(int argc, char **argv)
{
    char line[256];
    address = argc > 1 ? argv[1] : address;
    project = argc > 2 ? argv[2] : project;
    worker = argc > 3 ? argv[3] : worker;
    context = zmq_ctx_new();
    zmq_msg_init(&message);
    msgpack_unpacked_init(&unpacked);
    for (;;) {
        const msgpack_object *leases = find(ask("LEASE", 0), "leases");
        if (!leases || leases->via.array.size == 0) {
            sleep(1); /* or wait on a SUB socket for batch.published and item.released */
            continue;
        }
        const msgpack_object *item = &leases->via.array.ptr[0], *key = find(item, "key");
        const uint64_t slot = find(item, "slot")->via.u64, lease = find(item, "lease")->via.u64;
        printf("%.*s: ", (int)key->via.str.size, key->via.str.ptr);
        if (fflush(stdout) != 0 || !fgets(line, sizeof line, stdin))
            return 0; /* the lease runs out, and the item goes to somebody else */
        line[strcspn(line, "\n")] = '\0';
        ask(*line ? "SUBMIT" : "SKIP", 3, "slot", NULL, slot, "lease", NULL, lease, *line ? "label" : "reason",
            *line ? line : "unclear", UINT64_C(0));
    }
}
