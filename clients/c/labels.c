#include "clients/c/client.h"

#include <stdlib.h>
#include <string.h>

/* A page and what it points to, in one piece of memory: this head, the arrays by falling alignment, then the keys' bytes. */
struct page {
    struct curated_labels labels;
    int64_t numbers[];
};

struct columns {
    struct array seqs, slots, labels, settled, time_ms;
    const msgpack_object_array *keys;
};

static bool read_columns(const struct curated_reply *reply, struct columns *columns, struct curated_error *error)
{
    struct protocol_error problem = {0};
    struct reader reader = reply_reader(reply, &problem);
    columns->seqs = reader_array(&reader, "seqs", ARRAY_BIT(ARRAY_I8), 1);
    columns->slots = reader_array(&reader, "slots", ARRAY_BIT(ARRAY_U4), 1);
    columns->labels = reader_array(&reader, "labels", ARRAY_BIT(ARRAY_I4), 1);
    columns->settled = reader_array(&reader, "settled", ARRAY_BIT(ARRAY_U1), 1);
    columns->time_ms = reader_array(&reader, "time_ms", ARRAY_BIT(ARRAY_I8), 1);
    columns->keys = reader_list(&reader, "keys", UINT32_MAX);
    const size_t count = columns->seqs.rows;
    if (!problem.code && (columns->slots.rows != count || columns->labels.rows != count || columns->settled.rows != count ||
                             columns->time_ms.rows != count || columns->keys->size != count))
        protocol_fail(&problem, PROTOCOL_BAD_REQUEST, "labels", "columns of one length", "columns of different lengths");
    return reply_read_well(&problem, error);
}

/* memcpy may not be given the NULL that an empty array can have. */
static void *copy(void *to, const struct array *array)
{
    if (array->bytes > 0)
        memcpy(to, array->data, array->bytes);
    return to;
}

static struct page *copy_page(const struct columns *columns, struct curated_error *error)
{
    const size_t count = columns->seqs.rows;
    size_t key_bytes = 0;
    for (size_t i = 0; i < count; i++)
        key_bytes += reader_object_text(&columns->keys->ptr[i]).size + 1;
    const size_t row_bytes = 2 * sizeof(int64_t) + sizeof(char *) + 2 * sizeof(int32_t) + 1;
    struct page *page = malloc(sizeof *page + count * row_bytes + key_bytes);
    if (!page) {
        client_no_memory(error);
        return NULL;
    }
    int64_t *seqs = page->numbers;
    int64_t *times = seqs + count;
    const char **keys = (const char **)(times + count);
    uint32_t *slots = (uint32_t *)(keys + count);
    int32_t *labels = (int32_t *)(slots + count);
    uint8_t *settled = (uint8_t *)(labels + count);
    char *text = (char *)(settled + count);
    for (size_t i = 0; i < count; i++) {
        const struct text key = reader_object_text(&columns->keys->ptr[i]);
        keys[i] = text;
        if (key.size > 0)
            memcpy(text, key.data, key.size);
        text[key.size] = '\0';
        text += key.size + 1;
    }
    page->labels = (struct curated_labels){
        .count = count,
        .seqs = copy(seqs, &columns->seqs),
        .slots = copy(slots, &columns->slots),
        .labels = copy(labels, &columns->labels),
        .settled = copy(settled, &columns->settled),
        .time_ms = copy(times, &columns->time_ms),
        .keys = keys,
    };
    return page;
}

struct curated_labels *curated_labels_since(
    struct curated *client, const char *project, int64_t since, int64_t limit, struct curated_error *error)
{
    struct writer fields;
    struct columns columns;
    struct page *page = NULL;
    writer_init(&fields);
    writer_map_begin(&fields, NULL);
    writer_integer(&fields, "since", since);
    if (limit > 0)
        writer_integer(&fields, "limit", limit);
    writer_map_end(&fields);
    struct curated_reply *reply = client_call(client, "LABELS.SINCE", project, &fields, NULL, NULL, 0, error);
    writer_deinit(&fields);
    if (reply && read_columns(reply, &columns, error))
        page = copy_page(&columns, error);
    if (page) {
        page->labels.next = curated_reply_integer(reply, "next", since);
        page->labels.more = curated_reply_bool(reply, "more", false);
    }
    curated_reply_free(reply);
    return page ? &page->labels : NULL;
}

void curated_labels_free(struct curated_labels *labels)
{
    free(labels); /* the head of its page */
}
