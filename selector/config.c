#include "selector/config.h"

#include <argp.h>
#include <errno.h>
#include <libconfig.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { KIND_TEXT, KIND_INTEGER };

/* One table for the file, the command line, the CONFIG operation and --help. */
static const struct setting {
    const char *name;
    enum kind kind;
    size_t offset;
    size_t size; /* of a text's room */
    int64_t minimum;
    int64_t maximum;
    const char *initial;
    const char *help;
} settings[] = {
#define TEXT(name, initial, help)                                                                                              \
    {                                                                                                                          \
#name, KIND_TEXT, offsetof(struct config, name), sizeof(((struct config *)0)->name), 0, 0, initial, help               \
    }
#define INTEGER(name, minimum, maximum, initial, help)                                                                         \
    {                                                                                                                          \
#name, KIND_INTEGER, offsetof(struct config, name), 0, minimum, maximum, initial, help                                 \
    }
    TEXT(store, "/var/lib/curated", "folder of the store"),
    TEXT(requests, "tcp://127.0.0.1:7811", "ZeroMQ endpoint for requests; loopback or ipc:// only"),
    TEXT(events, "tcp://127.0.0.1:7812", "ZeroMQ endpoint for events; loopback or ipc:// only"),
    TEXT(log_level, "info", "error, warning, info or debug"),
    INTEGER(max_request_bytes, 4096, (int64_t)1 << 30, "67108864", "largest request, all frames together"),
    INTEGER(bulk_queue_bytes, 1 << 20, (int64_t)1 << 36, "268435456",
        "bytes of pushes under way; beyond, pushes are answered busy"),
    INTEGER(state_map_bytes, 1 << 20, (int64_t)1 << 44, "68719476736", "bound of the state environment's size"),
    INTEGER(vectors_map_bytes, 1 << 20, (int64_t)1 << 46, "1099511627776", "bound of the vectors environment's size"),
    INTEGER(group_requests, 1, 100000, "4096", "requests committed in one transaction at most"),
    INTEGER(threads, 0, 1024, "0", "threads of the planner; 0: one a processor"),
    INTEGER(references_max, 0, INT32_MAX, "0", "samples that stand for a large pool; 0: the strategy's default"),
#undef TEXT
#undef INTEGER
};

enum { SETTING_COUNT = sizeof settings / sizeof *settings, OPTION_FIRST = 1000, OPTION_CONFIG = 'c' };

/* Sets one key from text. `problem` gets a line where it is wrong. */
static bool set_text(struct config *config, const struct setting *setting, const char *text, char *problem, size_t size)
{
    void *field = (char *)config + setting->offset;
    if (setting->kind == KIND_TEXT) {
        if (strlen(text) >= setting->size) {
            snprintf(problem, size, "%s: expected at most %zu bytes, got %zu", setting->name, setting->size - 1, strlen(text));
            return false;
        }
        memcpy(field, text, strlen(text) + 1);
        return true;
    }
    char *end;
    errno = 0;
    const long long value = strtoll(text, &end, 10);
    if (errno || end == text || *end || value < setting->minimum || value > setting->maximum) {
        snprintf(problem, size, "%s: expected an integer from %lld to %lld, got %s", setting->name, (long long)setting->minimum,
            (long long)setting->maximum, text);
        return false;
    }
    memcpy(field, &(int64_t){value}, sizeof(int64_t));
    return true;
}

static bool set_defaults(struct config *config)
{
    char problem[256];
    memset(config, 0, sizeof *config);
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (!set_text(config, &settings[i], settings[i].initial, problem, sizeof problem))
            return false;
    return true;
}

/* --- the file ----------------------------------------------------------------------------------------------------------- */

static const struct setting *find_setting(const char *name)
{
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (strcmp(settings[i].name, name) == 0)
            return &settings[i];
    return NULL;
}

static bool take_entry(struct config *config, const char *path, const config_setting_t *entry)
{
    char problem[384] = "";
    char number[32];
    const char *name = config_setting_name(entry);
    const int type = config_setting_type(entry);
    const struct setting *setting = find_setting(name);
    const char *text = NULL;
    if (!setting)
        snprintf(problem, sizeof problem, "%s: there is no such key", name);
    else if (setting->kind == KIND_TEXT && type == CONFIG_TYPE_STRING)
        text = config_setting_get_string(entry);
    else if (setting->kind == KIND_INTEGER && (type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64)) {
        snprintf(number, sizeof number, "%lld", config_setting_get_int64(entry));
        text = number;
    } else
        snprintf(problem, sizeof problem, "%s: expected %s", name,
            setting->kind == KIND_TEXT ? "a text in double quotes" : "an integer without quotes");
    if (text && set_text(config, setting, text, problem, sizeof problem))
        return true;
    fprintf(stderr, "%s:%u: %s\n", path, config_setting_source_line(entry), problem);
    return false;
}

