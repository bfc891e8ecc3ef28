/*
 * command.h - what a command of curatectl is made of: a row in a table that says its name, its operation, its parameters and
 * how its reply is shown. Most commands are nothing more than that row.
 */
#pragma once

#include "clients/c/curated.h"
#include "protocol/writer.h"

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

/* What scripts can tell apart; curatectl(1) documents it. A daemon's error of code c exits with c + 2. */
enum exit_code {
    EXIT_FINE = 0,
    EXIT_USAGE = 1,
    EXIT_UNREACHABLE = 2,
    EXIT_CODES_FROM = 2, /* + enum curated_code, from bad_request (3) to internal (14) */
    EXIT_LOCAL = 15,     /* no memory, a file that can't be read, a peer that speaks something else */
    EXIT_NOTHING = 16,   /* `lease`: nothing waits */
    EXIT_DIFFERS = 17,   /* `verify` found problems, `replay` a difference */
    EXIT_CANCELED = 18,  /* somebody stopped the selection */
};

enum parameter_kind {
    PARAMETER_TEXT,
    PARAMETER_INTEGER,
    PARAMETER_NUMBER,
    PARAMETER_MONEY,     /* dollars, an int of micro-dollars on the wire */
    PARAMETER_DURATION,  /* 500ms, 30s, 5m, 2h; an int of milliseconds */
    PARAMETER_FLAG,      /* takes no argument: true */
    PARAMETER_SWITCH,    /* on or off */
    PARAMETER_WORDS,     /* a,b,c: a list of str */
    PARAMETER_JSON,      /* any JSON value */
    PARAMETER_KEYS_FILE, /* a file with a sample's key a line: {keys: [...]} */
    PARAMETER_FIELDS,    /* NAME=VALUE, given once for each name: a map */
};

/* An option, or with `place` an argument of a command. */
struct parameter {
    const char *name;     /* --name, or the name of an argument: NAME */
    const char *argument; /* of an option, for --help; NULL with PARAMETER_FLAG */
    const char *field;    /* of the request; NULL: only the command itself looks at it */
    const char *help;
    const struct parameter *fields; /* of PARAMETER_FIELDS: the names there are; ended by a zeroed one */
    enum parameter_kind kind;
    enum { PLACE_OPTION, PLACE_ARGUMENT, PLACE_OPTIONAL_ARGUMENT, PLACE_ARGUMENTS } place;
    char key; /* of a short option; 0: none */
    bool required;
};

struct given {
    const char *text; /* as given; NULL: not given */
    int64_t integer;  /* INTEGER, MONEY, DURATION, FLAG, SWITCH */
    double number;    /* NUMBER */
};

enum { PARAMETERS_MAX = 40 };

struct context;

struct command {
    const char *name;      /* one word, or two: "project create" */
    const char *operation; /* of the protocol; NULL: the command chooses itself */
    const char *help;
    const struct parameter *parameters;                                    /* ended by a zeroed one; NULL: none */
    int (*run)(struct context *context);                                   /* NULL: command_run */
    int (*show)(struct context *context, const msgpack_object_map *reply); /* for people; NULL: shows all fields */
    bool project_argument;                                                 /* its argument NAME is the project */
};

struct context {
    const struct command *command;
    struct curated *client;
    const char *requests;
    const char *events;
    const char *project;
    int64_t timeout_ms;
    bool json;
    struct given values[PARAMETERS_MAX]; /* in the order of command->parameters */
    struct given fields[PARAMETERS_MAX]; /* in the order of the fields of its one PARAMETER_FIELDS */
    char **arguments;                    /* of PLACE_ARGUMENTS; room for all of argv; main frees it */
    int argument_count;
};

/* The groups' tables, each ended by a zeroed row. */
extern const struct command daemon_commands[];
extern const struct command project_commands[];
extern const struct command sample_commands[];
extern const struct command selection_commands[];
extern const struct command work_commands[];
extern const struct command money_commands[];
extern const struct command event_commands[];

/* The command of that name, given as one or two words; `words` (output) says how many were its name. NULL: none. */
const struct command *command_find(const char *first, const char *second, int *words);

/* Calls `visit` for each command. */
void command_each(void (*visit)(const struct command *command, void *argument), void *argument);

/* The value of a parameter; a zeroed one where it was not given. */
const struct given *command_value(const struct context *context, const char *name);

/* Starts a request's fields and writes every parameter that was given. False with a message where one can't be. Partner:
 * writer_deinit. */
bool command_fields(struct context *context, struct writer *fields);

/* Ends the fields and asks; an error is reported, and *status set. `project` NULL: the operation has none. */
struct curated_reply *command_call(
    struct context *context, const char *operation, const char *project, struct writer *fields, int *status);

/* The whole of an ordinary command: fields from parameters, the call, the reply shown. Returns an exit code. */
int command_run(struct context *context);

/* As command_run, with the exit code that `judge` gives a reply which was shown, with --json too. */
int command_run_judged(struct context *context, int (*judge)(const msgpack_object_map *reply));

/* Shows a reply: as JSON, or by the command's own function. Returns an exit code. */
int command_show(struct context *context, const msgpack_object_map *reply);

/* Tells an error on stderr (and with --json on stdout), with what to do about it. Returns its exit code. */
int report_error(const struct context *context, const struct curated_error *error);

/* Tells of a fault on this side. Returns EXIT_LOCAL or, for report_usage, EXIT_USAGE. */
int report_local(const struct context *context, const char *format, ...) __attribute__((format(printf, 2, 3)));
int report_usage(const struct context *context, const char *format, ...) __attribute__((format(printf, 2, 3)));
