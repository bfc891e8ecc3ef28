#include "selector/settings.h"

#include "selector/strategy/select.h"
#include "store/lease.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct settings settings_default(void)
{
    struct settings settings;
    memset(&settings, 0, sizeof settings); /* padding, too: settings are compared byte for byte, and stored */
    settings.lease_ms = 60000;
    settings.control_share = 0.05;
    settings.overlap = 1;
    settings.skip_limit = 3;
    settings.keep_models = 2;
    settings.pay_none_of_these = 1;
    settings.replenish_strategy = SELECT_AUTO;
    return settings;
}

/* --- tags, shares, types ------------------------------------------------------------------------------------------------ */

static bool intern_tag(
    struct reader *fields, struct change *change, struct project *project, struct text name, const char *field, uint32_t *tag)
{
    if (!text_is_utf8(name) || name.size == 0 || name.size > 64)
        return reader_reject(fields, field, "tags of 1 to 64 bytes of UTF-8", "another value");
    if (!name_find(&change->txn, project, NAME_TAG, name, tag)) {
        if (project->counters.names[NAME_TAG] >= PROJECT_TAGS_MAX)
            return protocol_fail(
                fields->error, PROTOCOL_TOO_LARGE, field, "at most 64 different tags in a project", "another one");
        *tag = name_intern(&change->txn, project, NAME_TAG, name);
    }
    return true;
}

static bool read_excluded_tags(struct reader *fields, struct change *change, struct project *project, struct settings *settings)
{
    if (!reader_has(fields, "excluded_tags"))
        return true;
    const msgpack_object_array *tags = reader_list(fields, "excluded_tags", PROJECT_TAGS_MAX);
    settings->excluded_tags = 0;
    for (uint32_t i = 0; i < tags->size; i++) {
        uint32_t tag;
        if (!intern_tag(fields, change, project, reader_object_text(&tags->ptr[i]), "excluded_tags", &tag))
            return false;
        settings->excluded_tags |= UINT64_C(1) << tag;
    }
    return !fields->error->code;
}

static bool read_share(struct reader *fields, struct change *change, struct project *project, struct settings *settings,
    const msgpack_object *entry)
{
    struct reader inner = {entry->type == MSGPACK_OBJECT_MAP ? &entry->via.map : NULL, NULL, 0, fields->error};
    uint32_t index;
    const bool is_class = reader_has(&inner, "class");
    if (is_class == reader_has(&inner, "tag"))
        return reader_reject(fields, "minimum_shares", "maps with one of class, tag", "both or neither");
    const struct text name = reader_text(&inner, is_class ? "class" : "tag", 1, 255);
    if (fields->error->code)
        return false;
    if (!is_class && !intern_tag(fields, change, project, name, "minimum_shares", &index))
        return false;
    if (is_class && !name_find(&change->txn, project, NAME_CLASS, name, &index))
        return protocol_fail(
            fields->error, PROTOCOL_NOT_FOUND, "minimum_shares", "a class of the project", "%.*s", (int)name.size, name.data);
    if (!reader_has(&inner, "share") && !reader_has(&inner, "maximum"))
        return reader_reject(fields, "minimum_shares", "a share or maximum in each", "neither");
    const uint32_t at = settings->share_count++;
    settings->shares[at].share = reader_number_or(&inner, "share", 0, 1, 0);
    settings->shares[at].maximum = reader_number_or(&inner, "maximum", 0, 1, 1);
    if (!fields->error->code && settings->shares[at].maximum < settings->shares[at].share)
        return reader_reject(fields, "minimum_shares", "a maximum that is no less than the share", "less");
    settings->shares[at].index = index;
    settings->shares[at].is_class = is_class;
    return !fields->error->code;
}

static bool read_shares(struct reader *fields, struct change *change, struct project *project, struct settings *settings)
{
    if (!reader_has(fields, "minimum_shares"))
        return true;
    const msgpack_object_array *shares = reader_list(fields, "minimum_shares", PROJECT_SHARES_MAX);
    memset(settings->shares, 0, sizeof settings->shares);
    settings->share_count = 0;
    double sum = 0;
    for (uint32_t i = 0; i < shares->size; i++) {
        if (!read_share(fields, change, project, settings, &shares->ptr[i]))
            return false;
        sum += settings->shares[i].share;
    }
    if (sum > 1)
        return reader_reject(fields, "minimum_shares", "shares that add up to 1 at most", "more");
    return !fields->error->code;
}

/* The place of a type's name; settings->type_count where it is new. */
static uint32_t find_type(const struct settings *settings, struct text name)
{
    uint32_t at = 0;
    while (at < settings->type_count && !text_equal(name, settings->types[at].name))
        at++;
    return at;
}

/* Types are added and priced anew, never removed: batches point to them by their place. */
static bool read_types(struct reader *fields, struct settings *settings)
{
    if (!reader_has(fields, "type_prices_microusd"))
        return true;
    const msgpack_object_map *types = reader_map(fields, "type_prices_microusd");
    struct reader inner = {types, NULL, 0, fields->error};
    for (uint32_t i = 0; i < types->size; i++) {
        const struct text name = reader_object_text(&types->ptr[i].key);
        if (!text_is_name(name, 63, ""))
            return reader_reject(fields, "type_prices_microusd", "names of 1 to 63 of A-Z a-z 0-9 . _ -", "another name");
        const uint32_t at = find_type(settings, name);
        if (at == PROJECT_TYPES_MAX)
            return protocol_fail(fields->error, PROTOCOL_TOO_LARGE, "type_prices_microusd", "at most 16 types", "another one");
        if (at == settings->type_count) {
            memcpy(settings->types[at].name, name.data, name.size);
            settings->type_count++;
        }
        settings->types[at].price_microusd = reader_integer(&inner, settings->types[at].name, 0, INT64_MAX / 1024);
    }
    return !fields->error->code;
}

static void read_space(struct reader *fields, struct settings *settings)
{
    if (!reader_has(fields, "space"))
        return;
    const struct text space = reader_text(fields, "space", 0, SPACE_NAME_MAX);
    memset(settings->space, 0, sizeof settings->space);
    memcpy(settings->space, space.data, space.size);
}

static void read_strategy(struct reader *fields, struct settings *settings)
{
    if (!reader_has(fields, "replenish_strategy"))
        return;
    const struct text name = reader_text(fields, "replenish_strategy", 1, 64);
    enum select_strategy strategy;
    if (fields->error->code)
        return;
    if (select_strategy_parse(name.data, name.size, &strategy))
        settings->replenish_strategy = (uint8_t)strategy;
    else
        protocol_fail(
            fields->error, PROTOCOL_BAD_REQUEST, "replenish_strategy", "a strategy", "%.*s", (int)name.size, name.data);
}

bool settings_read(struct reader *fields, struct change *change, struct project *project, struct settings *settings)
{
    settings->price_microusd = reader_integer_or(fields, "price_microusd", 0, INT64_MAX / 1024, settings->price_microusd);
    settings->seed = (uint64_t)reader_integer_or(fields, "seed", 0, INT64_MAX, (int64_t)settings->seed);
    settings->overlap = (uint32_t)reader_integer_or(fields, "overlap", 1, PROJECT_OVERLAP_MAX, settings->overlap);
    settings->lease_ms = reader_integer_or(fields, "lease_ms", LEASE_MS_MIN, LEASE_MS_MAX, settings->lease_ms);
    settings->skip_limit = (uint32_t)reader_integer_or(fields, "skip_limit", 1, PROJECT_SKIPS_MAX, settings->skip_limit);
    settings->pay_none_of_these = reader_bool_or(fields, "pay_none_of_these", settings->pay_none_of_these);
    settings->control_share = reader_number_or(fields, "control_share", 0, 1, settings->control_share);
    settings->group_max = (uint32_t)reader_integer_or(fields, "group_max", 0, UINT32_MAX, settings->group_max);
    settings->keep_duplicates = reader_bool_or(fields, "keep_duplicates", settings->keep_duplicates);
    settings->keep_junk = reader_bool_or(fields, "keep_junk", settings->keep_junk);
    if (reader_has(fields, "replenish_depth")) {
        settings->replenish_depth = (uint32_t)reader_integer(fields, "replenish_depth", 0, 1000000);
        settings->replenish_low = (settings->replenish_depth + 1) / 2; /* of a depth of 1 as well, 1: fewer than 0 never wait */
    }
    settings->replenish_low = (uint32_t)reader_integer_or(fields, "replenish_low", 0, 1000000, settings->replenish_low);
    settings->budget_low_microusd =
        reader_integer_or(fields, "budget_low_microusd", 0, INT64_MAX, settings->budget_low_microusd);
    settings->keep_models = (uint32_t)reader_integer_or(fields, "keep_models", 1, 16, settings->keep_models);
    read_strategy(fields, settings);
    read_space(fields, settings);
    return !fields->error->code && read_types(fields, settings) && read_excluded_tags(fields, change, project, settings) &&
           read_shares(fields, change, project, settings);
}

bool settings_read_classes(struct reader *fields, struct change *change, struct project *project, bool extend)
{
    const msgpack_object_array *classes = reader_list(fields, "classes", PROJECT_CLASSES_MAX);
    const uint32_t known = project->settings.classes;
    if (fields->error->code)
        return false;
    if (classes->size < known || (classes->size > known && !extend))
        return protocol_fail(fields->error, PROTOCOL_CONFLICT, "classes", "the project's classes",
            "%" PRIu32 " classes instead of %" PRIu32, classes->size, known);
    for (uint32_t i = 0; i < classes->size; i++) {
        const struct text name = reader_object_text(&classes->ptr[i]);
        if (name.size == 0 || name.size > 255 || !text_is_utf8(name))
            return reader_reject(fields, "classes", "str of 1 to 255 bytes of UTF-8", reader_type_name(&classes->ptr[i]));
        uint32_t index;
        const bool found = name_find(&change->txn, project, NAME_CLASS, name, &index);
        if (found && index < i)
            return protocol_fail(
                fields->error, PROTOCOL_BAD_REQUEST, "classes", "each class once", "%.*s twice", (int)name.size, name.data);
        if (i < known && (!found || index != i))
            return protocol_fail(fields->error, PROTOCOL_CONFLICT, "classes", "the project's classes in their order", "%.*s",
                (int)name.size, name.data);
        if (i >= known)
            name_intern(&change->txn, project, NAME_CLASS, name);
    }
    project->settings.classes = classes->size;
    return true;
}

