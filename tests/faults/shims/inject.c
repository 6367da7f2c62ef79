/* Makes one system call on files whose name ends in INJECT_SUFFIX fail with INJECT_ERRNO, from the
 * INJECT_AFTER-th such call on, INJECT_TIMES times (0: for ever). INJECT_OP is pwrite or fsync.
 * It starts once the file INJECT_SWITCH exists, so that a test can set the scene first. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static long seen, failed;

static int fails(const char *op, int fd) {
    const char *wanted = getenv("INJECT_OP"), *suffix = getenv("INJECT_SUFFIX"), *on = getenv("INJECT_SWITCH");
    char link[64], path[PATH_MAX];
    if (!wanted || strcmp(op, wanted) != 0 || !on || syscall(SYS_access, on, F_OK) != 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0) return 0;
    path[n] = 0;
    size_t s = strlen(suffix);
    if ((size_t)n < s || strcmp(path + n - s, suffix) != 0) return 0;
    long times = atol(getenv("INJECT_TIMES"));
    if (++seen < atol(getenv("INJECT_AFTER")) || (times && failed >= times)) return 0;
    failed++;
    errno = atoi(getenv("INJECT_ERRNO"));
    return 1;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    return fails("pwrite", fd) ? -1 : syscall(SYS_pwrite64, fd, data, size, offset);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) { return pwrite64(fd, data, size, offset); }
int fsync(int fd) { return fails("fsync", fd) ? -1 : (int)syscall(SYS_fsync, fd); }
int fdatasync(int fd) { return fails("fsync", fd) ? -1 : (int)syscall(SYS_fdatasync, fd); }
