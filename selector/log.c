#include "selector/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

static const struct {
    const char *word;
    int priority;
} levels[] = {
    [LOG_LEVEL_ERROR] = {"error", LOG_ERR},
    [LOG_LEVEL_WARNING] = {"warning", LOG_WARNING},
    [LOG_LEVEL_INFO] = {"info", LOG_INFO},
    [LOG_LEVEL_DEBUG] = {"debug", LOG_DEBUG},
};

static _Atomic int current_level = LOG_LEVEL_INFO;

/* The rate of the message logged last, over all threads. */
static struct {
    pthread_mutex_t mutex;
    const char *message;
    time_t second;
    unsigned count;
    unsigned dropped;
} rate = {.mutex = PTHREAD_MUTEX_INITIALIZER};

void log_set_level(enum log_level level)
{
    atomic_store(&current_level, (int)level);
}

const char *log_level_name(void)
{
    return levels[atomic_load(&current_level)].word;
}

int log_level_parse(const char *word, enum log_level *level)
{
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        if (strcmp(levels[i].word, word) == 0) {
            *level = (enum log_level)i;
            return 1;
        }
    }
    return 0;
}

/* True where the line may be written; `dropped` tells how many before it were not. */
static int admit(const char *message, unsigned *dropped)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    pthread_mutex_lock(&rate.mutex);
    if (rate.message != message || rate.second != now.tv_sec) {
        rate.message = message;
        rate.second = now.tv_sec;
        rate.count = 0;
    }
    const int admitted = ++rate.count <= LOG_BURST;
    *dropped = admitted ? rate.dropped : 0;
    rate.dropped = admitted ? 0 : rate.dropped + 1;
    pthread_mutex_unlock(&rate.mutex);
    return admitted;
}

void log_line(enum log_level level, const char *message, const char *format, ...)
{
    unsigned dropped;
    if ((int)level > atomic_load(&current_level) || !admit(message, &dropped))
        return;
    char line[1024];
    size_t used = 0;
    if (getenv("JOURNAL_STREAM"))
        used += (size_t)snprintf(line, sizeof line, "<%d>", levels[level].priority);
    used += (size_t)snprintf(line + used, sizeof line - used, "level=%s msg=%s", levels[level].word, message);
    if (*format && used < sizeof line - 1) {
        line[used++] = ' ';
        va_list arguments;
        va_start(arguments, format);
        const int more = vsnprintf(line + used, sizeof line - used, format, arguments);
        va_end(arguments);
        used += more > 0 ? (size_t)more : 0;
    }
    used = used < sizeof line - 32 ? used : sizeof line - 32;
    if (dropped > 0)
        used += (size_t)snprintf(line + used, sizeof line - used, " dropped=%u", dropped);
    line[used++] = '\n';
    /* One write a line, so that lines of several threads don't mix. Nobody is left to tell where it fails. */
    if (write(STDERR_FILENO, line, used) < 0)
        return;
}
