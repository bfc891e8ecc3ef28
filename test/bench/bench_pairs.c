/*
 * bench_pairs ENDPOINT PROJECT CONNECTIONS WINDOW PAIRS - LEASE and SUBMIT as fast as a daemon takes them.
 *
 * Each connection is a DEALER with WINDOW requests under way: a lease's reply is answered by a SUBMIT, a SUBMIT's reply by the
 * next LEASE. Prints one JSON line: pairs, seconds, and the latencies of single requests.
 */

#include "protocol/reader.h"
#include "protocol/writer.h"
#include "test/bench/bench.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum { CONNECTIONS_MAX = 64, ID_SIZE = 8 };

struct load {
    void *sockets[CONNECTIONS_MAX];
    int connections;
    const char *project;
    struct writer writer;
    msgpack_zone zone;
    uint64_t next_id;
    double *sent;      /* [requests] by id */
    double *latencies; /* [requests] */
    size_t done;
    size_t requests;
    size_t pairs;
    size_t leases_sent;
    size_t under_way;
};

static void fail(const char *what)
{
    fprintf(stderr, "bench_pairs: %s\n", what);
    exit(1);
}

/* Opens a request's map with the fields that both operations have. */
static void begin(struct load *load, const char *operation, int connection)
{
    char worker[16];
    const uint64_t id = load->next_id++;
    snprintf(worker, sizeof worker, "w%d", connection);
    writer_reset(&load->writer);
    writer_map_begin(&load->writer, NULL);
    writer_integer(&load->writer, "v", 1);
    writer_bytes(&load->writer, "id", &id, sizeof id);
    writer_string(&load->writer, "op", operation);
    writer_string(&load->writer, "project", load->project);
    writer_string(&load->writer, "worker", worker);
    load->sent[id] = bench_seconds();
}

static void send_request(struct load *load, int connection)
{
    writer_map_end(&load->writer);
    const struct text bytes = writer_finish(&load->writer);
    if (!bytes.data || zmq_send(load->sockets[connection], bytes.data, bytes.size, 0) < 0)
        fail("can't send");
    load->under_way++;
}

static void send_lease(struct load *load, int connection)
{
    if (2 * load->leases_sent >= load->requests)
        return;
    load->leases_sent++;
    begin(load, "LEASE", connection);
    send_request(load, connection);
}

static void send_submit(struct load *load, int connection, const msgpack_object *lease)
{
    struct protocol_error error = {0};
    struct reader fields = {&lease->via.map, NULL, 0, &error};
    begin(load, "SUBMIT", connection);
    writer_integer(&load->writer, "slot", reader_integer(&fields, "slot", 0, UINT32_MAX));
    writer_integer(&load->writer, "lease", reader_integer(&fields, "lease", 1, INT64_MAX));
    writer_integer(&load->writer, "label", 0);
    send_request(load, connection);
}

static void take_reply(struct load *load, int connection, const void *bytes, size_t size)
{
    size_t offset = 0;
    uint64_t id;
    msgpack_object object;
    struct protocol_error error = {0};
    msgpack_zone_clear(&load->zone);
    if (msgpack_unpack(bytes, size, &offset, &load->zone, &object) != MSGPACK_UNPACK_SUCCESS ||
        object.type != MSGPACK_OBJECT_MAP)
        fail("a malformed reply");
    struct reader fields = {&object.via.map, NULL, 0, &error};
    if (!reader_bool(&fields, "ok"))
        fail("a refusal");
    memcpy(&id, reader_bytes(&fields, "id", ID_SIZE, ID_SIZE).data, sizeof id);
    load->latencies[load->done++] = bench_seconds() - load->sent[id];
    load->under_way--;
    if (!reader_has(&fields, "leases")) {
        load->pairs++;
        send_lease(load, connection);
        return;
    }
    const msgpack_object_array *leases = reader_list(&fields, "leases", 1);
    if (leases->size == 1)
        send_submit(load, connection, &leases->ptr[0]);
}

static void run(struct load *load, int window)
{
    zmq_pollitem_t items[CONNECTIONS_MAX];
    for (int i = 0; i < load->connections; i++) {
        items[i] = (zmq_pollitem_t){load->sockets[i], 0, ZMQ_POLLIN, 0};
        for (int j = 0; j < window; j++)
            send_lease(load, i);
    }
    while (load->under_way > 0) {
        if (zmq_poll(items, load->connections, 10000) <= 0)
            fail("no reply for ten seconds");
        for (int i = 0; i < load->connections; i++) {
            zmq_msg_t reply;
            zmq_msg_init(&reply);
            while (zmq_msg_recv(&reply, load->sockets[i], ZMQ_DONTWAIT) >= 0)
                take_reply(load, i, zmq_msg_data(&reply), zmq_msg_size(&reply));
            zmq_msg_close(&reply);
        }
    }
}

static int compare(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;
    return (a > b) - (a < b);
}

int main(int argc, char **argv)
{
    if (argc != 6)
        fail("usage: bench_pairs ENDPOINT PROJECT CONNECTIONS WINDOW PAIRS");
    struct load load = {
        .connections = (int)strtol(argv[3], NULL, 10), .project = argv[2], .requests = 2 * (size_t)strtoul(argv[5], NULL, 10)};
    if (load.connections < 1 || load.connections > CONNECTIONS_MAX || load.requests == 0)
        fail("1 to 64 connections and at least one pair");
    load.sent = calloc(load.requests, sizeof *load.sent);
    load.latencies = calloc(load.requests, sizeof *load.latencies);
    void *context = zmq_ctx_new();
    writer_init(&load.writer);
    if (!load.sent || !load.latencies || !context || !msgpack_zone_init(&load.zone, MSGPACK_ZONE_CHUNK_SIZE))
        fail("out of memory");
    for (int i = 0; i < load.connections; i++) {
        load.sockets[i] = zmq_socket(context, ZMQ_DEALER);
        if (!load.sockets[i] || zmq_connect(load.sockets[i], argv[1]) != 0)
            fail("can't connect");
    }
    const double start = bench_seconds();
    run(&load, (int)strtol(argv[4], NULL, 10));
    const double seconds = bench_seconds() - start;
    qsort(load.latencies, load.done, sizeof *load.latencies, compare);
    printf("{\"pairs\": %zu, \"seconds\": %.6f, \"p50_ms\": %.3f, \"p99_ms\": %.3f}\n", load.pairs, seconds,
        1e3 * load.latencies[load.done / 2], 1e3 * load.latencies[load.done * 99 / 100]);
    const int none = 0;
    for (int i = 0; i < load.connections; i++) {
        zmq_setsockopt(load.sockets[i], ZMQ_LINGER, &none, sizeof none);
        zmq_close(load.sockets[i]);
    }
    zmq_ctx_term(context);
    writer_deinit(&load.writer);
    msgpack_zone_destroy(&load.zone);
    free(load.sent);
    free(load.latencies);
    return load.pairs * 2 == load.done ? 0 : 1;
}