static bool read_file(struct config *config, const char *path)
{
    config_t file;
    config_init(&file);
    config_set_options(&file, CONFIG_OPTION_AUTOCONVERT);
    bool ok = config_read_file(&file, path) == CONFIG_TRUE;
    if (!ok)
        fprintf(stderr, "%s:%d: %s\n", path, config_error_line(&file), config_error_text(&file));
    const config_setting_t *root = ok ? config_root_setting(&file) : NULL;
    for (int i = 0; ok && i < config_setting_length(root); i++)
        ok = take_entry(config, path, config_setting_get_elem(root, (unsigned)i));
    config_destroy(&file);
    return ok;
}

/* --- the command line --------------------------------------------------------------------------------------------------- */

/* What the command line said, kept to be laid over the file's content. */
struct command_line {
    const char *values[SETTING_COUNT];
    const char *path;
};

/* Read by glibc, so it must be seen outside this program's objects. */
__attribute__((visibility("default"))) const char *argp_program_version = "curated " CURATED_VERSION;

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct command_line *line = state->input;
    if (key == OPTION_CONFIG)
        line->path = argument;
    else if (key >= OPTION_FIRST && key < OPTION_FIRST + (int)SETTING_COUNT)
        line->values[key - OPTION_FIRST] = argument;
    else if (key == ARGP_KEY_ARG)
        argp_error(state, "unexpected argument: %s", argument);
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

static void parse_command_line(struct command_line *line, int argc, char **argv)
{
    /* Options are spelled with dashes, keys in the file with underscores. */
    static char names[SETTING_COUNT][32];
    struct argp_option options[SETTING_COUNT + 2] = {{"config", OPTION_CONFIG, "FILE", 0, "read this configuration file", 0}};
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        snprintf(names[i], sizeof names[i], "%s", settings[i].name);
        for (char *at = names[i]; *at; at++)
            if (*at == '_')
                *at = '-';
        options[i + 1] = (struct argp_option){
            names[i], OPTION_FIRST + (int)i, settings[i].kind == KIND_TEXT ? "TEXT" : "N", 0, settings[i].help, 0};
    }
    const struct argp argp = {
        .options = options, .parser = parse_option, .doc = "Decides which samples to have labelled next. See curated(8)."};
    argp_parse(&argp, argc, argv, 0, NULL, line);
}

static bool check_words(const struct config *config)
{
    enum log_level level;
    if (log_level_parse(config->log_level, &level))
        return true;
    fprintf(stderr, "log_level: expected error, warning, info or debug, got %s\n", config->log_level);
    return false;
}

/* The store of its command line, for configuration_reload. */
static struct command_line command_line;

static bool load(struct config *config)
{
    if (!set_defaults(config))
        return false;
    if (command_line.path) {
        if (strlen(command_line.path) >= sizeof config->path) {
            fprintf(stderr, "the configuration file's path is too long\n");
            return false;
        }
        memcpy(config->path, command_line.path, strlen(command_line.path) + 1);
        if (!read_file(config, config->path))
            return false;
    }
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        char problem[384];
        if (command_line.values[i] && !set_text(config, &settings[i], command_line.values[i], problem, sizeof problem)) {
            fprintf(stderr, "%s\n", problem);
            return false;
        }
    }
    return check_words(config);
}

bool configuration_load(struct config *config, int argc, char **argv)
{
    parse_command_line(&command_line, argc, argv);
    return load(config);
}

bool configuration_reload(void)
{
    struct config fresh;
    enum log_level level;
    if (!load(&fresh) || !log_level_parse(fresh.log_level, &level))
        return false;
    log_set_level(level);
    return true;
}

void configuration_write(const struct config *config, struct writer *writer)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const void *field = (const char *)config + settings[i].offset;
        if (settings[i].offset == offsetof(struct config, log_level)) {
            writer_string(writer, settings[i].name, log_level_name());
        } else if (settings[i].kind == KIND_TEXT) {
            writer_string(writer, settings[i].name, field);
        } else {
            int64_t value;
            memcpy(&value, field, sizeof value);
            writer_integer(writer, settings[i].name, value);
        }
    }
}
