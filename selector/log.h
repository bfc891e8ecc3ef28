/*
 * log.h - the daemon's log: one line an event, key=value, on standard error. Under systemd each line carries its priority for
 * the journal.
 *
 * Any thread may log. A message that repeats more than LOG_BURST times within a second is dropped and counted in its next line.
 */
#pragma once

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

enum { LOG_BURST = 20 };

/* Called once before the threads start, and for a reload by one thread. */
void log_set_level(enum log_level level);

/* The word of the level in force; static. */
const char *log_level_name(void);

/* False where the word is none of error, warning, info, debug. */
int log_level_parse(const char *word, enum log_level *level);

/*
 * `message` is static text without spaces ("store_open"); `format` and the rest print further key=value pairs, "" for none.
 * Values with spaces are for the caller to quote.
 */
void log_line(enum log_level level, const char *message, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define log_error(message, ...)   log_line(LOG_LEVEL_ERROR, message, __VA_ARGS__)
#define log_warning(message, ...) log_line(LOG_LEVEL_WARNING, message, __VA_ARGS__)
#define log_info(message, ...)    log_line(LOG_LEVEL_INFO, message, __VA_ARGS__)
#define log_debug(message, ...)   log_line(LOG_LEVEL_DEBUG, message, __VA_ARGS__)
