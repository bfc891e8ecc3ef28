/*
 * fail_writes.c - preloaded into a daemon, makes the store's writes fail on demand. While the file that the environment
 * variable CURATED_TEST_FAIL names exists, it says what fails and how: a word and an errno. "pages" are the writes of data,
 * "sync" is what waits for the disk after them, "meta" the short write that makes a transaction count. After "slow" stand the
 * milliseconds that each sync takes.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { META_MAX = 512 };

/* The number after a word: the errno that a call shall fail with; 0: it shall not. */
static int wanted_number(const char *call)
{
    const char *path = getenv("CURATED_TEST_FAIL");
    FILE *file = path ? fopen(path, "re") : NULL;
    char line[64] = "";
    if (!file)
        return 0;
    const size_t size = strlen(call);
    const bool named = fgets(line, sizeof line, file) && strncmp(line, call, size) == 0 && line[size] == ' ';
    fclose(file);
    return named ? (int)strtol(line + size, NULL, 10) : 0;
}

static bool fails(const char *call)
{
    const int error = wanted_number(call);
    if (error)
        errno = error;
    return error != 0;
}

__attribute__((visibility("default"))) int fdatasync(int file)
{
    const int slow_ms = wanted_number("slow");
    const struct timespec pause = {slow_ms / 1000, slow_ms % 1000 * 1000000L};
    if (slow_ms > 0)
        nanosleep(&pause, NULL);
    return fails("sync") ? -1 : (int)syscall(SYS_fdatasync, file);
}

__attribute__((visibility("default"))) ssize_t pwrite(int file, const void *bytes, size_t size, off_t offset)
{
    return fails(size < META_MAX ? "meta" : "pages") ? -1 : syscall(SYS_pwrite64, file, bytes, size, offset);
}

__attribute__((visibility("default"))) ssize_t writev(int file, const struct iovec *parts, int count)
{
    return fails("pages") ? -1 : syscall(SYS_writev, file, parts, count);
}