/* --- comparing ---------------------------------------------------------------------------------------------------------- */

const char *settings_difference(const struct settings *a, const struct settings *b)
{
    /* Members are compared byte for byte, what is not used of them is zero. */
    static const struct {
        const char *field;
        size_t offset;
        size_t size;
    } members[] = {
#define MEMBER(field, member) {field, offsetof(struct settings, member), sizeof(((struct settings *)0)->member)}
        MEMBER("price_microusd", price_microusd),
        MEMBER("type_prices_microusd", types),
        MEMBER("seed", seed),
        MEMBER("overlap", overlap),
        MEMBER("lease_ms", lease_ms),
        MEMBER("skip_limit", skip_limit),
        MEMBER("pay_none_of_these", pay_none_of_these),
        MEMBER("control_share", control_share),
        MEMBER("group_max", group_max),
        MEMBER("excluded_tags", excluded_tags),
        MEMBER("minimum_shares", share_count),
        MEMBER("minimum_shares", shares),
        MEMBER("keep_duplicates", keep_duplicates),
        MEMBER("keep_junk", keep_junk),
        MEMBER("space", space),
        MEMBER("replenish_depth", replenish_depth),
        MEMBER("replenish_low", replenish_low),
        MEMBER("replenish_strategy", replenish_strategy),
        MEMBER("budget_low_microusd", budget_low_microusd),
        MEMBER("keep_models", keep_models),
#undef MEMBER
    };
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (memcmp((const char *)a + members[i].offset, (const char *)b + members[i].offset, members[i].size) != 0)
            return members[i].field;
    return NULL;
}

/* --- writing ------------------------------------------------------------------------------------------------------------ */

static void write_lists(struct writer *writer, struct txn *txn, const struct project *project)
{
    const struct settings *settings = &project->settings;
    writer_list_begin(writer, "classes");
    for (uint32_t i = 0; i < settings->classes; i++)
        writer_text(writer, NULL, name_text(txn, project->number, NAME_CLASS, i));
    writer_list_end(writer);
    writer_map_begin(writer, "type_prices_microusd");
    for (uint32_t i = 0; i < settings->type_count; i++)
        writer_integer(writer, settings->types[i].name, settings->types[i].price_microusd);
    writer_map_end(writer);
    writer_list_begin(writer, "excluded_tags");
    for (uint32_t tag = 0; tag < PROJECT_TAGS_MAX; tag++)
        if (settings->excluded_tags >> tag & 1)
            writer_text(writer, NULL, name_text(txn, project->number, NAME_TAG, tag));
    writer_list_end(writer);
    writer_list_begin(writer, "minimum_shares");
    for (uint32_t i = 0; i < settings->share_count; i++) {
        const bool is_class = settings->shares[i].is_class;
        writer_map_begin(writer, NULL);
        writer_text(writer, is_class ? "class" : "tag",
            name_text(txn, project->number, is_class ? NAME_CLASS : NAME_TAG, settings->shares[i].index));
        writer_number(writer, "share", settings->shares[i].share);
        writer_number(writer, "maximum", settings->shares[i].maximum);
        writer_map_end(writer);
    }
    writer_list_end(writer);
}

void settings_write(struct writer *writer, struct txn *txn, const struct project *project)
{
    const struct settings *settings = &project->settings;
    write_lists(writer, txn, project);
    writer_integer(writer, "price_microusd", settings->price_microusd);
    writer_integer(writer, "seed", (int64_t)settings->seed);
    writer_integer(writer, "overlap", settings->overlap);
    writer_integer(writer, "lease_ms", settings->lease_ms);
    writer_integer(writer, "skip_limit", settings->skip_limit);
    writer_bool(writer, "pay_none_of_these", settings->pay_none_of_these);
    writer_number(writer, "control_share", settings->control_share);
    writer_integer(writer, "group_max", settings->group_max);
    writer_bool(writer, "keep_duplicates", settings->keep_duplicates);
    writer_bool(writer, "keep_junk", settings->keep_junk);
    writer_string(writer, "space", settings->space);
    writer_integer(writer, "replenish_depth", settings->replenish_depth);
    writer_integer(writer, "replenish_low", settings->replenish_low);
    writer_string(writer, "replenish_strategy", select_strategy_name(settings->replenish_strategy));
    writer_integer(writer, "budget_low_microusd", settings->budget_low_microusd);
    writer_integer(writer, "keep_models", settings->keep_models);
}
