#include "clients/c/client.h"

#include <stdlib.h>
#include <string.h>

/* Leases and their texts in one piece of memory: this head, the leases, then the bytes of their texts. */
struct page {
    struct curated_leases leases;
    struct curated_lease items[];
};

static size_t text_bytes(const struct reader *item, const char *field)
{
    const msgpack_object *object = reader_find(item, field);
    return (object ? reader_object_text(object).size : 0) + 1;
}

/* Copies a text to *at, which moves behind it. */
static const char *copy_text(struct reader *item, const char *field, char **at)
{
    const struct text value = reader_text_or(item, field, 0, UINT32_MAX, "");
    char *text = *at;
    memcpy(text, value.data, value.size);
    text[value.size] = '\0';
    *at += value.size + 1;
    return text;
}

static struct curated_lease copy_lease(struct reader *item, char **at)
{
    return (struct curated_lease){
        .lease = reader_integer(item, "lease", 0, INT64_MAX),
        .slot = (uint32_t)reader_integer(item, "slot", 0, UINT32_MAX),
        .batch = reader_integer(item, "batch", 0, INT64_MAX),
        .price_microusd = reader_integer(item, "price_microusd", 0, INT64_MAX),
        .deadline_ms = reader_integer(item, "deadline_ms", 0, INT64_MAX),
        .key = copy_text(item, "key", at),
        .uri = copy_text(item, "uri", at),
        .type = copy_text(item, "type", at),
    };
}

/* The reader of an element of a list of maps; of an empty map where it is something else. */
static struct reader element(const msgpack_object_array *list, size_t i, struct protocol_error *problem)
{
    const msgpack_object *object = &list->ptr[i];
    return (struct reader){object->type == MSGPACK_OBJECT_MAP ? &object->via.map : NULL, NULL, 0, problem};
}

static struct page *copy_page(const struct curated_reply *reply, struct curated_error *error)
{
    struct protocol_error problem = {0};
    struct reader reader = reply_reader(reply, &problem);
    const msgpack_object_array *list = reader_list(&reader, "leases", 100000);
    size_t texts = 0;
    for (size_t i = 0; i < list->size; i++) {
        const struct reader item = element(list, i, &problem);
        texts += text_bytes(&item, "key") + text_bytes(&item, "uri") + text_bytes(&item, "type");
    }
    struct page *page = malloc(sizeof *page + list->size * sizeof page->items[0] + texts);
    if (!page) {
        client_no_memory(error);
        return NULL;
    }
    char *at = (char *)(page->items + list->size);
    for (size_t i = 0; i < list->size; i++) {
        struct reader item = element(list, i, &problem);
        page->items[i] = copy_lease(&item, &at);
    }
    page->leases = (struct curated_leases){list->size, page->items, reader_integer_or(&reader, "waiting", 0, INT64_MAX, 0)};
    if (reply_read_well(&problem, error))
        return page;
    free(page);
    return NULL;
}

struct curated_leases *curated_lease(struct curated *client, const char *project, const char *worker, int64_t count,
    int64_t lease_ms, struct curated_error *error)
{
    struct writer fields;
    writer_init(&fields);
    writer_map_begin(&fields, NULL);
    writer_string(&fields, "worker", worker);
    writer_integer(&fields, "count", count);
    if (lease_ms > 0)
        writer_integer(&fields, "lease_ms", lease_ms);
    writer_map_end(&fields);
    struct curated_reply *reply = client_call(client, "LEASE", project, &fields, NULL, NULL, 0, error);
    writer_deinit(&fields);
    struct page *page = reply ? copy_page(reply, error) : NULL;
    curated_reply_free(reply);
    return page ? &page->leases : NULL;
}

void curated_leases_free(struct curated_leases *leases)
{
    free(leases); /* the head of its page */
}

/* TOUCH, SUBMIT, SKIP and RELEASE name the lease alike; the caller adds its own fields and frees the reply. */
static void begin_answer(struct writer *fields, const char *worker, const struct curated_lease *lease)
{
    writer_init(fields);
    writer_map_begin(fields, NULL);
    writer_string(fields, "worker", worker);
    writer_integer(fields, "slot", lease->slot);
    writer_integer(fields, "lease", lease->lease);
}

static struct curated_reply *finish_answer(
    struct curated *client, const char *operation, const char *project, struct writer *fields, struct curated_error *error)
{
    writer_map_end(fields);
    struct curated_reply *reply = client_call(client, operation, project, fields, NULL, NULL, 0, error);
    writer_deinit(fields);
    return reply;
}

bool curated_touch(struct curated *client, const char *project, const char *worker, const struct curated_lease *lease,
    int64_t lease_ms, int64_t *deadline_ms, struct curated_error *error)
{
    struct writer fields;
    begin_answer(&fields, worker, lease);
    if (lease_ms > 0)
        writer_integer(&fields, "lease_ms", lease_ms);
    struct curated_reply *reply = finish_answer(client, "TOUCH", project, &fields, error);
    if (reply && deadline_ms)
        *deadline_ms = curated_reply_integer(reply, "deadline_ms", 0);
    curated_reply_free(reply);
    return reply != NULL;
}

bool curated_submit(struct curated *client, const char *project, const char *worker, const struct curated_lease *lease,
    const char *label, int64_t *charged_microusd, struct curated_error *error)
{
    struct writer fields;
    begin_answer(&fields, worker, lease);
    writer_string(&fields, "label", label);
    struct curated_reply *reply = finish_answer(client, "SUBMIT", project, &fields, error);
    if (reply && charged_microusd)
        *charged_microusd = curated_reply_integer(reply, "charged_microusd", 0);
    curated_reply_free(reply);
    return reply != NULL;
}

bool curated_skip(struct curated *client, const char *project, const char *worker, const struct curated_lease *lease,
    const char *reason, struct curated_error *error)
{
    struct writer fields;
    begin_answer(&fields, worker, lease);
    writer_string(&fields, "reason", reason);
    struct curated_reply *reply = finish_answer(client, "SKIP", project, &fields, error);
    curated_reply_free(reply);
    return reply != NULL;
}

bool curated_release(struct curated *client, const char *project, const char *worker, const struct curated_lease *lease,
    struct curated_error *error)
{
    struct writer fields;
    begin_answer(&fields, worker, lease);
    struct curated_reply *reply = finish_answer(client, "RELEASE", project, &fields, error);
    curated_reply_free(reply);
    return reply != NULL;
}
