/* Writes down every write, sync, truncation and removal of the files under TRACE_DIR, in order, to the file TRACE_OUT.
 * One record: op (1 byte), length of name (2), length of data (4), offset (8), name, data. Host byte order. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static int out = -1;

static const char *name_of(int fd, char *buffer) {
    const char *dir = getenv("TRACE_DIR");
    char link[64];
    if (!dir) return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, buffer, PATH_MAX - 1);
    if (n <= 0) return NULL;
    buffer[n] = 0;
    size_t d = strlen(dir);
    if (strncmp(buffer, dir, d) != 0 || buffer[d] != '/') return NULL;
    return buffer + d + 1;
}

static void record(char op, const char *name, const void *data, uint32_t size, uint64_t offset) {
    if (out < 0) out = open(getenv("TRACE_OUT"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    uint16_t length = strlen(name);
    char head[15];
    head[0] = op;
    memcpy(head + 1, &length, 2);
    memcpy(head + 3, &size, 4);
    memcpy(head + 7, &offset, 8);
    syscall(SYS_write, out, head, sizeof head);
    syscall(SYS_write, out, name, length);
    if (size && data) syscall(SYS_write, out, data, size);
}

#define TRACED(fd, call, op, data, size, offset)                                                                   \
    char path[PATH_MAX];                                                                                           \
    const char *name = name_of(fd, path);                                                                          \
    if (!name) return call;                                                                                        \
    pthread_mutex_lock(&turn);                                                                                     \
    __typeof__(call) answer = call;                                                                                \
    if (answer >= 0) record(op, name, data, size, offset);                                                         \
    pthread_mutex_unlock(&turn);                                                                                   \
    return answer

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    TRACED(fd, syscall(SYS_pwrite64, fd, data, size, offset), 'w', data, size, offset);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) { return pwrite64(fd, data, size, offset); }

ssize_t write(int fd, const void *data, size_t size) {
    TRACED(fd, syscall(SYS_write, fd, data, size), 'a', data, size, 0);
}
int fsync(int fd) { TRACED(fd, (int)syscall(SYS_fsync, fd), 's', NULL, 0, 0); }
int fdatasync(int fd) { TRACED(fd, (int)syscall(SYS_fdatasync, fd), 's', NULL, 0, 0); }
int ftruncate64(int fd, off64_t size) { TRACED(fd, (int)syscall(SYS_ftruncate, fd, size), 't', NULL, 0, size); }
int unlink(const char *path) {
    const char *dir = getenv("TRACE_DIR");
    int answer = (int)syscall(SYS_unlink, path);
    if (dir && answer == 0 && strncmp(path, dir, strlen(dir)) == 0 && path[strlen(dir)] == '/') {
        pthread_mutex_lock(&turn);
        record('u', path + strlen(dir) + 1, NULL, 0, 0);
        pthread_mutex_unlock(&turn);
    }
    return answer;
}
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }
